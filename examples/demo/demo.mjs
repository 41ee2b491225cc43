// @ts-check
// `npm run demo`: the product's main job, on real sockets and real TLS, in a few short acts. Ends
// with status 1 if anything in it is not as it should be.
import { randomBytes } from "node:crypto";
import { play } from "./acts.mjs";
import { createStage } from "./stage.mjs";
import { bold, dim, green, line, prose, red } from "./terminal.mjs";

// A key of the shape OpenAI gives out, made for this run and good for nothing else.
const secret = `sk-proj-${randomBytes(30).toString("base64url")}`;

line(`\n${bold("aivault")}${dim(": programs use your keys without ever holding them")}\n`);
prose(
  "The programs, sockets and encryption in this demo are real. Only the provider is a stand-in: a server on 127.0.0.1 that calls itself api.openai.com and has an authority of its own to vouch for that.",
);

const stage = await createStage(secret);
// Interrupted, it still leaves nothing behind.
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
  process.once(signal, () => void stage.clear().finally(() => process.exit(1)));
}
let status = 0;
try {
  await play(stage, secret);
  line(`\n${green("✓")} ${bold("The key was used and never seen.")}\n`);
} catch (error) {
  status = 1;
  line(
    `\n${red("✗")} ${bold("The demo failed:")} ${error instanceof Error ? error.message : error}\n`,
  );
} finally {
  await stage.clear();
}
process.exit(status);
