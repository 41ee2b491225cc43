import { afterEach, describe, expect, it } from "vitest";
import { type AivaultClient, createClient, refusalOf } from "../src/index.ts";
import {
  bodyOf,
  type FakeDaemon,
  fakeDaemon,
  type Handler,
  refuse,
  upstreamHeaders,
} from "./fake-daemon.ts";

let daemon: FakeDaemon | undefined;
let client: AivaultClient | undefined;

afterEach(async () => {
  client?.close();
  await daemon?.[Symbol.asyncDispose]();
});

async function start(handler: Handler): Promise<AivaultClient> {
  daemon = await fakeDaemon((request, response) => {
    if (request.url?.startsWith("/aivault/capabilities/") === true) {
      response.end(JSON.stringify({ id: "openai/chat", host: "api.openai.com" }));
      return undefined;
    }
    return handler(request, response);
  });
  client = createClient({ socket: daemon.socket });
  return client;
}

describe("fetch", () => {
  it("makes the call an SDK would make, without the placeholder key", async () => {
    let wire = "";
    const aivault = await start(async (request, response) => {
      wire = (await bodyOf(request)).toString();
      response.writeHead(201, { ...upstreamHeaders, "x-up": "1" }).end("made");
    });
    const response = await aivault.fetch("openai/chat")("https://api.openai.com/v1/chat?x=1", {
      method: "POST",
      headers: { Authorization: "Bearer placeholder", "Content-Type": "application/json" },
      body: JSON.stringify({ a: 1 }),
    });
    expect(response).toBeInstanceOf(Response);
    expect([response.status, response.headers.get("x-up"), await response.text()]).toEqual([
      201,
      "1",
      "made",
    ]);
    expect(wire).toContain('"path":"/v1/chat?x=1"');
    expect(wire).toContain('{"name":"content-type","value":"application/json"}');
    expect(wire).toContain('\r\n\r\n{"a":1}\r\n');
    expect(wire).not.toContain("placeholder");
  });

  it("takes a Request, a URL, and a bare path", async () => {
    const aivault = await start(
      (_, response) => void response.writeHead(200, upstreamHeaders).end("x"),
    );
    const call = aivault.fetch("openai/chat");
    for (const input of [
      "/v1/chat",
      new URL("https://api.openai.com/v1/chat"),
      new Request("https://api.openai.com/v1/chat"),
    ]) {
      expect(await (await call(input)).text()).toBe("x");
    }
  });

  it("G8: refuses the address of another host before anything is sent", async () => {
    let calls = 0;
    const aivault = await start((_, response) => {
      calls += 1;
      response.end();
    });
    for (const url of [
      "https://evil.example/v1",
      "http://api.openai.com/v1",
      "https://api.openai.com:444/v1",
    ]) {
      await expect(aivault.fetch("openai/chat")(url)).rejects.toMatchObject({
        reason: "host_not_allowed",
      });
    }
    expect(calls).toBe(0);
  });

  it("hands a refusal through as a response that SDKs do not retry", async () => {
    const aivault = await start((_, response) =>
      refuse(response, 423, { error: "vault_locked", message: "locked", hint: "unlock it" }),
    );
    const response = await aivault.fetch("openai/chat")("/v1/chat");
    expect(response.status).toBe(423);
    expect(response.headers.get("x-should-retry")).toBe("false");
    expect(await refusalOf(response)).toMatchObject({ code: "vault_locked", hint: "unlock it" });
    expect(await response.json()).toMatchObject({ error: "vault_locked" });
  });

  it("streams the answer, and ends the call when it is cancelled", async () => {
    let closed = false;
    const aivault = await start((_, response) => {
      response.on("close", () => {
        closed = true;
      });
      response.writeHead(200, upstreamHeaders);
      response.write("data: 1\n\n");
    });
    const response = await aivault.fetch("openai/chat")("/v1/chat");
    const reader = response.body?.getReader();
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe("data: 1\n\n");
    await reader?.cancel();
    await expect.poll(() => closed).toBe(true);
  });

  it("rejects with the signal's own reason when aborted", async () => {
    const aivault = await start(() => {});
    const call = aivault.fetch("openai/chat")("/v1/chat", { signal: AbortSignal.timeout(20) });
    await expect(call).rejects.toMatchObject({ name: "TimeoutError" });
  });

  it("gives a bodiless status no body", async () => {
    const aivault = await start(
      (_, response) => void response.writeHead(204, upstreamHeaders).end(),
    );
    const response = await aivault.fetch("openai/chat")("/v1/chat", { method: "DELETE" });
    expect([response.status, response.body]).toEqual([204, null]);
  });
});
