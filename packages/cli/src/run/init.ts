import type { KeyProviderChoice } from "@aivault/daemon";
import { isOn, text, wantsJson } from "../args.ts";
import type { Context } from "../context.ts";
import { CliError, usageError } from "../errors.ts";
import type { Environment } from "../output.ts";
import { vaultShape } from "../shapes.ts";

/** Make a vault, in this process: nothing may have opened one before (W-B1). */
export async function runInit(context: Context): Promise<void> {
  const { args, out, session, env } = context;
  const keyProvider = choiceOf(context);
  const { root } = session.location;
  if (await session.hasVault()) {
    throw new CliError(
      "CLI_VAULT_EXISTS",
      `there is a vault at ${root} already; nothing was changed`,
      "`aivault status` says how it is; AIVAULT_DIR names another place",
    );
  }
  const { initVault, resolvePaths } = await import("@aivault/daemon");
  const paths = resolvePaths(env, process.platform);
  const vault = await initVault({ paths, keyProvider, dev: isOn(args, "dev"), env });
  if (vault.dev) out.warn("this is a development vault: keep real keys out of it");
  if (wantsJson(args) || !out.isTerminal) {
    out.json(vaultShape(vault));
    return;
  }
  out.answer(`made a vault at ${root}`);
  out.note("next: `aivault secrets create OPENAI_API_KEY`");
}

/** The vault that the first stored secret makes: its key in a file, 0600, beside nothing else. */
export async function initDefaultVault(env: Environment): Promise<void> {
  const { initVault, resolvePaths } = await import("@aivault/daemon");
  const paths = resolvePaths(env, process.platform);
  await initVault({ paths, keyProvider: { kind: "file" }, dev: false, env });
}

function choiceOf({ args }: Context): KeyProviderChoice {
  const path = text(args, "file-path");
  const variable = text(args, "env-var");
  const provider = text(args, "provider") ?? (variable === undefined ? "file" : "env");
  if (path !== undefined && provider !== "file")
    throw usageError("--file-path goes with --provider file");
  if (variable !== undefined && provider !== "env")
    throw usageError("--env-var goes with --provider env");
  switch (provider) {
    case "file":
      return { kind: "file", ...(path === undefined ? {} : { path }) };
    case "env":
      return { kind: "env", ...(variable === undefined ? {} : { variable }) };
    default:
      throw new CliError(
        "CLI_NOT_AVAILABLE",
        `this version cannot take the vault's key from ${provider}`,
        "--provider file and --provider env work",
      );
  }
}
