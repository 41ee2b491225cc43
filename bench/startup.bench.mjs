// Wall time of the command line as a multiple of `node -e 0`, measured in turn (A B C A B C …) so that
// a machine that speeds up or slows down does so for all of them. Prints medians and ratios.
import { spawnSync } from "node:child_process";
import { developmentDaemon } from "./daemon.mjs";
import { median } from "./measure.mjs";

const RUNS = Number(process.argv[2] ?? 15);
const aivault = new URL("../packages/cli/dist/main.cjs", import.meta.url).pathname;

const daemon = await developmentDaemon();
const env = daemon.callerEnv;
const chat = ["--method", "POST", "--path", "/v1/chat/completions", "--body", '{"model":"m"}'];
const commands = {
  "node -e 0": ["-e", "0"],
  "aivault --version": [aivault, "--version"],
  "aivault invoke": [aivault, "invoke", "openai/chat-completions", ...chat],
};

const times = Object.fromEntries(Object.keys(commands).map((name) => [name, []]));
for (let run = 0; run <= RUNS; run += 1) {
  for (const [name, args] of Object.entries(commands)) {
    const started = process.hrtime.bigint();
    const result = spawnSync(process.execPath, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    const ms = Number(process.hrtime.bigint() - started) / 1e6;
    if (result.status !== 0) throw new Error(`${name} failed: ${result.stderr}`);
    if (run > 0) times[name].push(ms); // the first round warms the file cache
  }
}
await daemon.close();

const base = median(times["node -e 0"]);
for (const [name, values] of Object.entries(times)) {
  const ms = median(values);
  console.log(`${name.padEnd(20)} ${ms.toFixed(1).padStart(7)} ms  ${(ms / base).toFixed(2)} x`);
}
