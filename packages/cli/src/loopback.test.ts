import { request } from "node:http";
import { describe, expect, it } from "vitest";
import { callbackOf, listenForBrowser } from "./loopback.ts";

function visit(address: string, method = "GET"): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(address, { method }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode ?? 0));
    });
    sent.on("error", reject);
    sent.end();
  });
}

describe("listenForBrowser", () => {
  it("takes the port it is told, or any", async () => {
    const first = await listenForBrowser("http://localhost/back");
    const { port } = new URL(first.redirectUri);
    expect(first.redirectUri).toBe(`http://localhost:${port}/back`);
    await expect(listenForBrowser(`http://127.0.0.1:${port}/`)).rejects.toMatchObject({
      code: "CLI_INPUT",
    });
    await first.close();
  });

  it.each([
    "https://127.0.0.1/",
    "http://192.0.2.1/",
    "http://evil.example/",
    "http://127.0.0.1/?a=b",
    "http://user@127.0.0.1/",
    "no address",
  ])("refuses %s", async (uri) => {
    await expect(listenForBrowser(uri)).rejects.toMatchObject({ code: "CLI_USAGE" });
  });

  it("hears the first answer with its state, and nothing else", async () => {
    const loopback = await listenForBrowser();
    const { redirectUri } = loopback;
    const answer = loopback.answer("s", new AbortController().signal);
    expect(await visit(`${redirectUri}?state=s&code=1`, "POST")).toBe(405);
    expect(await visit(`${redirectUri}?state=x&code=1`)).toBe(400);
    expect(await visit(`${redirectUri}?state=s&state=s&code=1`)).toBe(400);
    expect(await visit(`${redirectUri}?state=s&code=1&code=2`)).toBe(400);
    expect(await visit(`${redirectUri}?state=s&code=`)).toBe(400);
    expect(await visit(new URL("/elsewhere?state=s&code=1", redirectUri).href)).toBe(404);
    expect(await visit(`${new URL(redirectUri).origin}//`)).toBe(404);
    expect(await visit(`${redirectUri}?state=s&code=1`)).toBe(200);
    expect(await answer).toEqual({ state: "s", code: "1" });
    await loopback.close();
    await expect(visit(redirectUri)).rejects.toThrow();
  });

  it("ends when it is interrupted", async () => {
    const loopback = await listenForBrowser();
    const abort = new AbortController();
    const answer = loopback.answer("s", abort.signal);
    abort.abort();
    await expect(answer).rejects.toMatchObject({ code: "CLI_CANCELLED" });
    await loopback.close();
  });
});

describe("callbackOf", () => {
  it("reads the address that a browser ended at", () => {
    expect(callbackOf("http://127.0.0.1:1/callback?code=c&state=s", "s")).toEqual({
      state: "s",
      code: "c",
    });
    expect(callbackOf("http://127.0.0.1:1/?error=access_denied&state=s", "s")).toEqual({
      state: "s",
      error: "access_denied",
    });
  });

  it.each(["", "c", "http://127.0.0.1/?code=c", "http://127.0.0.1/?code=c&state=other"])(
    "refuses %j",
    (address) => {
      expect(() => callbackOf(address, "s")).toThrow(
        expect.objectContaining({ code: "CLI_INPUT" }),
      );
    },
  );
});
