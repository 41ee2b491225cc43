// Messages whose framing is not that of the usual ones: interim answers, no body, trailers.
import { afterEach, describe, expect, it } from "vitest";
import {
  auditEvents,
  createHarness,
  type Harness,
  invocation,
  receive,
  utf8,
} from "./support/harness.ts";
import { type StandIn, startRawStandIn } from "./support/provider.ts";

const HOST = "api.acme.example";
const KEY = "canary-key-0123456789abcdef";

let provider: StandIn;
let harness: Harness;

/** In front of an answer with which the connection ends. */
const ENDING = "\0";

/** @param answers - The octets of each answer in turn; the connection stays open after them. */
async function start(...answers: readonly string[]): Promise<void> {
  let asked = 0;
  provider = await startRawStandIn([HOST], (socket) => {
    const answer = answers[asked] ?? "";
    asked++;
    if (answer.startsWith(ENDING)) socket.end(answer.slice(ENDING.length));
    else socket.write(answer);
  });
  harness = await createHarness({ hosts: { [HOST]: provider.port } });
  await harness.broker.createSecret({ name: "ACME_KEY", value: utf8(KEY) });
  await harness.broker.createCredential({
    id: "acme",
    provider: "acme",
    secrets: { secret: "ACME_KEY" },
    auth: { strategy: "header", name: "x-acme", template: "{{secret}}" },
    hosts: [HOST],
  });
  await harness.broker.createCapability({
    id: "acme/all",
    provider: "acme",
    host: HOST,
    rules: [{ methods: ["GET", "HEAD", "POST", "PUT"], match: "prefix", path: "/" }],
  });
}

afterEach(async () => {
  await harness.close();
  await provider.close();
});

const call = (method: string, more: object = {}) =>
  receive(
    harness.broker,
    invocation({ capability: "acme/all", request: { method, path: "/x", ...more } }),
  );

const OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const names = (headers: readonly { readonly name: string }[] = []) =>
  headers.map(({ name }) => name);

describe("answers", () => {
  it.each([
    ["102 Processing, twice", "HTTP/1.1 102 Processing\r\n\r\n".repeat(2)],
    [
      "103 Early Hints with a cookie",
      `HTTP/1.1 103 Early Hints\r\nset-cookie: a=${KEY}\r\nlink: </a>\r\n\r\n`,
    ],
  ])("are the final ones: %s is left out", async (_, interim) => {
    await start(interim + OK);
    const { error, head, body, ended } = await call("GET");
    expect([error, head?.status, body.toString(), ended]).toEqual([null, 200, "ok", true]);
    expect(names(head?.headers)).not.toContain("link");
    expect(JSON.stringify(head)).not.toContain(KEY);
  });

  // undici ends the connection over it. RFC 9110 section 15.2 would have it left out as well.
  it("fail visibly when one agrees to an Expect that was not sent", async () => {
    await start(`HTTP/1.1 100 Continue\r\n\r\n${OK}`);
    const { error, head } = await call("GET");
    expect(error).toMatchObject({ code: "upstream_failed" });
    expect(head).toBeNull();
  });

  it.each([
    ["nothing", "", true],
    ["another coding than chunked", "transfer-encoding: gzip\r\n", true],
    ["a length", "content-length: 4\r\n", false],
    ["a length, in capitals", "CONTENT-LENGTH: 4\r\n", false],
  ])("with %s to say where they end are delivered, and known for it", async (_, line, unknown) => {
    await start(`${ENDING}HTTP/1.1 200 OK\r\n${line}connection: close\r\n\r\npart`);
    const { error, head, body, ended } = await call("GET");
    expect([error, body.toString(), ended]).toEqual([null, "part", true]);
    expect(head?.lengthUnknown ?? false).toBe(unknown);
    const [event] = await auditEvents(harness.vault, 1);
    expect(event?.["lengthUnknown"] ?? false).toBe(unknown);
  });

  it.each([["GET"], ["HEAD"]])("to %s are asked for once more where none began", async (method) => {
    const answer = method === "HEAD" ? "HTTP/1.1 200 OK\r\n\r\n" : OK;
    await start(answer, ENDING, answer);
    await call(method);
    expect((await call(method)).error).toBeNull();
    expect(provider.requests).toHaveLength(3);
  });

  it("to GET are asked for once more, and not twice", async () => {
    await start(ENDING, ENDING, OK);
    expect((await call("GET")).error).toMatchObject({ code: "upstream_failed" });
    expect(provider.requests).toHaveLength(2);
  });

  it("to GET are not asked for again where one began", async () => {
    await start(`${ENDING}HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npart`, OK);
    expect((await call("GET")).error).toMatchObject({ code: "upstream_failed" });
    expect(provider.requests).toHaveLength(1);
  });

  it.each([["POST"], ["PUT"]])("to %s are never asked for again", async (method) => {
    await start(OK, ENDING, OK);
    await call(method, { body: "x" });
    expect((await call(method, { body: "x" })).error).toMatchObject({ code: "upstream_failed" });
    await start(OK, ENDING, OK);
    await call(method);
    expect((await call(method)).error).toMatchObject({ code: "upstream_failed" });
    expect(provider.requests).toHaveLength(2);
  });

  it("G8: do not change the protocol unasked", async () => {
    await start("HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n");
    const { error, head } = await call("GET");
    expect(error).toMatchObject({ code: "upstream_failed" });
    expect(head).toBeNull();
  });

  it.each([
    ["204", "HTTP/1.1 204 No Content\r\n\r\n", 204],
    ["304", 'HTTP/1.1 304 Not Modified\r\netag: "a"\r\ncontent-length: 9\r\n\r\n', 304],
    ["205", "HTTP/1.1 205 Reset Content\r\ncontent-length: 0\r\n\r\n", 205],
  ])("of %s have no body, and the connection goes on", async (_, answer, status) => {
    await start(answer, OK);
    const first = await call("GET");
    expect([first.error, first.head?.status, first.body.length, first.ended]).toEqual([
      null,
      status,
      0,
      true,
    ]);
    if (status === 304) expect(names(first.head?.headers)).toContain("etag");
    const second = await call("GET");
    expect([second.error, second.body.toString()]).toEqual([null, "ok"]);
  });

  it("to HEAD have no body, however long it is said to be", async () => {
    await start("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\ncontent-encoding: gzip\r\n\r\n", OK);
    const first = await call("HEAD");
    expect([first.error, first.head?.status, first.body.length, first.ended]).toEqual([
      null,
      200,
      0,
      true,
    ]);
    expect(provider.requests[0]?.method).toBe("HEAD");
    expect((await call("GET")).body.toString()).toBe("ok");
  });

  it("to HEAD say how long the body would be, as only they do", async () => {
    await start("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n", OK);
    const head = await call("HEAD");
    expect(head.head?.headers).toContainEqual({ name: "content-length", value: "1000000" });
    expect(names((await call("GET")).head?.headers)).not.toContain("content-length");
  });

  it("G9: to HEAD do not spell a credential of digits in that length", async () => {
    await start("HTTP/1.1 200 OK\r\ncontent-length: 271828182845\r\n\r\n");
    const { secretId } = await harness.broker.findSecret("ACME_KEY");
    await harness.broker.rotateSecret(secretId, utf8("271828182845"));
    const { error, head } = await call("HEAD");
    expect([error, head?.status]).toEqual([null, 200]);
    expect(JSON.stringify(head)).not.toContain("271828182845");
  });

  it("G9: come without their trailers", async () => {
    await start(
      `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-echo\r\n\r\n2\r\nok\r\n0\r\nx-echo: ${KEY}\r\n\r\n`,
    );
    const { error, head, body, ended } = await call("GET");
    expect([error, body.toString(), ended]).toEqual([null, "ok", true]);
    expect(names(head?.headers)).not.toContain("trailer");
    expect(JSON.stringify(head)).not.toContain(KEY);
  });
});

describe("requests", () => {
  it("do not wait for a provider to agree, whatever the caller says", async () => {
    await start(OK);
    const headers = [
      { name: "Expect", value: "100-continue" },
      { name: "Trailer", value: "x" },
      { name: "TE", value: "trailers" },
    ];
    const { error } = await call("POST", { headers, body: "{}" });
    expect(error).toBeNull();
    const [{ body = "" } = {}] = provider.requests;
    expect(body).toMatch(/^POST \/x HTTP\/1\.1\r\n/);
    expect(body).not.toMatch(/\r\n(?:expect|trailer|te):/i);
  });

  it.each(["POST", "PUT"])("of %s say that they have no body", async (method) => {
    await start(OK);
    expect((await call(method)).error).toBeNull();
    expect(provider.requests[0]?.body).toMatch(/\r\ncontent-length: 0\r\n/i);
  });

  it.each(["GET", "HEAD"])("of %s have no word about a body", async (method) => {
    await start("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    expect((await call(method)).error).toBeNull();
    expect(provider.requests[0]?.body).not.toMatch(/\r\n(?:content-|transfer-encoding)/i);
  });
});
