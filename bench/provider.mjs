// The provider of the benchmarks: TLS, HTTP/1.1, and nothing a provider's own speed could be confused
// with. Which answer a request gets is decided by the model its body names, so that one process serves
// every benchmark. stdin carries {"hosts"}; stdout answers {"port","caPath"}.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { createServer } from "node:tls";
import { createCertificateAuthority } from "../e2e/support/certificate-authority.mjs";

const lines = createInterface({ input: process.stdin });
const { hosts } = JSON.parse(await new Promise((resolve) => lines.once("line", resolve)));
const authority = createCertificateAuthority();
const { certificatePem, keyPem } = authority.issue({ hosts });
const directory = mkdtempSync(join(tmpdir(), "aivault-bench-"));
const caPath = join(directory, "ca.pem");
writeFileSync(caPath, authority.certificatePem);

const HEAD =
  "HTTP/1.1 200 OK\r\ndate: Mon, 23 Nov 2026 12:00:00 GMT\r\ncontent-type: application/json\r\n" +
  "x-request-id: req_0123456789abcdef\r\ncache-control: no-store\r\n";
/** JSON text of a chat completion of about `bytes`. */
function completion(bytes) {
  const text = 'The quick brown fox jumps over the lazy dog; it\'s 100% "sure" & never late. ';
  const words = text.repeat(Math.ceil(bytes / text.length)).slice(0, bytes);
  return JSON.stringify({
    id: "chatcmpl-0123456789abcdef",
    object: "chat.completion",
    created: 1_795_000_000,
    model: "bench",
    choices: [{ index: 0, message: { role: "assistant", content: words }, finish_reason: "stop" }],
    usage: { prompt_tokens: 12, completion_tokens: 210, total_tokens: 222 },
  });
}
const whole = (body) =>
  Buffer.from(`${HEAD}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
const SMALL = whole(completion(760));
const LARGE = whole(completion(10 * 1024 * 1024 - 512));
const STREAM_HEAD =
  "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
const EVENT = 'data: {"choices":[{"index":0,"delta":{"content":"word "}}]}\n\n';
const CHUNK = `${EVENT.length.toString(16)}\r\n${EVENT}\r\n`;
const EVENTS_MS = 20;

function answer(socket, body) {
  const model = /"model":"(\w+)"/.exec(body.toString("latin1", 0, 200))?.[1];
  if (model === "large") socket.write(LARGE);
  else if (model === "stream") {
    socket.write(STREAM_HEAD + CHUNK);
    setTimeout(() => socket.write(`${CHUNK}0\r\n\r\n`), EVENTS_MS);
  } else socket.write(SMALL);
}

const server = createServer({ cert: certificatePem, key: keyPem }, (socket) => {
  let held = null;
  /** Bytes of a large upload that are still to be dropped. */
  let left = 0;
  let first = null;
  socket.setNoDelay(true);
  socket.on("error", () => {});
  socket.on("data", (chunk) => {
    if (left > 0) {
      left -= chunk.length;
      if (left === 0) answer(socket, first);
      return;
    }
    held = held === null ? chunk : Buffer.concat([held, chunk]);
    const end = held.indexOf("\r\n\r\n");
    if (end < 0) return;
    const head = held.toString("latin1", 0, end);
    const announced = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    const length = Number(announced ?? 0);
    const body = held.subarray(end + 4);
    if (body.length < 200 && body.length < length) return;
    held = null;
    if (body.length === length) answer(socket, body);
    else {
      first = body;
      left = length - body.length;
    }
  });
});
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`${JSON.stringify({ port: server.address().port, caPath })}\n`);
});
lines.on("close", () => {
  rmSync(directory, { recursive: true, force: true });
  process.exit(0);
});
