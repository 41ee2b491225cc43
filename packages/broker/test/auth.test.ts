import { createHash, createHmac, createPrivateKey } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { canonicalizeAwsRequest, signAwsRequest } from "../src/auth/aws-sigv4.ts";
import { injectHmac } from "../src/auth/hmac.ts";
import { renderHeader, renderParam } from "../src/auth/injection.ts";
import { injectPath } from "../src/auth/path.ts";
import { authority } from "./support/certificate-authority.ts";
import { createHarness, type Harness, invocation, receive, utf8 } from "./support/harness.ts";
import { type StandIn, startStandIn } from "./support/provider.ts";

const folder =
  process.env["AIVAULT_VECTORS"] ??
  fileURLToPath(new URL("../../../../shared/vectors", import.meta.url));
function vectors(name: string): unknown | null {
  const path = `${folder}/${name}`;
  if (existsSync(path)) return JSON.parse(readFileSync(path, "utf8"));
  process.stderr.write(`vectors: ${path} is not there; nothing was tested against it\n`);
  return null;
}

const HOST = "api.signed.example";
let provider: StandIn;
let harness: Harness;

beforeAll(async () => {
  const answer: Parameters<typeof startStandIn>[1] = ({ url = "" }, response) => {
    response.end(url.startsWith("/echo/") ? url : "ok");
  };
  provider = await startStandIn([HOST], answer, {
    requestCert: true,
    rejectUnauthorized: false,
    ca: authority.certificatePem,
  });
  harness = await createHarness({ hosts: { [HOST]: provider.port } });
});

afterAll(async () => {
  await harness.close();
  await provider.close();
});

async function prepare(
  name: string,
  secrets: Readonly<Record<string, string>>,
  auth: { strategy: string; [member: string]: unknown },
): Promise<void> {
  const ids: Record<string, string> = {};
  for (const [placeholder, value] of Object.entries(secrets)) {
    const made = await harness.broker.createSecret({
      name: `${name} ${placeholder}`,
      value: utf8(value),
    });
    ids[placeholder] = made.secret.secretId;
  }
  await harness.broker.createCredential({
    id: name,
    provider: name,
    secrets: ids,
    auth,
    hosts: [HOST],
  });
  await harness.broker.createCapability({
    id: `${name}/all`,
    provider: name,
    host: HOST,
    rules: [{ methods: ["GET", "POST", "PUT"], match: "prefix", path: "/" }],
  });
}

const call = (name: string, request: object = {}) =>
  receive(
    harness.broker,
    invocation({
      capability: `${name}/all`,
      request: { method: "POST", path: "/x?b=2&a=1", body: "body", ...request },
    }),
  );

it("G9: takes both halves of a Basic pair for secrets, unless one is called a user name", async () => {
  const [first, second] = ["first-half-0123456789", "second-half-0123456789"];
  const path = `/echo/${first}/${second}`;
  for (const [name, shown] of [
    ["username", `/echo/${first}/[REDACTED]`],
    ["api_key", "/echo/[REDACTED]/[REDACTED]"],
  ] as const) {
    const service = `basic-${name.replace("_", "-")}`;
    await prepare(
      service,
      { [name]: first, secret: second },
      { strategy: "basic", username: `{{${name}}}`, password: "{{secret}}" },
    );
    expect((await call(service, { path })).body.toString()).toBe(shown);
  }
});

describe("aws-sigv4", () => {
  interface BotocoreCase {
    readonly name: string;
    readonly request: string;
    readonly canonical_request: string;
    readonly authorization: string;
  }
  interface Botocore {
    readonly credentials: Readonly<Record<string, string>>;
    readonly region: string;
    readonly service: string;
    readonly cases: readonly BotocoreCase[];
  }

  it("agrees with botocore's published suite", () => {
    const suite = vectors("aws-sigv4-botocore.json") as Botocore | null;
    if (suite === null) return;
    let agreed = 0;
    const different: string[] = [];
    for (const { name, request, canonical_request, authorization } of suite.cases) {
      // Dot segments and folded headers never get as far as signing: the target parser refuses the
      // former, HTTP forbids the latter.
      if (name.startsWith("normalize-path/") || name === "get-header-value-multiline") continue;
      const [head = "", body = ""] = request.split(/\n\n/);
      const [line = "", ...lines] = head.split("\n");
      const target = line.slice(line.indexOf(" ") + 1, line.lastIndexOf(" "));
      const [path = "/", query = ""] = target.split(/\?(.*)/s);
      const headers = lines.map((text) => {
        const colon = text.indexOf(":");
        return [text.slice(0, colon), text.slice(colon + 1)] as [string, string];
      });
      // In one case the token is added before signing, in the others it is in the request already.
      const token = /x-amz-security-token:(.*)/.exec(canonical_request)?.[1];
      if (token !== undefined && !headers.some(([key]) => /security-token/i.test(key))) {
        headers.push(["x-amz-security-token", token]);
      }
      const input = {
        method: line.split(" ")[0] ?? "",
        // As the suite writes it: what is not ASCII is encoded while signing.
        path,
        query,
        headers: headers.filter(([key]) => canonical_request.includes(`\n${key.toLowerCase()}:`)),
        payloadHash: createHash("sha256").update(body).digest("hex"),
        amzDate: "20150830T123600Z",
        region: suite.region,
        service: suite.service,
        accessKeyId: "AKIDEXAMPLE",
        secretAccessKey: utf8("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
      };
      const same =
        canonicalizeAwsRequest(input).canonicalRequest === canonical_request &&
        signAwsRequest(input) === authorization;
      if (same) agreed++;
      else different.push(name);
    }
    process.stderr.write(`sigv4: ${agreed} cases of botocore's suite agree\n`);
    expect(different).toEqual([]);
    expect(agreed).toBeGreaterThan(20);
  });

  it("encodes the path once for S3 and twice for everything else", () => {
    const base = { method: "GET", path: "/a%20b/c:d", query: "", headers: [], payloadHash: "h" };
    const line = (service: string) =>
      canonicalizeAwsRequest({ ...base, service }).canonicalRequest.split("\n")[1];
    expect(line("s3")).toBe("/a%20b/c%3Ad");
    expect(line("lambda")).toBe("/a%2520b/c%3Ad");
  });

  it("signs a request end to end, with a session token, and does not send the key", async () => {
    const secrets = {
      accessKeyId: "AKIACANARY0000000000",
      secretAccessKey: "canarysecretaccesskey0123456789abcdefABC",
      sessionToken: "canary-session-token",
    };
    await prepare("signed", secrets, {
      strategy: "aws-sigv4",
      accessKeyId: "accessKeyId",
      secretAccessKey: "secretAccessKey",
      sessionToken: "sessionToken",
      services: { [HOST]: "s3" },
      defaultRegion: "eu-north-1",
    });
    expect((await call("signed")).error).toBeNull();
    const sent = provider.requests.at(-1);
    expect(sent?.headers["authorization"]).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AKIACANARY0000000000\/\d{8}\/eu-north-1\/s3\/aws4_request, SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token, Signature=[0-9a-f]{64}$/,
    );
    expect(sent?.headers["x-amz-content-sha256"]).toBe(
      createHash("sha256").update("body").digest("hex"),
    );
    expect(JSON.stringify(sent)).not.toContain(secrets.secretAccessKey);
  });
});

describe("hmac", () => {
  const secrets = { key: "canary-hmac-key-0123456789", id: "public-id" };
  const scheme = {
    strategy: "hmac" as const,
    algorithm: "sha256" as const,
    key: "key",
    keyEncoding: "utf8" as const,
    message: "{{timestamp}}{{method}}{{path_and_query}}{{body}}",
    timestamp: "unix-s" as const,
    signatureEncoding: "hex" as const,
    headers: [
      { name: "x-key", template: "{{id}}" },
      { name: "x-time", template: "{{timestamp}}" },
      { name: "x-sign", template: "v1={{signature}}" },
    ],
  };

  it("signs a request that the provider can verify, and sends only the signature", async () => {
    await prepare("hmac", secrets, scheme);
    expect((await call("hmac")).error).toBeNull();
    const sent = provider.requests.at(-1);
    const time = String(sent?.headers["x-time"]);
    const expected = createHmac("sha256", secrets.key)
      .update(`${time}POST/x?b=2&a=1body`)
      .digest("hex");
    expect(sent?.headers["x-sign"]).toBe(`v1=${expected}`);
    expect(JSON.stringify(sent)).not.toContain(secrets.key);
  });

  it("signs a sorted query, chosen headers, a hash of the body and a nonce", async () => {
    await prepare("hmac-parts", secrets, {
      ...scheme,
      algorithm: "sha512" as const,
      signatureEncoding: "base64url" as const,
      message:
        "{{method}}\n{{host}}\n{{path}}\n{{sorted_query}}\n{{header_content_type}}\n{{header_x_absent}}\n{{body_sha256}}\n{{body_sha384_base64}}\n{{nonce}}\n{{timestamp}}",
      headers: [
        { name: "x-nonce", template: "{{nonce}}" },
        { name: "x-time", template: "{{timestamp}}" },
        { name: "x-digest", template: "sha-512={{body_sha512_base64}}" },
        { name: "x-sign", template: "{{id}}:{{signature}}" },
      ],
    });
    const nonces = new Set<string>();
    for (let i = 0; i < 2; i++) {
      expect((await call("hmac-parts")).error).toBeNull();
      const headers: Readonly<Record<string, unknown>> = provider.requests.at(-1)?.headers ?? {};
      const hash = (algorithm: string) => createHash(algorithm).update("body");
      const nonce = String(headers["x-nonce"]);
      nonces.add(nonce);
      expect(nonce).toMatch(/^[0-9a-f]{32}$/);
      const message = [
        "POST",
        HOST,
        "/x",
        "a=1&b=2",
        String(headers["content-type"]),
        "",
        hash("sha256").digest("hex"),
        hash("sha384").digest("base64"),
        nonce,
        String(headers["x-time"]),
      ].join("\n");
      const signature = createHmac("sha512", secrets.key).update(message).digest("base64url");
      expect(headers["x-sign"]).toBe(`${secrets.id}:${signature}`);
      expect(headers["x-digest"]).toBe(`sha-512=${hash("sha512").digest("base64")}`);
    }
    expect(nonces.size).toBe(2);
  });

  let refusals = 0;
  it.each([
    ["{{header_}}", []],
    ["{{key}}", []],
    ["{{unknown}}", []],
    ["{{signature}}", []],
    ["{{method}}", [{ name: "x-sign", template: "{{key}} {{signature}}" }]],
    ["{{method}}", [{ name: "x-sign", template: "{{body}} {{signature}}" }]],
  ])("refuses the message %s with the headers %j", async (message, headers) => {
    const auth = { ...scheme, message, headers: [...scheme.headers.slice(0, 1), ...headers] };
    const name = `hmac-bad-${refusals++}`;
    await expect(prepare(name, secrets, auth)).rejects.toMatchObject({ code: "invalid_request" });
  });

  it("refuses to sign a body it has not seen", async () => {
    const { error } = await receive(
      harness.broker,
      invocation(
        { capability: "hmac/all", request: { method: "POST", path: "/x", bodyUpload: true } },
        [],
      ),
    );
    expect(error).toMatchObject({ code: "invalid_request", reason: "body_mode_conflict" });
  });

  it("agrees with Wycheproof's HMAC vectors", () => {
    let agreed = 0;
    for (const algorithm of ["sha256", "sha512"] as const) {
      const suite = vectors(`wycheproof/hmac_${algorithm}_test.json`) as {
        testGroups: {
          tagSize: number;
          tests: { key: string; msg: string; tag: string; result: string }[];
        }[];
      } | null;
      for (const { tagSize, tests } of suite?.testGroups ?? []) {
        for (const { key, msg, tag, result } of tests) {
          // Ours are not truncated; and an empty key is refused.
          if (tagSize !== Number(algorithm.slice(3)) || key === "") continue;
          const { params } = injectHmac(
            {
              ...scheme,
              algorithm,
              keyEncoding: "hex",
              message: "{{body}}",
              headers: [],
              params: [{ name: "s", template: "{{signature}}" }],
            },
            new Map([["key", utf8(key)]]),
            {
              method: "GET",
              authority: HOST,
              hostEntry: HOST,
              hostVariables: {},
              target: { path: "/", query: "" },
              headers: [],
              body: new Uint8Array(Buffer.from(msg, "hex")),
              payloadHash: null,
              nowMs: 0,
            },
          );
          expect(params[0] === `s=${tag}`).toBe(result === "valid");
          agreed++;
        }
      }
    }
    process.stderr.write(`hmac: ${agreed} of Wycheproof's vectors agree\n`);
  });
});

describe("mtls", () => {
  it("presents the certificate, and refuses a key that does not belong to it", async () => {
    const { certificatePem, keyPem } = authority.issue({ hosts: ["client"], client: true });
    const auth = { strategy: "mtls", certificate: "certificate", privateKey: "privateKey" };
    let seen: unknown = null;
    const strict = await startStandIn([HOST], (_request, response) => response.end("in"), {
      requestCert: true,
      rejectUnauthorized: true,
      ca: authority.certificatePem,
      early: ({ socket }) => {
        seen = (
          socket as unknown as { getPeerCertificate(): { subject: { CN: string } } }
        ).getPeerCertificate().subject.CN;
      },
    });
    const own = await createHarness({ hosts: { [HOST]: strict.port } });
    const before = harness;
    harness = own;
    try {
      await prepare("client", { certificate: certificatePem, privateKey: keyPem }, auth);
      await prepare(
        "plain",
        { secret: "no-certificate" },
        { strategy: "header", name: "x-a-key", template: "{{secret}}" },
      );
      const other = authority.issue({ hosts: ["client"], client: true });
      await prepare("wrong", { certificate: certificatePem, privateKey: other.keyPem }, auth);
      expect((await call("client")).body.toString()).toBe("in");
      expect(seen).toBe("client");
      expect((await call("plain")).error).not.toBeNull();
      expect((await call("wrong")).error).toMatchObject({ code: "auth_failed" });
    } finally {
      harness = before;
      await own.close();
      await strict.close();
    }
  });
});

describe("mtls with a key and an authority of one's own", () => {
  it("decrypts the key, and trusts that authority and no other", async () => {
    const { certificatePem, keyPem } = authority.issue({ hosts: ["client"], client: true });
    const passphrase = "canary-passphrase";
    const encrypted = createPrivateKey(keyPem)
      .export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase })
      .toString();
    const strict = await startStandIn([HOST], (_request, response) => response.end("in"), {
      requestCert: true,
      rejectUnauthorized: true,
      ca: authority.certificatePem,
    });
    const before = harness;
    // The public authorities and none besides: what makes it work is the credential's own.
    harness = await createHarness({ hosts: { [HOST]: strict.port }, upstream: { ca: [] } });
    const secrets = { certificate: certificatePem, privateKey: encrypted, passphrase };
    const auth = {
      strategy: "mtls",
      certificate: "certificate",
      privateKey: "privateKey",
      passphrase: "passphrase",
      ca: "ca",
    };
    try {
      await prepare("private", { ...secrets, ca: authority.certificatePem }, auth);
      expect((await call("private")).body.toString()).toBe("in");
      await prepare("foreign", { ...secrets, ca: certificatePem }, auth);
      expect((await call("foreign")).error).toMatchObject({ code: "upstream_unreachable" });
      const wrong = { ...secrets, passphrase: "wrong", ca: authority.certificatePem };
      await prepare("locked", wrong, auth);
      expect((await call("locked")).error).toMatchObject({ code: "auth_failed" });
    } finally {
      await harness.close();
      harness = before;
      await strict.close();
    }
  });
});

describe("aws-sigv4 and a clock that is off", () => {
  it("signs once more by the provider's clock, and keeps to it", async () => {
    const aheadMs = 1_200_000;
    const dates: string[] = [];
    const skewed = await startStandIn([HOST], (request, response) => {
      const date = String(request.headers["x-amz-date"]);
      dates.push(date);
      const theirs = Date.now() + aheadMs;
      const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date) ?? [];
      const signed = Date.UTC(
        Number(y),
        Number(mo) - 1,
        Number(d),
        Number(h),
        Number(mi),
        Number(s),
      );
      response.setHeader("date", new Date(theirs).toUTCString());
      response.statusCode = Math.abs(signed - theirs) > 300_000 ? 403 : 200;
      response.end();
    });
    const before = harness;
    harness = await createHarness({ hosts: { [HOST]: skewed.port } });
    try {
      await prepare(
        "clock",
        { accessKeyId: "AKIACANARY0000000000", secretAccessKey: "canarysecretaccesskey0123456789" },
        {
          strategy: "aws-sigv4",
          accessKeyId: "accessKeyId",
          secretAccessKey: "secretAccessKey",
          services: { [HOST]: "execute-api" },
          defaultRegion: "eu-north-1",
        },
      );
      expect((await call("clock")).head?.status).toBe(200);
      expect(dates).toHaveLength(2);
      expect((await call("clock")).head?.status).toBe(200);
      expect(dates).toHaveLength(3);
    } finally {
      await harness.close();
      harness = before;
      await skewed.close();
    }
  });
});

describe("secrets that cannot go where the scheme puts them", () => {
  const authFailed = expect.objectContaining({ code: "auth_failed" });

  it("never end a header, a path segment or a parameter", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 20 }), (text) => {
        const secrets = new Map([["secret", utf8(text)]]);
        const attempt = <T>(make: () => T): T | null => {
          try {
            return make();
          } catch (error) {
            expect(error).toEqual(authFailed);
            return null;
          }
        };
        const header = attempt(() => renderHeader("Bearer {{secret}}", secrets));
        if (header !== null) expect(header).toMatch(/^[\x20-\x7e]+$/);
        const param = attempt(() => renderParam("key", "{{secret}}", secrets));
        if (param !== null) expect(param).toMatch(/^key=[A-Za-z0-9._~%-]+$/);
        const path = attempt(() => injectPath({ template: "/bot{{secret}}" }, secrets).pathPrefix);
        if (path !== null) expect(path).toMatch(/^\/bot[A-Za-z0-9._~!$&'()*+,;=:@-]+$/);
      }),
    );
  });

  it.each(["a\r\nx: y", "tail\n", "", "ключ"])("refuses %j in a header", async (value) => {
    expect(() => renderHeader("{{secret}}", new Map([["secret", utf8(value)]]))).toThrow(
      authFailed,
    );
  });
});
