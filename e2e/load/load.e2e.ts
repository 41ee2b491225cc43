// Short forms of the scripts beside this file: what the daemon survives, on the built code. docs/faults.md
import { describe, it } from "vitest";
import { expectNothingBad, PATIENCE } from "../faults/run-script.ts";

const SCRIPTS = [
  ["answers a crowd, each with its own answer", "crowd.mjs", "--connections", "300"],
  ["is not held up by who is slow", "slow.mjs", "--connections", "100", "--readers", "5"],
  ["G10: refuses a body that is too large, soon", "large.mjs", "--mib", "64"],
  ["G18: records what was broken off, at either end", "broken.mjs", "--repeats", "10"],
  ["keeps serving with little of everything", "scarce.mjs", "--burst", "300"],
  ["G20: loses nothing acknowledged when it is killed", "kill.mjs", "--seconds", "5"],
  ["G12: lets nothing live again when the clock is put back", "clock.mjs", "--jumps", "2"],
  ["takes no broken answer for a whole one, and no impostor", "upstream.mjs", "--repeats", "2"],
  ["lets nothing old pass once a change is acknowledged", "change.mjs", "--rounds", "10"],
  ["goes on where it was stopped", "suspend.mjs", "--seconds", "2"],
  ["works on and on", "soak.mjs", "--minutes", "0.1", "--rate", "20", "--fault-every", "1"],
] as const;

describe("under load the daemon", () => {
  for (const [title, script, ...args] of SCRIPTS) {
    it(title, PATIENCE, (context) => expectNothingBad(context, `../load/${script}`, args));
  }
});
