// Cases of corpora/responses.json through the real broker and real TLS: a stand-in answers as the case
// says, and nothing of what the case forbids may be in anything the caller, the audit log or an error
// shows.

import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { TLSSocket } from "node:tls";
import { gzipSync } from "node:zlib";
import { builtinRegistry, createRegistry, type Registry } from "@aivault/registry";
import type { NewCredential } from "../src/index.ts";
import type { CorpusOutcome, CorpusRunner } from "./support/corpus-outcome.ts";
import { type Deliver, type Delivered, deliverDirectly } from "./support/deliver.ts";
import {
  auditEvents,
  createHarness,
  type Harness,
  type Received,
  utf8,
} from "./support/harness.ts";
import { startRawStandIn } from "./support/provider.ts";

/** One case, as it stands in the file. */
export interface ResponseCase {
  readonly id: string;
  readonly class: string;
  readonly why: string;
  readonly input: {
    readonly secret: string | Readonly<Record<string, string>>;
    readonly auth: {
      readonly type: string;
      /** The case is about the token endpoint's answer. */
      readonly tokenEndpointResponse?: boolean;
      readonly headers?: readonly string[];
      readonly params?: readonly string[];
      readonly template?: string;
      readonly prefixTemplate?: string;
    };
    readonly response: {
      readonly status: number;
      readonly reason?: string;
      readonly headers: readonly (readonly [string, string])[];
      readonly writes: readonly string[];
      readonly delayMs: number;
      readonly trailers?: readonly (readonly [string, string])[];
      readonly rawBase64?: string;
    };
  };
  readonly expected: {
    readonly decision: string;
    readonly acceptable: readonly string[];
    readonly forbidden?: readonly string[];
    readonly neverHeaders?: readonly string[];
    readonly mustHaveHeaders?: readonly string[];
    readonly bodySha256?: string;
    readonly status?: number;
    readonly generate?: { readonly gzipOfByte: number; readonly megabytes: number };
    readonly maxMillis?: number;
    readonly maxRssGrowthMb?: number;
    readonly policy?: { readonly responseBlock?: readonly string[] };
  };
}

const HOST = "api.case-provider.example";
// A registry provider whose secret is an OAuth document, for the token endpoint's answers.
const OAUTH_PROVIDER = "spotify";
const OAUTH_HOSTS = ["accounts.spotify.com", "api.spotify.com"];
const CRLF = Buffer.from("\r\n");

/**
 * A runner of response cases.
 *
 * @param deliver - How requests get to the broker.
 */
export async function createResponseRunner(
  deliver = deliverDirectly,
): Promise<CorpusRunner<ResponseCase>> {
  let current: ResponseCase | null = null;
  const provider = await startRawStandIn([HOST, ...OAUTH_HOSTS], (socket) => {
    if (current !== null) void answer(socket, current);
  });
  const hosts = Object.fromEntries([HOST, ...OAUTH_HOSTS].map((host) => [host, provider.port]));
  const harness = await createHarness({ hosts });
  const run = async (test: ResponseCase): Promise<CorpusOutcome> => {
    const outcome = await attempt(test);
    // A request that never left shows nothing, whatever its answer would have been.
    return provider.requests.length === 0 && outcome.verdict === "passed"
      ? { verdict: "good request refused", detail: outcome.detail }
      : outcome;
  };
  const attempt = async (test: ResponseCase): Promise<CorpusOutcome> => {
    current = test;
    provider.requests.length = 0;
    const rssBefore = process.memoryUsage().rss;
    const startedAtMs = performance.now();
    if (test.input.auth.tokenEndpointResponse === true) {
      const own = await createHarness({ hosts, registry: oauthRegistry() });
      try {
        const received = await callWithOAuth(own, test, deliver);
        return judge(test, received, await shownBy(own, received), 0, 0);
      } finally {
        await own.close();
      }
    }
    const received = await call(harness, test, deliver);
    const tookMs = performance.now() - startedAtMs;
    const grownMb = (process.memoryUsage().rss - rssBefore) / 1_048_576;
    return judge(test, received, await shownBy(harness, received), tookMs, grownMb);
  };
  return {
    run,
    close: async () => {
      await harness.close();
      await provider.close();
    },
  };
}

async function shownBy(harness: Harness, { requestId }: Delivered): Promise<string> {
  const events = await auditEvents(harness.vault, 20);
  return JSON.stringify(events.filter((event) => event["requestId"] === requestId));
}

function judge(
  { input, expected }: ResponseCase,
  received: Received,
  audited: string,
  tookMs: number,
  grownMb: number,
): CorpusOutcome {
  const { head, body, error, ended } = received;
  const letThrough = (detail: string): CorpusOutcome => ({ verdict: "attack let through", detail });
  const broken = (detail: string): CorpusOutcome => ({ verdict: "side condition", detail });
  const shown = [
    body.toString("latin1"),
    body.toString("utf8"),
    JSON.stringify(head),
    String(error?.stack),
    JSON.stringify(error?.cause ?? null),
    audited,
  ].join("\n");
  const names = head?.headers.map(({ name }) => name) ?? [];
  if (expected.decision !== "either") {
    if ((expected.forbidden ?? []).some((text) => shown.includes(text))) {
      return letThrough("shows a form of the secret");
    }
    const stray = (expected.neverHeaders ?? []).find((name) => names.includes(name.toLowerCase()));
    if (stray !== undefined) return letThrough(`passes the header ${stray}`);
  }
  if (expected.decision === "block" && ended && !body.includes("[REDACTED]")) {
    return letThrough("ends as if nothing were the matter");
  }
  if (expected.decision === "pass") {
    if (error !== null) return { verdict: "good request refused", detail: error.message };
    const sha256 = createHash("sha256").update(body).digest("hex");
    if (sha256 !== expected.bodySha256) return broken("changes the body");
    if (head?.status !== (expected.status ?? input.response.status))
      return broken("changes the status");
    const missing = (expected.mustHaveHeaders ?? []).find((name) => !names.includes(name));
    if (missing !== undefined) return broken(`leaves out the header ${missing}`);
  }
  const { maxMillis, maxRssGrowthMb, generate } = expected;
  if (maxMillis !== undefined && tookMs > maxMillis) return broken(`took ${Math.round(tookMs)} ms`);
  // The stand-in lives in this process too, and makes the bomb here.
  const allowedMb = (maxRssGrowthMb ?? Number.POSITIVE_INFINITY) + (generate?.megabytes ?? 0);
  if (grownMb > allowedMb) return broken(`grows by ${Math.round(grownMb)} MB`);
  return { verdict: "passed", detail: error === null ? "answered" : error.message };
}

async function answer(socket: TLSSocket, { input, expected }: ResponseCase): Promise<void> {
  const { response } = input;
  if (response.rawBase64 !== undefined) {
    socket.end(Buffer.from(response.rawBase64, "base64"));
    return;
  }
  const hasBody = response.status !== 304 && response.status !== 204;
  const head = [
    `HTTP/1.1 ${response.status} ${response.reason ?? "Reason"}`,
    ...response.headers.map(([name, value]) => `${name}: ${value}`),
    ...(hasBody ? ["transfer-encoding: chunked"] : []),
    "connection: close",
  ];
  socket.write(Buffer.from(`${head.join("\r\n")}\r\n\r\n`, "latin1"));
  const chunk = (bytes: Uint8Array) => {
    if (bytes.length === 0 || socket.destroyed) return;
    socket.write(Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, CRLF]));
  };
  if (expected.generate !== undefined) {
    const { gzipOfByte, megabytes } = expected.generate;
    chunk(gzipSync(Buffer.alloc(megabytes * 1_048_576, gzipOfByte)));
  }
  for (const write of hasBody ? response.writes : []) {
    chunk(Buffer.from(write, "base64"));
    await sleep(response.delayMs);
  }
  const trailers = (response.trailers ?? []).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(hasBody ? `0\r\n${trailers.join("")}\r\n` : "");
}

/** The case's credential; its placeholders are the members of the secret. */
function credentialOf({ input: { auth } }: ResponseCase): NonNullable<NewCredential["auth"]> {
  const [header = "authorization", second = ""] = auth.headers ?? [];
  switch (auth.type) {
    case "header":
      return { strategy: "header", name: header, template: auth.template ?? "{{secret}}" };
    case "hmac":
      return {
        strategy: "hmac",
        algorithm: "sha256",
        key: "secret",
        message: "{{method}}\n{{path}}\n{{body}}",
        headers: [{ name: header, template: "{{signature}}" }],
      };
    case "basic":
      return { strategy: "basic", username: "{{username}}", password: "{{password}}" };
    case "multi-header":
      return {
        strategy: "multi-header",
        headers: [
          { name: header, template: "{{client_id}}" },
          { name: second, template: "{{secret}}" },
        ],
      };
    case "query":
      return { strategy: "query", name: auth.params?.[0] ?? "key", template: "{{secret}}" };
    case "path":
      return { strategy: "path", template: auth.prefixTemplate ?? "/{{secret}}" };
    case "aws-sigv4":
      return {
        strategy: "aws-sigv4",
        accessKeyId: "accessKeyId",
        secretAccessKey: "secretAccessKey",
        sessionToken: "sessionToken",
        services: { [HOST]: "s3" },
        defaultRegion: "us-east-1",
      };
    case "mtls":
      // The case is about the echo of a key that no TLS stack would take; a signature takes any bytes.
      return {
        strategy: "hmac",
        algorithm: "sha256",
        key: "secret",
        message: "{{method}}",
        headers: [{ name: "x-signature", template: "{{signature}}" }],
      };
    default:
      // The access token of an oauth2 credential travels like any other.
      return { strategy: "header", name: "authorization", template: "Bearer {{accessToken}}" };
  }
}

async function call(harness: Harness, test: ResponseCase, deliver: Deliver): Promise<Delivered> {
  const name = test.id.toLowerCase().replaceAll(/[^a-z0-9]/g, "");
  const parts =
    typeof test.input.secret === "string" ? { secret: test.input.secret } : test.input.secret;
  const secrets: Record<string, string> = {};
  for (const [placeholder, value] of Object.entries(parts)) {
    const stored = await harness.broker.createSecret({
      name: `${test.id} ${placeholder}`,
      value: utf8(value),
    });
    secrets[placeholder] = stored.secret.secretId;
  }
  await harness.broker.createCredential({
    id: name,
    provider: name,
    secrets,
    hosts: [HOST],
    auth: credentialOf(test),
  });
  await harness.broker.createCapability({
    id: `${name}/call`,
    provider: name,
    host: HOST,
    rules: [{ methods: ["GET"], match: "prefix", path: "/" }],
  });
  const block = test.expected.policy?.responseBlock;
  if (block !== undefined) {
    await harness.vault.transaction((tx) =>
      tx.putDocument("policy", `${name}/call`, { responseBlock: [...block] }),
    );
  }
  const request = { method: "GET", path: "/case" };
  const received = await deliver(harness, { capability: `${name}/call`, request }, test.id);
  await harness.broker.deleteCapability(`${name}/call`);
  await harness.broker.deleteCredential(name);
  return received;
}

function oauthRegistry(): Registry {
  const provider = builtinRegistry().provider(OAUTH_PROVIDER);
  if (provider === null) throw new TypeError(`the registry has no ${OAUTH_PROVIDER}`);
  return createRegistry([provider]);
}

/** An invocation that needs a token first, so that the case's answer is the token endpoint's. */
async function callWithOAuth(
  harness: Harness,
  test: ResponseCase,
  deliver: Deliver,
): Promise<Delivered> {
  const { broker } = harness;
  const { secret } = test.input;
  const parts = typeof secret === "string" ? { refreshToken: secret } : secret;
  const document = { clientId: "client", clientSecret: "client secret", ...parts };
  const { accessToken: _, ...stored } = document as Record<string, string>;
  await broker.createSecret({ name: "SPOTIFY_OAUTH", value: utf8(JSON.stringify(stored)) });
  const views = await broker.listCapabilities({
    kind: "caller",
    transport: "unix",
    uid: null,
    pid: null,
  });
  for (const { id, rules } of views) {
    const rule = rules.find(({ methods, match }) => methods.includes("GET") && match !== "pattern");
    if (rule === undefined) continue;
    const request = { method: "GET", path: rule.path };
    return await deliver(harness, { capability: id, request }, test.id);
  }
  throw new TypeError(`${OAUTH_PROVIDER} has no capability to call`);
}
