/**
 * The process that asks the system for names: `{host}` in, `{host, addresses, code}` out. It has no secrets
 * and opens nothing. It ends with the daemon, whatever that died of.
 */

import { lookup } from "node:dns";
import type { Answer, Question } from "./name-process.ts";

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"] as const) {
  process.on(signal, () => undefined);
}
// An orderly end would wait for the look-ups that hang.
process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));
process.on("message", ({ host }: Question) => {
  lookup(host, { all: true }, (error, found = []) => {
    const answer: Answer = {
      host,
      addresses: found.map(({ address }) => address),
      code: error?.code ?? null,
    };
    if (process.connected) process.send?.(answer);
  });
});
