import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { call, form } from "../test/wire.ts";
import { collect } from "./body.ts";
import { isMultipart, type MultipartReader, readMultipart } from "./multipart.ts";

let directory: string;
let server: Server;
const socket = () => join(directory, "s.sock");
let serve: (request: IncomingMessage) => Promise<unknown>;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "aivault-multipart-"));
  server = createServer((request, response) => {
    serve(request).then(
      (value) => response.end(JSON.stringify(value)),
      (error) => {
        response.statusCode = 400;
        response.end(String(error.code ?? error));
      },
    );
  });
  await new Promise<void>((resolve) => server.listen(socket(), resolve));
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(directory, { recursive: true });
});

async function readAll(reader: MultipartReader): Promise<string[][]> {
  const parts: string[][] = [];
  for (let part = await reader.next(); part !== null; part = await reader.next()) {
    parts.push([part.name, Buffer.from(await collect(part.body, 1 << 20)).toString("latin1")]);
  }
  return parts;
}

describe("readMultipart", () => {
  it("gives parts in order, with octets as they came", async () => {
    serve = async (request) => readAll(readMultipart(request));
    const octets = Uint8Array.from({ length: 256 }, (_, i) => i);
    const answer = await call(
      socket(),
      "POST",
      "/",
      form(["envelope", "{}"], ["a", octets], ["b", ""], ["a", "\r\n--b\r\n--\r\n"]),
    );
    expect(JSON.parse(answer.text)).toEqual([
      ["envelope", "{}"],
      ["a", Buffer.from(octets).toString("latin1")],
      ["b", ""],
      ["a", "\r\n--b\r\n--\r\n"],
    ]);
  });

  it.each([
    ["ends in the middle of a part", "--b0\r\ncontent-disposition: form-data; name=a\r\n\r\nhalf"],
    ["ends in a part's header", "--b0\r\ncontent-dispo"],
    ["has no part", ""],
    ["is not multipart at all", "hello"],
  ])("refuses a body that %s", async (_, body) => {
    serve = async (request) => readAll(readMultipart(request));
    const { headers } = form();
    const answer = await call(socket(), "POST", "/", { headers, body });
    expect([answer.status, answer.text]).toEqual([400, "invalid_request"]);
  });

  it("refuses a content type without a boundary", async () => {
    serve = async (request) => [isMultipart(request), readMultipart(request)];
    const headers = { "content-type": "multipart/form-data; charset=utf-8" };
    const answer = await call(socket(), "POST", "/", { headers, body: "x" });
    expect([answer.status, answer.text]).toEqual([400, "invalid_request"]);
  });

  it("refuses more parts than any request has", async () => {
    serve = async (request) => readAll(readMultipart(request));
    const many = Array.from({ length: 1100 }, () => ["a", ""] as const);
    const answer = await call(socket(), "POST", "/", form(...many));
    expect([answer.status, answer.text]).toEqual([400, "invalid_request"]);
  });

  it("tells whoever reads a part that the client has gone", async () => {
    let seen: Promise<unknown> = Promise.resolve();
    const reading = new Promise<void>((resolve) => {
      serve = async (request) => {
        const part = await readMultipart(request).next();
        seen = (async () => {
          for await (const _ of part?.body ?? []) resolve();
        })();
        await seen.catch(() => {});
      };
    });
    const client = connect(socket());
    client.write(
      "POST / HTTP/1.1\r\nhost: a\r\ncontent-type: multipart/form-data; boundary=b0\r\n",
    );
    client.write(
      "content-length: 100000\r\n\r\n--b0\r\ncontent-disposition: form-data; name=a\r\n\r\n",
    );
    client.write("x".repeat(1000));
    await reading;
    client.destroy();
    await expect(seen).rejects.toMatchObject({ code: "invalid_request" });
  });

  it("holds the client back while a part is not read", async () => {
    let reader: MultipartReader | undefined;
    serve = async (request) => {
      reader = readMultipart(request);
      await reader.next();
      await new Promise((resolve) => setTimeout(resolve, 300));
      reader.close();
    };
    const client = connect(socket());
    client.on("error", () => {});
    client.write(
      "POST / HTTP/1.1\r\nhost: a\r\ncontent-type: multipart/form-data; boundary=b0\r\n",
    );
    client.write("transfer-encoding: chunked\r\n\r\n");
    const send = (text: string) => client.write(`${text.length.toString(16)}\r\n${text}\r\n`);
    send("--b0\r\ncontent-disposition: form-data; name=a\r\n\r\n");
    for (let i = 0; i < 64; i++) send("y".repeat(65_536));
    await new Promise((resolve) => setTimeout(resolve, 200));
    // 4 MiB were offered; what was taken fits in the buffers between the two ends.
    expect(client.bytesWritten - client.writableLength).toBeLessThan(2 * 1024 * 1024);
    client.destroy();
  });
});
