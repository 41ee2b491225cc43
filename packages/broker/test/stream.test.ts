import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import type { Upload } from "../src/index.ts";
import {
  auditEvents,
  createHarness,
  type Harness,
  type HarnessOptions,
  invocation,
  receive,
  utf8,
} from "./support/harness.ts";
import { type StandIn, startStandIn } from "./support/provider.ts";

const KEY = "sk-proj-canary0123456789abcdefABCDEF-_xyz";
const closers: (() => Promise<void>)[] = [];

async function start(
  answer: Parameters<typeof startStandIn>[1],
  options: HarnessOptions = {},
  more: Parameters<typeof startStandIn>[2] = {},
): Promise<{ provider: StandIn; harness: Harness }> {
  const provider = await startStandIn(["api.openai.com"], answer, more);
  const harness = await createHarness({ ...options, hosts: { "api.openai.com": provider.port } });
  await harness.broker.createSecret({ name: "OPENAI_API_KEY", value: utf8(KEY) });
  closers.push(harness.close, provider.close);
  return { provider, harness };
}

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const chat = (body: object = { body: "{}" }) => ({
  capability: "openai/chat-completions",
  request: { method: "POST", path: "/v1/chat/completions", ...body },
});

async function* pieces(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield utf8(text);
}

describe("responses", () => {
  it("pass event by event, with no event of delay", async () => {
    // In lock-step: the next event is sent only when the caller has seen the one before.
    let seen = () => {};
    const { harness } = await start(async (_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      for (let i = 0; i < 20; i++) {
        const arrived = new Promise<void>((resolve) => {
          seen = resolve;
        });
        response.write(`data: {"n":${i},"key":"sk-proj"}\n\n`);
        await arrived;
      }
      response.end();
    });
    const { arrivals, ended } = await receive(harness.broker, invocation(chat()), {
      onData: () => {
        seen();
        return true;
      },
    });
    expect(ended).toBe(true);
    expect(arrivals).toEqual(
      Array.from({ length: 20 }, (_, i) => `data: {"n":${i},"key":"sk-proj"}\n\n`),
    );
  });

  it("G9: have no header that is named like the secret, in whatever case", async () => {
    const { harness } = await start((_request, response) => {
      response.setHeader(KEY, "1");
      response.setHeader(`x-${KEY.toLowerCase()}`, "2");
      response.setHeader("x-other", "3");
      response.end("{}");
    });
    const { head } = await receive(harness.broker, invocation(chat()));
    const names = head?.headers.map(({ name }) => name) ?? [];
    expect(names).toContain("x-other");
    expect(names.join()).not.toContain(KEY);
    expect(names).not.toContain(KEY.toLowerCase());
  });

  it("are held at the sink's pace, all the way to the provider", async () => {
    const total = 64 * 1_048_576;
    let written = 0;
    const { harness } = await start((_request, response) => {
      response.writeHead(200, { "content-type": "application/octet-stream" });
      const chunk = Buffer.alloc(65_536, "x");
      const more = () => {
        while (written < total) {
          written += chunk.length;
          if (!response.write(chunk)) {
            response.once("drain", more);
            return;
          }
        }
        response.end();
      };
      more();
    });
    let resume = () => {};
    let got = 0;
    let stopped = false;
    const done = receive(harness.broker, invocation(chat()), {
      onHead: (_head, go) => {
        resume = go;
      },
      onData: (chunk) => {
        got += chunk.length;
        if (got < 100_000 || stopped) return true;
        stopped = true;
        return false;
      },
    });
    await sleep(600);
    expect(got).toBeLessThan(2 * 1_048_576);
    expect(written).toBeLessThan(32 * 1_048_576);
    resume();
    const { error, body } = await done;
    expect(error).toBeNull();
    expect(body.length).toBe(total);
    // Nothing here is about speed: so many octets through TLS take a busy machine their time.
  }, 120_000);

  it("end at the provider when the caller goes away", async () => {
    let closed = () => {};
    const closedAt = new Promise<void>((resolve) => {
      closed = resolve;
    });
    const { harness } = await start((request, response) => {
      request.socket.on("close", closed);
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write("data: 1\n\n");
    });
    const controller = new AbortController();
    const { error, ended } = await receive(harness.broker, invocation(chat()), {
      signal: controller.signal,
      onData: () => {
        controller.abort();
        return true;
      },
    });
    expect(error).not.toBeNull();
    expect(ended).toBe(false);
    await closedAt;
    expect((await auditEvents(harness.vault)).at(-1)).toMatchObject({ outcome: "cancelled" });
  });

  it("G10: break visibly at the size limit", async () => {
    const { harness } = await start(
      (_request, response) => response.end(Buffer.alloc(200_000, "x")),
      { settings: { responseBytesMax: 100_000 } },
    );
    const { error, ended, body } = await receive(harness.broker, invocation(chat()));
    expect(error).toMatchObject({ code: "response_too_large" });
    expect(ended).toBe(false);
    expect(body.length).toBeLessThanOrEqual(100_000);
  });

  it("G9: are decoded before they are searched, and passed on decoded", async () => {
    const { harness } = await start((_request, response) => {
      response.writeHead(200, { "content-type": "text/plain", "content-encoding": "gzip" });
      response.end(gzipSync(`a ${KEY} b`));
    });
    const { head, body } = await receive(harness.broker, invocation(chat()));
    expect(body.toString()).toBe("a [REDACTED] b");
    expect(head?.headers.map(({ name }) => name)).not.toContain("content-encoding");
  });

  it("break when the provider breaks off", async () => {
    const { harness } = await start((request, response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("half");
      setTimeout(() => request.socket.destroy(), 20);
    });
    const { error, ended } = await receive(harness.broker, invocation(chat()));
    expect(error).toMatchObject({ code: "upstream_failed" });
    expect(ended).toBe(false);
  });

  it("are given up when the provider is silent", async () => {
    const { harness } = await start(() => {}, {});
    const { error } = await receive(harness.broker, invocation(chat(), null, { timeoutMs: 100 }));
    expect(error).toMatchObject({ code: "upstream_timeout" });
  });

  it("G18: stay unfinished when the outcome cannot be recorded", async () => {
    const { harness } = await start((_request, response) => response.end("done"));
    const { audit } = harness.vault;
    const append = audit.append.bind(audit);
    audit.append = async (event) => {
      if (event.kind === "invocation.completed") throw new Error("disk full");
      return append(event);
    };
    const { error, ended } = await receive(harness.broker, invocation(chat()));
    expect(error).not.toBeNull();
    expect(ended).toBe(false);
  });

  it("G18: are not asked for when the decision cannot be recorded", async () => {
    const { harness, provider } = await start((_request, response) => response.end("done"));
    harness.vault.audit.append = async () => {
      throw new Error("disk full");
    };
    const { error } = await receive(harness.broker, invocation(chat()));
    expect(error).not.toBeNull();
    expect(provider.requests).toEqual([]);
  });
});

describe("request bodies", () => {
  const files = (uploads: readonly Upload[] | null, request: object) =>
    invocation(
      { capability: "openai/files", request: { method: "POST", path: "/v1/files", ...request } },
      uploads,
    );
  const upload = (field: string, ...texts: string[]): Upload => ({
    field,
    filename: `${field}.txt`,
    contentType: "text/plain",
    body: pieces(...texts),
  });

  it("stream a multipart form: fields, then files, under a random boundary", async () => {
    const { harness, provider } = await start((_request, response) => response.end("ok"));
    const what = files([upload("file", "line 1\n", "line 2\n")], {
      multipart: { purpose: "batch" },
      multipartFiles: [{ field: "file", filename: 'a "b".jsonl' }],
    });
    const { error } = await receive(harness.broker, what);
    expect(error).toBeNull();
    const [request] = provider.requests;
    const boundary = /^multipart\/form-data; boundary=(aivault-[0-9a-f]{32})$/.exec(
      String(request?.headers["content-type"]),
    )?.[1];
    expect(boundary).toBeDefined();
    expect(request?.body).toBe(
      `--${boundary}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n` +
        `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="a %22b%22.jsonl"\r\n` +
        `Content-Type: text/plain\r\n\r\nline 1\nline 2\n\r\n--${boundary}--\r\n`,
    );
  });

  it("say their length when it is known", async () => {
    const { harness, provider } = await start((_request, response) => response.end("ok"));
    await receive(harness.broker, files(null, { multipart: { purpose: "x" } }));
    expect(provider.requests[0]?.headers["content-length"]).toBe(
      String(provider.requests[0]?.body.length),
    );
  });

  it("stream a whole body that the client uploads", async () => {
    const { harness, provider } = await start((_request, response) => response.end("ok"));
    const what = invocation(chat({ bodyUpload: true }), [upload("body", '{"a":', "1}")]);
    const { error } = await receive(harness.broker, what);
    expect(error).toBeNull();
    expect(provider.requests[0]?.body).toBe('{"a":1}');
    expect(provider.requests[0]?.headers["transfer-encoding"]).toBe("chunked");
  });

  it.each([
    ["another part", [upload("other", "x")]],
    ["no part", []],
    ["a part too many", [upload("file", "x"), upload("file", "y")]],
    ["a part of another length", [{ ...upload("file", "x"), length: 2 }]],
  ])("are refused with %s than was announced", async (_, uploads) => {
    const { harness } = await start((_request, response) => response.end("ok"));
    const what = files(uploads, { multipartFiles: [{ field: "file" }] });
    const { error, ended } = await receive(harness.broker, what);
    expect(error).toMatchObject({ code: "invalid_request" });
    expect(ended).toBe(false);
  });

  it("G10: are refused beyond the limit, whole or streamed", async () => {
    const { harness } = await start((_request, response) => response.end("ok"), {
      settings: { requestBytesMax: 10 },
    });
    const whole = await receive(harness.broker, invocation(chat({ body: "x".repeat(11) })));
    expect(whole.error).toMatchObject({ code: "request_too_large" });
    const streamed = invocation(chat({ bodyUpload: true }), [upload("body", "123456", "789012")]);
    expect((await receive(harness.broker, streamed)).error).toMatchObject({
      code: "request_too_large",
    });
  });
});
