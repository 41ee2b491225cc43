import { describe, expect, it } from "vitest";
import { unixTransport } from "../src/transport.ts";
import { fakeDaemon } from "./fake-daemon.ts";

describe("send", () => {
  it("gives up on a daemon that does not answer in time", async () => {
    await using daemon = await fakeDaemon(() => {});
    const transport = unixTransport([daemon.socket]);
    const sending = transport.send({ method: "POST", path: "/", timeoutMs: 30 });
    await expect(sending).rejects.toMatchObject({ code: "CLIENT_TIMEOUT" });
    transport.close();
  });

  it("returns an answer that comes before the body was sent, and stops sending", async () => {
    let stopped = false;
    await using daemon = await fakeDaemon((_, response) => void response.writeHead(413).end("no"));
    const transport = unixTransport([daemon.socket]);
    async function* endless() {
      try {
        for (;;) yield Buffer.alloc(1024);
      } finally {
        stopped = true;
      }
    }
    const response = await transport.send({ method: "POST", path: "/", body: endless() });
    expect(response.statusCode).toBe(413);
    for await (const chunk of response) expect(String(chunk)).toBe("no");
    await expect.poll(() => stopped).toBe(true);
    transport.close();
  });
});
