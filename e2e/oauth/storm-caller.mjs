// @ts-check
// One of many callers: calls the same capability until it is killed, and writes a line for each outcome.
import { setTimeout as wait } from "node:timers/promises";
import { createClient, isAivaultError } from "@aivault/client";

const client = createClient();
const pauseMs = Number(process.argv[2]);
for (;;) {
  try {
    const { status } = await client.invoke("spotify/me-read", { method: "GET", path: "/v1/me" });
    process.stdout.write(`status ${status}\n`);
  } catch (error) {
    process.stdout.write(`${isAivaultError(error) ? error.code : String(error)}\n`);
  }
  await wait(Math.random() * pauseMs * 2);
}
