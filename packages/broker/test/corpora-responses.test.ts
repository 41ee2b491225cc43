import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { TLSSocket } from "node:tls";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { NewCredential } from "../src/index.ts";
import {
  auditEvents,
  createHarness,
  type Harness,
  invocation,
  type Received,
  receive,
  utf8,
} from "./support/harness.ts";
import { type StandIn, startRawStandIn } from "./support/provider.ts";

// Every case of corpora/responses.json through the real broker and real TLS: a stand-in answers as the
// case says, and nothing of what the case forbids may be in anything the caller, the audit log or an
// error shows.

interface Case {
  readonly id: string;
  readonly class: string;
  readonly why: string;
  readonly input: {
    readonly secret: string | Readonly<Record<string, string>>;
    readonly auth: {
      readonly type: string;
      /** The case is about the token endpoint, which is no invocation. */
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

const all: readonly Case[] = JSON.parse(
  readFileSync(new URL("../../../corpora/responses.json", import.meta.url), "utf8"),
);
// Asked of the code that talks to token endpoints.
const cases = all.filter(({ input }) => input.auth.tokenEndpointResponse !== true);
const HOST = "api.case-provider.example";

let provider: StandIn;
let harness: Harness;
let current: Case | null = null;

beforeAll(async () => {
  provider = await startRawStandIn([HOST], (socket) => {
    if (current !== null) void answer(socket, current);
  });
  harness = await createHarness({ hosts: { [HOST]: provider.port } });
});

afterAll(async () => {
  await harness.close();
  await provider.close();
});

async function answer(socket: TLSSocket, { input, expected }: Case): Promise<void> {
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

const CRLF = Buffer.from("\r\n");

/** The case's credential; its placeholders are the members of the secret. */
function credentialOf({ input: { auth } }: Case): NonNullable<NewCredential["auth"]> {
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

async function run(test: Case): Promise<Received> {
  const name = test.id.replaceAll("-", "");
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
  const auth = credentialOf(test);
  await harness.broker.createCredential({
    id: name,
    provider: name,
    secrets,
    hosts: [HOST],
    auth,
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
  current = test;
  const received = await receive(
    harness.broker,
    invocation({ capability: `${name}/call`, request: { method: "GET", path: "/case" } }, null, {
      requestId: test.id,
    }),
  );
  await harness.broker.deleteCapability(`${name}/call`);
  await harness.broker.deleteCredential(name);
  return received;
}

const counts = { passed: 0, letThrough: 0, overblocked: 0 };

describe("G9: corpora/responses.json", () => {
  afterAll(() => {
    process.stderr.write(
      `responses: ${counts.passed} of ${all.length} passed, ${all.length - cases.length} not an invocation, ${counts.letThrough} let through, ${counts.overblocked} good ones refused\n`,
    );
  });

  it.each(cases.map((test) => [test.id, test.why, test] as const))(
    "%s: %s",
    async (_id, _why, test) => {
      const rssBefore = process.memoryUsage().rss;
      const startedAt = performance.now();
      const received = await run(test);
      const shown = [
        received.body.toString("latin1"),
        received.body.toString("utf8"),
        JSON.stringify(received.head),
        String(received.error?.stack),
        JSON.stringify(received.error?.cause ?? null),
        JSON.stringify(
          (await auditEvents(harness.vault, 20)).filter((event) => event["requestId"] === test.id),
        ),
      ].join("\n");
      const leaks =
        test.expected.decision === "either"
          ? []
          : (test.expected.forbidden ?? []).filter((text) => shown.includes(text));
      if (leaks.length > 0) counts.letThrough++;
      expect(leaks).toEqual([]);
      const names = received.head?.headers.map(({ name }) => name) ?? [];
      for (const header of test.expected.neverHeaders ?? []) expect(names).not.toContain(header);
      if (test.expected.decision === "block") {
        expect(received.ended && !received.body.includes("[REDACTED]")).toBe(false);
      }
      if (test.expected.decision === "pass") {
        const sha256 = createHash("sha256").update(received.body).digest("hex");
        const good = received.error === null && sha256 === test.expected.bodySha256;
        if (!good) counts.overblocked++;
        expect([received.error, sha256]).toEqual([null, test.expected.bodySha256]);
        for (const header of test.expected.mustHaveHeaders ?? []) expect(names).toContain(header);
        expect(received.head?.status).toBe(test.expected.status ?? test.input.response.status);
      }
      const { maxMillis, maxRssGrowthMb } = test.expected;
      if (maxMillis !== undefined) expect(performance.now() - startedAt).toBeLessThan(maxMillis);
      if (maxRssGrowthMb !== undefined) {
        // The stand-in lives in this process too, and makes the bomb here.
        const bombMb = test.expected.generate?.megabytes ?? 0;
        expect((process.memoryUsage().rss - rssBefore) / 1_048_576).toBeLessThan(
          maxRssGrowthMb + bombMb,
        );
      }
      counts.passed++;
    },
  );
});
