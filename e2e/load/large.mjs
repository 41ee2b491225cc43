// @ts-check
// A body of 1 GiB where 1 MiB is the limit, by each way in: `node e2e/load/large.mjs [--mib 1024]`. It must be
// refused soon, with memory as it was.
import { request as httpRequest } from "node:http";
import { json, peakOf, Rig, residentMiB, script } from "./harness.mjs";

const MIB = 1024 * 1024;
const LIMIT = MIB;
/** What the daemon may have taken in before it says no: buffers of the kernel, and what it drops politely. */
const TOLERATED = 8 * MIB;

await script("large", async (verdict, flag) => {
  const bytes = flag("mib", 1024) * MIB;
  const rig = await Rig.make();
  try {
    const { token } = await rig.mint({ requestBytesMax: LIMIT });
    const authorization = `Bearer ${token}`;
    const before = residentMiB(rig.pid);
    const type = "application/json";
    const form = "multipart/form-data; boundary=b0";
    const envelope = JSON.stringify({
      capability: "openai/files",
      request: { method: "POST", path: "/v1/files", bodyUpload: true },
    });
    const prologue =
      `--b0\r\ncontent-disposition: form-data; name="envelope"\r\ncontent-type: ${type}\r\n\r\n` +
      `${envelope}\r\n--b0\r\ncontent-disposition: form-data; name="body"; filename="f"\r\n\r\n`;
    /** @type {[string, string, string, Record<string, string>, string][]} */
    const ways = [
      [
        "an envelope that says its length",
        "/aivault/proxy",
        type,
        { "content-length": `${bytes}` },
        "",
      ],
      ["an envelope, chunked", "/aivault/proxy", type, {}, '{"capability":"'],
      ["a form, chunked", "/aivault/proxy", form, {}, prologue],
      [
        "a passthrough that says its length",
        "/v/openai/v1/chat/completions",
        type,
        { "content-length": `${bytes}` },
        "",
      ],
      ["a passthrough, chunked", "/v/openai/v1/chat/completions", type, {}, ""],
      ["a derived token, chunked", "/aivault/tokens/derive", type, {}, "{"],
    ];
    for (const [name, path, contentType, headers, begin] of ways) {
      const startedMs = performance.now();
      const { result, peak } = await peakOf(
        () => residentMiB(rig.pid),
        send(rig, path, { "content-type": contentType, authorization, ...headers }, begin, bytes),
      );
      const ms = Math.round(performance.now() - startedMs);
      // A client that goes on writing may find the connection cut before it has read why.
      const isRefused = result.status === 413 || result.status === 0;
      verdict.expect(`${name}: is refused`, isRefused, `${result.status}`);
      verdict.expect(`${name}: soon`, result.sent <= LIMIT + TOLERATED, `after ${result.sent}`);
      verdict.expect(`${name}: memory stays`, peak - before < 64, `${before} to ${peak} MiB`);
      verdict.figures(name, {
        status: result.status,
        "MiB sent": Math.round(result.sent / MIB),
        ms,
        "MiB before": before,
        "MiB at most": peak,
      });
    }
    const seen = await rig.standIn.requests();
    const most = Math.max(0, ...seen.map(({ requestBytes }) => requestBytes));
    verdict.expect("no more than the limit reached the provider", most <= LIMIT, `${most} bytes`);
    await rig.checkAudit(verdict);
    const again = await rig.operate("/aivault/tokens", json({ capabilities: ["*"] }));
    verdict.expect("the daemon is up", rig.isAlive && typeof again.token === "string");
  } finally {
    await rig.dispose();
  }
});

/**
 * Send until it was all sent or something was said.
 * @param {Rig} rig @param {string} path @param {Record<string, string>} headers @param {string} begin
 * @param {number} bytes
 * @returns {Promise<{ status: number, sent: number }>}
 */
function send(rig, path, headers, begin, bytes) {
  return new Promise((resolve) => {
    const block = Buffer.alloc(65_536, "a");
    let sent = 0;
    let status = 0;
    const client = httpRequest({
      ...rig.caller,
      method: "POST",
      path,
      headers: { host: "aivault", ...headers },
      agent: false,
    });
    const done = () => {
      client.destroy();
      resolve({ status, sent });
    };
    client.on("response", (response) => {
      status = response.statusCode ?? 0;
      response.resume().on("end", done).on("error", done);
    });
    client.on("error", () => setTimeout(done, 100));
    const more = () => {
      while (sent < bytes && status === 0 && !client.destroyed) {
        sent += block.length;
        if (client.write(block)) continue;
        client.once("drain", more);
        return;
      }
      if (status === 0 && !client.destroyed) client.end();
    };
    client.write(begin);
    more();
  });
}
