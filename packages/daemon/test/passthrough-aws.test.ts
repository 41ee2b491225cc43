// Requests as AWS's SDKs sign them with what they take for their keys, signed anew. What arrives is
// verified by a verifier that was written from AWS's documentation and from nothing here.

import { createHash } from "node:crypto";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Daemon } from "../src/start-daemon.ts";
import { type SocketProvider, startSocketProvider } from "./socket-provider.ts";
import { type TestVault, testVault } from "./vault.ts";
import { call, form, json } from "./wire.ts";

const KEYS = {
  accessKeyId: "AKIACANARY0000000000",
  secretAccessKey: "canarysecretaccesskey0123456789abcdefABC",
};
const S3 = "s3.us-east-1.amazonaws.com";
const STS = "sts.us-east-1.amazonaws.com";
const BEDROCK = "bedrock-runtime.us-east-1.amazonaws.com";
const SERVICES: Readonly<Record<string, string>> = {
  [S3]: "s3",
  [STS]: "sts",
  [BEDROCK]: "bedrock",
};

interface Seen {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer;
  readonly complaints: readonly string[];
}

let provider: SocketProvider;
let vault: TestVault;
let daemon: Daemon;
let token: string;
let seen: Seen[] = [];

beforeAll(async () => {
  const url = new URL("../../../e2e/support/stand-in-sigv4.mjs", import.meta.url).href;
  const { awsComplaints } = await import(url);
  provider = await startSocketProvider(S3, {
    hosts: [STS, BEDROCK],
    serve: async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      const { rawHeaders } = request;
      const headers = rawHeaders.flatMap((name, i) =>
        i % 2 === 0 ? [[name.toLowerCase(), rawHeaders[i + 1] ?? ""] as const] : [],
      );
      const sent = {
        method: request.method ?? "",
        target: request.url ?? "",
        headers,
        body: Buffer.concat(chunks),
      };
      const service = SERVICES[request.headers.host ?? ""];
      const caller = { ...KEYS, region: "us-east-1", service };
      seen.push({ ...sent, complaints: awsComplaints(sent, caller, Date.now()) });
      response.end("{}");
    },
  });
  vault = testVault();
  await vault.init({ dev: true });
  daemon = await vault.start({
    env: { ...vault.env, ...provider.daemonEnvironment },
    listen: "127.0.0.1:0",
  });
  for (const [name, value] of [
    ["AWS_ACCESS_KEY_ID", KEYS.accessKeyId],
    ["AWS_SECRET_ACCESS_KEY", KEYS.secretAccessKey],
  ] as const) {
    const secret = JSON.stringify({ name });
    await operate("POST", "/aivault/secrets", form(["secret", secret], ["value", value]));
  }
  token = (await operate("POST", "/aivault/tokens", json({ capabilities: ["aws/*"] }))).json.token;
});
afterAll(async () => {
  await vault.dispose();
  await provider.stop();
});
beforeEach(() => {
  seen = [];
});

const operate = (method: string, path: string, options = {}) =>
  call(daemon.operatorSocket, method, path, options);
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

/** As an SDK signs: with the token as its key's id. */
const signed = () => ({
  authorization: `AWS4-HMAC-SHA256 Credential=${token}/20260101/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=${"0".repeat(64)}`,
  "x-amz-date": "20260101T000000Z",
  "x-amz-security-token": "theirs",
  "x-amz-user-agent": "aws-sdk-js/3",
});

function send(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body = "",
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const url = new URL(`${daemon.url}/v/aws`);
    const target = { host: url.hostname, port: url.port, path: `/v/aws${path}` };
    const all = { ...signed(), ...headers };
    httpRequest({ ...target, method, headers: all, agent: false }, (response: IncomingMessage) => {
      let text = "";
      response.on("data", (chunk) => {
        text += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    })
      .on("error", reject)
      .end(body);
  });
}

const header = (wanted: string) => seen[0]?.headers.find(([name]) => name === wanted)?.[1];

describe("a request that an AWS SDK has signed", () => {
  it.each<[string, Record<string, string>, string]>([
    ["its hash", { "x-amz-content-sha256": sha256("hello") }, sha256("hello")],
    ["none", { "x-amz-content-sha256": "UNSIGNED-PAYLOAD" }, "UNSIGNED-PAYLOAD"],
    ["nothing said of it", {}, sha256("hello")],
  ])("is signed anew, its body with %s", async (_, headers, payloadHash) => {
    const more = { "content-length": "5", "x-amz-acl": "private", ...headers };
    const answer = await send("PUT", "/bucket/a%20b/c%3Ad+e?x-id=PutObject", more, "hello");
    expect(answer, answer.text).toMatchObject({ status: 200 });
    expect(seen).toMatchObject([
      { complaints: [], target: "/bucket/a%20b/c%3Ad+e?x-id=PutObject" },
    ]);
    expect(header("x-amz-content-sha256")).toBe(payloadHash);
    // S3 does not take a chunked body.
    expect([header("content-length"), header("transfer-encoding")]).toEqual(["5", undefined]);
    expect([header("x-amz-acl"), header("x-amz-user-agent")]).toEqual(["private", "aws-sdk-js/3"]);
    expect(header("x-amz-security-token")).toBeUndefined();
    expect(JSON.stringify(seen)).not.toContain("avp_");
  });

  it("keeps a body whose checksum stands behind it as it is", async () => {
    const body = "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
    const headers = {
      "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
      "content-encoding": "aws-chunked",
      "x-amz-decoded-content-length": "5",
      "x-amz-trailer": "x-amz-checksum-crc32",
      "transfer-encoding": "chunked",
      expect: "100-continue",
    };
    const answer = await send("PUT", "/bucket/key", headers, body);
    expect(answer, answer.text).toMatchObject({ status: 200 });
    expect(seen).toMatchObject([{ complaints: [], body: Buffer.from(body) }]);
    expect(header("content-encoding")).toBe("aws-chunked");
    expect(header("x-amz-trailer")).toBe("x-amz-checksum-crc32");
    expect(header("expect")).toBeUndefined();
  });

  it("undoes chunks that were signed with what is no key", async () => {
    const body = "5;chunk-signature=0\r\nhello\r\n0;chunk-signature=1\r\n\r\n";
    const headers = {
      "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
      "content-encoding": "aws-chunked",
      "x-amz-decoded-content-length": "5",
      "content-length": String(body.length),
    };
    const answer = await send("PUT", "/bucket/key", headers, body);
    expect(answer, answer.text).toMatchObject({ status: 200 });
    expect(seen).toMatchObject([{ complaints: [], body: Buffer.from("hello") }]);
    expect([header("content-length"), header("content-encoding")]).toEqual(["5", undefined]);
  });

  it("is refused when its chunks are not what they say", async () => {
    const headers = {
      "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
      "x-amz-decoded-content-length": "5",
      "content-length": "4",
    };
    expect((await send("PUT", "/bucket/key", headers, "oops")).status).toBeGreaterThanOrEqual(400);
  });

  it("is signed for other services too, with its body, at the bare path", async () => {
    const body = "Action=GetCallerIdentity&Version=2011-06-15";
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const answer = await send("POST", "", { ...headers, "content-length": `${body.length}` }, body);
    if (answer.status === 403) {
      // The registry admits the call by its query only.
      expect(answer.text).toContain("not_allowed");
    } else {
      expect(seen).toMatchObject([{ complaints: [], target: "/" }]);
    }
    seen = [];
    const named = await send("GET", "/?Action=GetCallerIdentity&Version=2011-06-15");
    expect(named, named.text).toMatchObject({ status: 200 });
    expect(seen).toMatchObject([{ complaints: [] }]);
  });

  it.each([
    ["that it has hashed", { "x-amz-content-sha256": sha256("{}") }],
    ["of which it says nothing", {}],
  ])("is signed for Bedrock, octets of its path as they came, with a body %s", async (_, more) => {
    const headers = { "content-type": "application/json", "content-length": "2", ...more };
    const path = "/model/anthropic.claude-v2%3A1/invoke";
    const answer = await send("POST", path, headers, "{}");
    expect(answer, answer.text).toMatchObject({ status: 200 });
    expect(seen).toMatchObject([{ complaints: [], target: path }]);
  });

  it("takes the token out of a presigned address, and the signature with it", async () => {
    const query = `X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${token}%2F20260101%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260101T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00&x-id=GetObject`;
    const answer = await call(daemon.socket, "GET", `/v/aws/bucket/key?${query}`);
    expect(answer.status, answer.text).toBe(200);
    expect(seen).toMatchObject([{ complaints: [], target: "/bucket/key?x-id=GetObject" }]);
  });
});
