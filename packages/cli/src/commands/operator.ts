import { type Command, JSON_FLAGS } from "../command.ts";
import { YES_FLAG } from "../confirm.ts";
import { secretFlags } from "./secret-flags.ts";

const CURRENT_FLAGS = secretFlags("current-passphrase", "operator passphrase there is now");

export const operatorCommands: readonly Command[] = [
  {
    words: ["operator", "set"],
    summary: "set or change the operator passphrase",
    details: [
      "Once there is one, everything that changes secrets, credentials, capabilities, tokens or settings needs `operator login` first: code that merely runs under your account cannot do it. Invoking needs none.",
    ],
    flags: [
      ...secretFlags("new-passphrase", "new operator passphrase"),
      ...CURRENT_FLAGS,
      ...JSON_FLAGS,
    ],
    load: async () => (await import("../run/operator.ts")).runSet,
  },
  {
    words: ["operator", "remove"],
    summary: "remove the operator passphrase",
    flags: [...CURRENT_FLAGS, YES_FLAG, ...JSON_FLAGS],
    load: async () => (await import("../run/operator.ts")).runRemove,
  },
  {
    words: ["operator", "login"],
    summary: "say the operator passphrase; operator commands work for five minutes",
    flags: [...secretFlags("passphrase", "operator passphrase"), ...JSON_FLAGS],
    load: async () => (await import("../run/operator.ts")).runLogin,
  },
  {
    words: ["operator", "logout"],
    summary: "end the operator session now",
    flags: JSON_FLAGS,
    load: async () => (await import("../run/operator.ts")).runLogout,
  },
];
