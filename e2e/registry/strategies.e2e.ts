// Each distinct way to authenticate that the registry knows, through the real daemon to a provider that
// answers only when the credential is exactly as documented.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createOperatorClient, type OperatorClient } from "@aivault/client/operator";
import { type Daemon, initVault, resolvePaths, startDaemon, version } from "@aivault/daemon";
import { type AuthScheme, builtinRegistry, type NamedTemplate } from "@aivault/registry";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DOCUMENTED, type DocumentedCall } from "../support/stand-in-documented.mjs";
import { awsComplaints, awsSignature } from "../support/stand-in-sigv4.mjs";
import {
  type Arrival,
  complaintsAbout,
  type StrictStandIn,
  startStrictStandIn,
  tokenComplaints,
} from "../support/stand-in-strict.mjs";
import { createTempHome } from "../support/temp-home.mjs";

const registry = builtinRegistry();
const home = createTempHome();
/** With the time, which some of them sign and which is over later. */
const recorded: { call: DocumentedCall; arrival: Arrival; atMs: number }[] = [];
let standIn: StrictStandIn;
let daemon: Daemon;
let operator: OperatorClient;

const providerOf = ({ capability }: DocumentedCall) => {
  const entry = registry.capability(capability);
  if (entry === null) throw new Error(`there is no ${capability}`);
  return entry.provider;
};

const wayOf = (call: DocumentedCall) => {
  const provider = providerOf(call);
  if (call.way === undefined) return provider;
  const way = provider.alternatives?.find(({ id }) => id === call.way);
  if (way === undefined) throw new Error(`${provider.id} has no ${call.way}`);
  return way;
};

/** What makes two schemes the same way to authenticate: all but names of scopes and addresses. */
function kindsOf(auth: AuthScheme): string[] {
  const named = (entries: readonly NamedTemplate[] = []): string[] =>
    entries.map(({ name, template }) => `${name.toLowerCase()}: ${template}`);
  switch (auth.strategy) {
    case "header":
    case "query": {
      const templates = [auth.template, ...(auth.byShape ?? []).map(({ template }) => template)];
      return templates.map(
        (template) => `${auth.strategy} ${auth.name.toLowerCase()}: ${template}`,
      );
    }
    case "multi-header":
    case "multi-query": {
      const entries = auth.strategy === "multi-header" ? auth.headers : auth.params;
      const shapes = entries.flatMap(({ name, byShape = [] }) =>
        byShape.map(({ pattern, template }) => `${name} ${pattern} ${template}`),
      );
      return ["", ...shapes].map((shape) => `${auth.strategy} ${named(entries)} ${shape}`);
    }
    case "path":
      return [`path ${auth.template}`];
    case "basic":
      return [`basic ${auth.username}:${auth.password}`];
    case "oauth2": {
      const rotates = auth.rotatesRefreshToken === true ? "rotating" : "";
      const where = `${auth.clientAuth} ${named(auth.headers)}`;
      return auth.grants.map((grant) =>
        grant === "refresh_token"
          ? `oauth2 ${grant} ${rotates} ${where}`
          : `oauth2 ${grant} ${where}`,
      );
    }
    case "hmac":
      return [`hmac ${auth.message} ${auth.signatureEncoding} ${auth.timestamp}`];
    case "aws-sigv4":
      return [...new Set(Object.values(auth.services))].map((service) => `aws-sigv4 ${service}`);
    case "mtls":
      return [`mtls ${named(auth.headers)}`];
  }
}

/** Which of these a call exercises. */
function kindsOfCall(call: DocumentedCall): string[] {
  const { auth } = wayOf(call);
  if (auth.strategy === "aws-sigv4") return [`aws-sigv4 ${call.aws?.service}`];
  if (auth.strategy !== "oauth2") return kindsOf(auth);
  return kindsOf(auth).filter((kind) => kind.includes(` ${call.token?.form["grant_type"]} `));
}

const hostsToResolve = [
  ...new Set(DOCUMENTED.flatMap(({ host, token }) => [host, ...(token ? [token.host] : [])])),
];

beforeAll(async () => {
  standIn = await startStrictStandIn();
  const caPath = join(home.home, "ca.pem");
  writeFileSync(caPath, standIn.caPem);
  const env = {
    ...home.environment,
    AIVAULT_DEV_RESOLVE: DOCUMENTED.filter(({ port }) => port !== undefined)
      .map(({ host, port }) => `${host}:${port}=127.0.0.1:${standIn.port}`)
      .concat(hostsToResolve.map((host) => `${host}=127.0.0.1:${standIn.port}`))
      .join(","),
    AIVAULT_DEV_CA_CERT_PATH: caPath,
    AIVAULT_DEV_ALLOW_NON_DEFAULT_PORTS: "1",
  };
  const paths = resolvePaths(env, process.platform);
  await initVault({ paths, keyProvider: { kind: "file" }, dev: true, env });
  daemon = await startDaemon({ paths, env, version, log: false });
  operator = createOperatorClient({ env, socket: daemon.operatorSocket });
});

afterAll(async () => {
  operator?.close();
  await daemon?.close();
  await standIn?.close();
  home.remove();
});

async function store(name: string, value: string): Promise<void> {
  const bytes = Buffer.from(value);
  const known = (await operator.secrets()).some((secret) => secret.name === name);
  if (known) await operator.rotateSecret(name, bytes);
  else await operator.createSecret({ name }, bytes);
}

/** The id of the credential that the call is made with. */
async function prepare(call: DocumentedCall): Promise<string> {
  const { id } = providerOf(call);
  for (const [name, value] of Object.entries(call.secrets)) await store(name, value);
  if (call.tenant === undefined) return call.way === undefined ? id : `${id}.${call.way}`;
  const credential = `${id}.${call.way ?? "own"}.tenant`;
  const known = (await operator.credentials()).some((one) => one.id === credential);
  if (!known) {
    await operator.createCredential({
      id: credential,
      provider: id,
      secrets: call.tenant,
      hosts: [call.host],
    });
  }
  return credential;
}

describe("a provider that answers only what is exactly as documented", () => {
  it.each(
    DOCUMENTED.map((call, at) => [`${at} ${call.capability} ${call.way ?? ""}`, call] as const),
  )("answers %s", async (_title, call) => {
    const credential = await prepare(call);
    standIn.expect(call);
    const { method, path, body } = call.call;
    const request = { method, path, ...(body === undefined ? {} : { body }) };
    const atMs = Date.now();
    const response = await operator.invoke(call.capability, request, { credential });
    expect(standIn.seen().flatMap(({ complaints }) => complaints)).toEqual([]);
    expect(response.status).toBe(200);
    const text = await response.text();
    expect(text).toBe('{"ok":true}');
    // One request, and before it one to the token endpoint where there is one.
    expect(standIn.seen().length).toBe(call.token === undefined ? 1 : 2);
    const last = standIn.seen().at(-1);
    if (last !== undefined) recorded.push({ call, arrival: last.arrival, atMs });
    if (call.token?.refreshToken !== undefined) {
      // The new refresh token is the one that counts from now on.
      const [name = "", document = ""] = Object.entries(call.secrets).at(-1) ?? [];
      const secret = (await operator.secrets()).find((one) => one.name === name);
      expect(secret?.valueVersion, document).toBeGreaterThan(1);
    }
  });

  it("covers every strategy and template there is in the registry", () => {
    const kinds = new Map<string, string>();
    for (const provider of registry.providers) {
      for (const { auth } of [provider, ...(provider.alternatives ?? [])]) {
        for (const kind of kindsOf(auth)) if (!kinds.has(kind)) kinds.set(kind, provider.id);
      }
    }
    const described = new Set(DOCUMENTED.flatMap(kindsOfCall));
    expect([...kinds].filter(([kind]) => !described.has(kind))).toEqual([]);
    const answered = new Set(recorded.flatMap(({ call }) => kindsOfCall(call)));
    console.log(
      `registry strategies: ${kinds.size} distinct, ${answered.size} answered by the strict stand-in in ${recorded.length} calls`,
    );
    expect(answered.size).toBe(kinds.size);
  });

  it("refuses each of them with the credential missing, changed, doubled or elsewhere", () => {
    let refused = 0;
    for (const { call, arrival, atMs } of recorded) {
      const spoilt = spoil(call, arrival);
      expect(complaintsAbout(call, arrival, atMs), call.capability).toEqual([]);
      expect(spoilt.length, call.capability).toBeGreaterThan(1);
      for (const [how, other] of spoilt) {
        expect(complaintsAbout(call, other, atMs), `${call.capability}: ${how}`).not.toEqual([]);
        refused += 1;
      }
    }
    console.log(`registry strategies: ${refused} spoilt requests refused`);
    expect(recorded.length).toBe(DOCUMENTED.length);
  });

  it("refuses a token request with another client, grant or parameter", () => {
    for (const { token } of DOCUMENTED) {
      if (token === undefined) continue;
      const form = (more: object) =>
        Buffer.from(String(new URLSearchParams({ ...token.form, ...more })));
      const good: Arrival = {
        method: "POST",
        target: token.path,
        headers: [
          ["Content-Type", "application/x-www-form-urlencoded"],
          ...(token.authorization === null
            ? []
            : [["Authorization", token.authorization] as const]),
        ],
        body: form({}),
      };
      expect(tokenComplaints(token, good)).toEqual([]);
      for (const bad of [
        { ...good, method: "GET" },
        { ...good, body: form({ scope: "more" }) },
        { ...good, body: form({ grant_type: "password" }) },
        { ...good, headers: [...good.headers, ["Authorization", "Basic eDp5"] as const] },
      ]) {
        expect(tokenComplaints(token, bad)).not.toEqual([]);
      }
    }
  });
});

/** The same request with its credential spoilt in every way that applies. */
function spoil(call: DocumentedCall, arrival: Arrival): [how: string, Arrival][] {
  const spoilt: [string, Arrival][] = [];
  const credentials = Object.keys(call.headers ?? {});
  if (call.aws !== undefined) credentials.push("authorization", "x-amz-date");
  for (const [at, [name, value]] of arrival.headers.entries()) {
    const lower = name.toLowerCase();
    if (!credentials.includes(lower) && !/^(?:x-bapi|ok-access|x-mexc)-/.test(lower)) continue;
    const put = (...entries: [string, string][]): Arrival => ({
      ...arrival,
      headers: [...arrival.headers.slice(0, at), ...entries, ...arrival.headers.slice(at + 1)],
    });
    spoilt.push(
      [`without ${lower}`, put()],
      [`${lower} twice`, put([name, value], [name, value])],
      [`${lower} changed`, put([name, `${value.slice(0, -1)}${value.endsWith("x") ? "y" : "x"}`])],
      [`${lower} without its first word`, put([name, value.replace(/^\S+ |^./, "")])],
    );
  }
  if (call.target !== undefined || call.exchange !== undefined || call.aws !== undefined) {
    const { target } = arrival;
    spoilt.push(
      ["another target", { ...arrival, target: `${target}x` }],
      ["without query", { ...arrival, target: target.replace(/\?.*|\/[^/]*$/, "") }],
      ["another method", { ...arrival, method: "DELETE" }],
      ["another body", { ...arrival, body: Buffer.from("{}") }],
    );
  } else {
    spoilt.push(
      ["in the query as well", { ...arrival, target: `${arrival.target}?api_key=x` }],
      ["a cookie", { ...arrival, headers: [...arrival.headers, ["Cookie", "session=x"]] }],
      ["another key", { ...arrival, headers: [...arrival.headers, ["X-Other-Api-Key", "x"]] }],
    );
  }
  return spoilt;
}

describe("the stand-in's verification of AWS signatures", () => {
  // The worked examples of Amazon S3's documentation, "Authenticating Requests: Using the Authorization
  // Header (AWS Signature Version 4)".
  const caller = {
    accessKeyId: "AKIAIOSFODNN7EXAMPLE",
    secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    region: "us-east-1",
    service: "s3",
  };
  const EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  it.each([
    [
      "GET",
      "/test.txt",
      [["Range", "bytes=0-9"]],
      "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    ],
    ["GET", "/?lifecycle", [], "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"],
    [
      "GET",
      "/?max-keys=2&prefix=J",
      [],
      "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    ],
  ] as const)("agrees with the documentation's %s %s", (method, target, more, signature) => {
    const headers = [
      ["Host", "examplebucket.s3.amazonaws.com"],
      ...more,
      ["x-amz-content-sha256", EMPTY],
      ["x-amz-date", "20130524T000000Z"],
    ] as [string, string][];
    const names = headers.map(([name]) => name.toLowerCase()).sort();
    const request = { method, target, headers, body: Buffer.alloc(0) };
    expect(awsSignature(request, caller, names, "20130524T000000Z", EMPTY)).toBe(signature);
    const authorization = `AWS4-HMAC-SHA256 Credential=${caller.accessKeyId}/20130524/us-east-1/s3/aws4_request,SignedHeaders=${names.join(";")},Signature=${signature}`;
    const signed = { ...request, headers: [...headers, ["Authorization", authorization]] as const };
    const nowMs = Date.parse("2013-05-24T00:04:00Z");
    expect(awsComplaints(signed, caller, nowMs)).toEqual([]);
    expect(awsComplaints(signed, caller, nowMs + 120_000)).not.toEqual([]);
    expect(awsComplaints(signed, { ...caller, service: "sts" }, nowMs)).not.toEqual([]);
  });

  it("agrees with botocore's published suite", () => {
    const { AIVAULT_VECTORS } = process.env;
    const folder =
      AIVAULT_VECTORS ?? fileURLToPath(new URL("../../../shared/vectors", import.meta.url));
    const path = join(folder, "aws-sigv4-botocore.json");
    if (!existsSync(path)) {
      process.stderr.write(`vectors: ${path} is not there; nothing was tested against it\n`);
      return;
    }
    const suite = JSON.parse(readFileSync(path, "utf8")) as {
      readonly credentials: Readonly<Record<string, string>>;
      readonly region: string;
      readonly service: string;
      readonly cases: readonly { name: string; request: string; authorization: string }[];
    };
    let agreed = 0;
    for (const { name, request, authorization } of suite.cases) {
      // Not requests that HTTP can carry as they stand, or with a token that is added before signing.
      if (/^normalize-path\/|multiline|session-token|sts-header-before/.test(name)) continue;
      const [head = "", body = ""] = request.split(/\n\n(.*)/s);
      const [line = "", ...lines] = head.split("\n");
      const headers = lines.map((text) => {
        const colon = text.indexOf(":");
        return [text.slice(0, colon), text.slice(colon + 1)] as [string, string];
      });
      const [, names = "", signature] =
        /SignedHeaders=([^,]+), Signature=(.+)$/.exec(authorization) ?? [];
      const amzDate = headers.find(([key]) => key.toLowerCase() === "x-amz-date")?.[1] ?? "";
      const arrived = {
        method: line.split(" ")[0] ?? "",
        target: line.slice(line.indexOf(" ") + 1, line.lastIndexOf(" ")),
        headers,
        body: Buffer.from(body),
      };
      const hash = createHash("sha256").update(arrived.body).digest("hex");
      const own = {
        accessKeyId: suite.credentials["access_key_id"] ?? "",
        secretAccessKey: suite.credentials["secret_access_key"] ?? "",
        region: suite.region,
        service: suite.service,
      };
      expect(awsSignature(arrived, own, names.split(";"), amzDate, hash), name).toBe(signature);
      agreed += 1;
    }
    console.log(`stand-in sigv4: ${agreed} of botocore's cases agree`);
    expect(agreed).toBeGreaterThan(15);
  });
});
