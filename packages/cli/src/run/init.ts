import { resolve } from "node:path";
import type { WireStatus } from "@aivault/client";
import type { KeyProviderChoice } from "@aivault/daemon";
import { isOn, text, wantsJson } from "../args.ts";
import type { Context } from "../context.ts";
import { CliError, usageError } from "../errors.ts";
import type { Environment } from "../output.ts";
import { useSecretInput } from "../secret-input.ts";
import { vaultShape } from "../shapes.ts";

/** Make a vault, in this process: nothing may have opened one before (W-B1). */
export async function runInit(context: Context): Promise<void> {
  const { args, out, session } = context;
  const choice = choiceOf(context);
  const { root } = session.location;
  if (await session.hasVault()) {
    throw new CliError(
      "CLI_VAULT_EXISTS",
      `there is a vault at ${root} already; nothing was changed`,
      "`aivault status` says how it is; AIVAULT_DIR names another place",
    );
  }
  for (const ignored of ["keychain-service", "keychain-account"]) {
    if (text(args, ignored) !== undefined) out.warn(`--${ignored} is ignored`);
  }
  const vault = await make(context, choice);
  if (vault.dev) out.warn("this is a development vault: keep real keys out of it");
  if (wantsJson(args) || !out.isTerminal) {
    out.json(vaultShape(vault));
    return;
  }
  out.answer(`made a vault at ${root}`);
  out.note("next: `aivault secrets create OPENAI_API_KEY`");
}

async function make(context: Context, choice: Choice): Promise<WireStatus["vault"]> {
  const { args, env } = context;
  const { initVault, resolvePaths } = await import("@aivault/daemon");
  const paths = resolvePaths(env, process.platform);
  const init = (keyProvider: KeyProviderChoice) =>
    initVault({ paths, keyProvider, dev: isOn(args, "dev"), env });
  if (choice.kind !== "passphrase") return await init(choice);
  const kind = { flag: "passphrase", twice: true } as const;
  return await useSecretInput(context, "new passphrase (not shown):", kind, (passphrase) =>
    init({ kind: "passphrase", passphrase }),
  );
}

/** The vault that the first stored secret makes: its key in a file, 0600, beside nothing else. */
export async function initDefaultVault(env: Environment): Promise<void> {
  const { initVault, resolvePaths } = await import("@aivault/daemon");
  const paths = resolvePaths(env, process.platform);
  await initVault({ paths, keyProvider: { kind: "file" }, dev: false, env });
}

type Choice = Exclude<KeyProviderChoice, { kind: "passphrase" }> | { readonly kind: "passphrase" };

// Which flags go with which provider; a flag of another provider is a mistake, not a no-op.
const PROVIDER_FLAGS: Readonly<Record<string, readonly string[]>> = {
  file: ["file-path"],
  env: ["env-var"],
  passphrase: ["passphrase", "passphrase-file", "passphrase-stdin"],
};

function choiceOf({ args }: Context): Choice {
  const given = Object.entries(PROVIDER_FLAGS).flatMap(([kind, flags]) =>
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
      return { kind: provider as Exclude<Choice["kind"], "file" | "env"> };
  }
}
