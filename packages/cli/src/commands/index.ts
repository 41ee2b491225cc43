/**
 * Every command, in the order that help shows them.
 */
import type { Command } from "../command.ts";
import { capabilityCommands } from "./capability.ts";
import { credentialCommands } from "./credential.ts";
import { daemonCommands } from "./daemon.ts";
import { invokeCommands } from "./invoke.ts";
import { oauthCommands } from "./oauth.ts";
import { operatorCommands } from "./operator.ts";
import { providerCommands } from "./provider.ts";
import { secretCommands } from "./secrets.ts";
import { setupCommands } from "./setup.ts";
import { shellCommands } from "./shell.ts";
import { tokenCommands } from "./token.ts";
import { vaultCommands } from "./vault.ts";

/** Commands under one heading of the help. */
export interface CommandGroup {
  readonly title: string;
  readonly commands: readonly Command[];
}

export const COMMAND_GROUPS: readonly CommandGroup[] = [
  { title: "Use", commands: invokeCommands },
  { title: "Secrets", commands: secretCommands },
  { title: "Credentials", commands: credentialCommands },
  { title: "Capabilities", commands: capabilityCommands },
  { title: "Providers", commands: [...providerCommands, ...oauthCommands] },
  { title: "Tokens", commands: tokenCommands },
  { title: "Vault", commands: vaultCommands },
  { title: "Operator", commands: operatorCommands },
  { title: "Daemon", commands: daemonCommands },
  { title: "Set-up", commands: setupCommands },
  { title: "Help", commands: shellCommands },
];

export const COMMANDS: readonly Command[] = COMMAND_GROUPS.flatMap(({ commands }) => commands);

/** What a command line names: a command and where its words end, or as much as could be made of it. */
export type Found =
  | { readonly kind: "command"; readonly command: Command; readonly words: number }
  /** One or more words without their verb, such as `secrets` or `capability policy`. */
  | {
      readonly kind: "noun";
      readonly noun: readonly string[];
      readonly word: string | undefined;
    }
  | { readonly kind: "unknown"; readonly word: string };

/** Find the command whose words, or whose alias, `argv` begins with; the longest wins. */
export function findCommand(argv: readonly string[]): Found {
  let best: { command: Command; words: number } | undefined;
  for (const command of COMMANDS) {
    for (const words of [command.words, ...(command.aliases ?? [])]) {
      const matches = words.every((word, index) => argv[index] === word);
      if (matches && words.length > (best?.words ?? 0)) best = { command, words: words.length };
    }
  }
  if (best !== undefined) return { kind: "command", ...best };
  const beginsWith = (noun: readonly string[]) =>
    COMMANDS.some(({ words }) => noun.every((word, index) => words[index] === word));
  let length = 0;
  while (length < argv.length && beginsWith(argv.slice(0, length + 1))) length += 1;
  return length === 0
    ? { kind: "unknown", word: argv[0] ?? "" }
    : { kind: "noun", noun: argv.slice(0, length), word: argv[length] };
}
