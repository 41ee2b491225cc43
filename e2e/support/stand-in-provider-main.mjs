// @ts-check
// The stand-in provider as a process. Its options, which contain the credentials it will accept,
// arrive as one line of JSON on stdin, never in arguments or the environment. It answers with one
// line on stdout and stops on SIGTERM or when stdin ends, so it cannot outlive whoever started it.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { startStandInProvider } from "./stand-in-provider.mjs";

const lines = createInterface({ input: process.stdin });
const first = await new Promise((resolve) => {
  lines.once("line", resolve);
  lines.once("close", () => resolve(undefined));
});
if (typeof first !== "string") {
  process.stderr.write("stand-in: expected one line of JSON options on stdin\n");
  process.exit(2);
}

const standIn = await startStandInProvider(JSON.parse(first));
const directory = mkdtempSync(join(tmpdir(), "stand-in-"));
const caPath = join(directory, "ca.pem");
// World-readable: it is public, and callers that run as another user may want to look at it.
writeFileSync(caPath, standIn.caPem, { mode: 0o644 });

let stopping = false;
async function stop() {
  if (stopping) return;
  stopping = true;
  rmSync(directory, { recursive: true, force: true });
  await standIn.close();
  process.exit(0);
}
process.on("SIGTERM", () => void stop());
process.on("SIGINT", () => void stop());
lines.on("close", () => void stop());

const { port, controlPort } = standIn;
process.stdout.write(`${JSON.stringify({ port, caPath, controlPort })}\n`);
