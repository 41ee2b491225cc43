import { type Command, JSON_FLAGS } from "../command.ts";

export const daemonCommands: readonly Command[] = [
  {
    words: ["restart"],
    summary: "end the daemon, letting running calls finish, and start it again",
    flags: JSON_FLAGS,
    load: async () => (await import("../run/daemon.ts")).runRestart,
  },
  {
    words: ["stop"],
    summary: "end the daemon, letting running calls finish",
    flags: JSON_FLAGS,
    load: async () => (await import("../run/daemon.ts")).runStop,
  },
];
