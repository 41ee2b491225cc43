import { describe, expect, it } from "vitest";
import { BrokerError } from "./errors.ts";
import { addClientSecret, askEndpoint, isErrorCode } from "./token-endpoint.ts";
import type { Upstream, UpstreamRequest } from "./upstream.ts";

/** An upstream that answers at once with these chunks, and keeps what it was sent. */
function answering(status: number, ...texts: readonly string[]) {
  const sent: UpstreamRequest[] = [];
  const chunks = texts.map((text) => new Uint8Array(Buffer.from(text)));
  let isOver = false;
  const upstream: Upstream = {
    close: async () => {},
    send: (request, handler) => {
      const { body } = request;
      sent.push({ ...request, body: body instanceof Uint8Array ? body.slice() : body });
      handler.head(status, "", [], {
        pause: () => {},
        resume: () => {},
        abort: (error) => {
          isOver = true;
          handler.error(error);
        },
      });
      for (const chunk of chunks) if (!isOver) handler.data(chunk);
      if (!isOver) handler.end();
    },
  };
  return { upstream, sent, chunks };
}

const ask = (
  upstream: Upstream,
  form: URLSearchParams | null = new URLSearchParams({ a: "b c" }),
) =>
  askEndpoint(upstream, {
    url: new URL("https://login.acme.com/token?x=1"),
    headers: [["authorization", "Basic canary"]],
    form,
    userAgent: "aivault/0",
    signal: new AbortController().signal,
  });

describe("askEndpoint", () => {
  it("sends a form and reads JSON", async () => {
    const { upstream, sent } = answering(200, '{"access', '_token":"t"}');
    const answer = await ask(upstream);
    expect(answer).toEqual({ status: 200, members: { access_token: "t" }, error: null });
    expect(sent[0]).toMatchObject({
      method: "POST",
      origin: { scheme: "https", host: "login.acme.com", port: 443 },
      path: "/token?x=1",
    });
    expect(Buffer.from(sent[0]?.body as Uint8Array).toString()).toBe("a=b+c");
    expect(Object.fromEntries(sent[0]?.headers ?? [])).toMatchObject({
      authorization: "Basic canary",
      "content-type": "application/x-www-form-urlencoded",
    });
  });

  it("sends no body where there is no form", async () => {
    const { upstream, sent } = answering(201, "{}");
    await ask(upstream, null);
    expect(sent[0]).toMatchObject({ body: null, bodyLength: null });
    expect(Object.fromEntries(sent[0]?.headers ?? [])).toMatchObject({ "content-length": "0" });
  });

  it.each(["", "<html>", "null", "3", '"text"', '{"access_token":'])(
    "reads no members in %j",
    async (text) => {
      const { upstream } = answering(502, text);
      expect(await ask(upstream)).toEqual({ status: 502, members: {}, error: null });
    },
  );

  it("G23: wipes the answer, also one that is too large", async () => {
    const { upstream, chunks } = answering(200, "canary ".repeat(5_000), "canary ".repeat(5_000));
    await expect(ask(upstream)).rejects.toMatchObject({ code: "upstream_failed" });
    const good = answering(200, '{"access_token":"canary"}');
    await ask(good.upstream);
    for (const chunk of [...chunks, ...good.chunks]) {
      expect(chunk.every((byte) => byte === 0)).toBe(true);
    }
  });

  it("G9: shows an error code, and nothing that only says it is one", async () => {
    for (const [error, shown] of [
      ["invalid_grant", "invalid_grant"],
      ["the token canary-1 is bad", null],
      [{ canary: 1 }, null],
      ["a".repeat(41), null],
    ] as const) {
      const { upstream } = answering(400, JSON.stringify({ error, error_description: "canary" }));
      expect((await ask(upstream)).error).toBe(shown);
    }
    expect(isErrorCode("Not Found")).toBe(false);
  });

  it("passes on why there is no answer", async () => {
    const upstream: Upstream = {
      close: async () => {},
      send: (_request, handler) => handler.error(new BrokerError("upstream_timeout", "late")),
    };
    await expect(ask(upstream)).rejects.toMatchObject({ code: "upstream_timeout" });
  });
});

describe("addClientSecret", () => {
  const proof = (secret: string | null, how: Parameters<typeof addClientSecret>[4]) => {
    const form = new URLSearchParams();
    const headers: (readonly [string, string])[] = [];
    addClientSecret(form, headers, "a b", secret, how);
    return { form: form.toString(), headers };
  };

  it("encodes both parts as a form would before it joins them (RFC 6749 section 2.3.1)", () => {
    const basic = Buffer.from("a+b:p%3Aq%2B").toString("base64");
    expect(proof("p:q+", "client_secret_basic")).toEqual({
      form: "",
      headers: [["authorization", `Basic ${basic}`]],
    });
  });

  it("puts the secret into the form where the provider wants that", () => {
    expect(proof("p", "client_secret_post")).toEqual({
      form: "client_id=a+b&client_secret=p",
      headers: [],
    });
  });

  it("names a public client and sends no secret, whatever the provider prefers", () => {
    for (const how of ["client_secret_basic", "client_secret_post", "none"] as const) {
      expect(proof(null, how)).toEqual({ form: "client_id=a+b", headers: [] });
    }
    expect(proof("p", "none")).toEqual({ form: "client_id=a+b", headers: [] });
  });
});
