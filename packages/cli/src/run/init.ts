import type { WireStatus } from "@aivault/client";
import type { KeyProviderChoice } from "@aivault/daemon";
import { isOn, text, wantsJson } from "../args.ts";
import type { Context } from "../context.ts";
import { CliError } from "../errors.ts";
import { keyProviderChoice, type ProviderChoice } from "../key-provider-flags.ts";
import type { Environment } from "../output.ts";
import { useSecretInput } from "../secret-input.ts";
import { vaultShape } from "../shapes.ts";

/** Make a vault, in this process: nothing may have opened one before (W-B1). */
export async function runInit(context: Context): Promise<void> {
  const { args, out, session } = context;
  const flagged = keyProviderChoice(context.args, "passphrase");
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
  const { askKeyProvider, guideOn, wantsGuide } = await import("./guide.ts");
  const guided = wantsGuide(context);
  const vault = await make(context, guided ? await askKeyProvider() : flagged);
  if (vault.dev) out.warn("this is a development vault: keep real keys out of it");
  if (wantsJson(args) || !out.isTerminal) {
    out.json(vaultShape(vault));
    return;
  }
  out.answer(`made a vault at ${root}`);
  if (guided) await guideOn(context);
  else out.note("next: `aivault secrets create OPENAI_API_KEY`");
}

async function make(context: Context, choice: ProviderChoice): Promise<WireStatus["vault"]> {
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
