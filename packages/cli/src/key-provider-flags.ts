/** `--provider`, `--file-path` and `--env-var` to where a vault's key is to come from. */
import { resolve } from "node:path";
import type { KeyProviderChoice } from "@aivault/daemon";
import { type ParsedArgs, text } from "./args.ts";
import { usageError } from "./errors.ts";

/** A choice whose passphrase, if it is that, is still to be asked for. */
export type ProviderChoice =
  | Exclude<KeyProviderChoice, { kind: "passphrase" }>
  | { readonly kind: "passphrase" };

/**
 * The choice that the flags make; a key file when they make none.
 *
 * @param passphraseFlag - Which flag has the passphrase of the vault to be.
 * @throws {CliError} `CLI_USAGE`: a flag of another provider, which is a mistake and not a no-op.
 */
export function keyProviderChoice(args: ParsedArgs, passphraseFlag: string): ProviderChoice {
  const flagsOf = {
    file: ["file-path"],
    env: ["env-var"],
    passphrase: [passphraseFlag, `${passphraseFlag}-file`, `${passphraseFlag}-stdin`],
  };
  const given = Object.entries(flagsOf).flatMap(([kind, flags]) =>
    flags.filter((flag) => args.flags[flag] !== undefined).map((flag) => ({ kind, flag })),
  );
  const provider = text(args, "provider") ?? given[0]?.kind ?? "file";
  const stray = given.find(({ kind }) => kind !== provider);
  if (stray !== undefined) throw usageError(`--${stray.flag} goes with --provider ${stray.kind}`);
  const path = text(args, "file-path");
  const variable = text(args, "env-var");
  switch (provider) {
    case "file":
      return { kind: "file", ...(path === undefined ? {} : { path: resolve(path) }) };
    case "env":
      return { kind: "env", ...(variable === undefined ? {} : { variable }) };
    default:
      return { kind: provider as Exclude<ProviderChoice["kind"], "file" | "env"> };
  }
}
