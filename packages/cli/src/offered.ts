/**
 * What can be said without a vault: the registry comes with the program. Whoever only looks around is
 * answered, and no vault is made for it.
 */
import { isAivaultError, type WireCapability, type WireProvider } from "@aivault/client";
import type { Context } from "./context.ts";
import { CliError } from "./errors.ts";

/** Whether `error` says only that there is no vault here yet, and no daemon of somebody else's either. */
export async function isNoVaultYet({ env, session }: Context, error: unknown): Promise<boolean> {
  const isMissing =
    (error instanceof CliError && error.code === "CLI_VAULT_MISSING") ||
    (isAivaultError(error) && error.code === "CLIENT_DAEMON_UNREACHABLE");
  const namesOther = ["AIVAULTD_SOCKET", "AIVAULTD_SHARED_SOCKET"].some((name) => env[name]);
  return isMissing && !namesOther && !(await session.hasVault());
}

/** The capabilities of the registry, none of them ready. */
export async function offeredCapabilities(context: Context): Promise<readonly WireCapability[]> {
  sayThatThereIsNone(context);
  return (await import("@aivault/daemon")).offeredCapabilities();
}

/** The providers of the registry. */
export async function offeredProviders(context: Context): Promise<readonly WireProvider[]> {
  sayThatThereIsNone(context);
  return (await import("@aivault/daemon")).offeredProviders();
}

function sayThatThereIsNone({ out, session }: Context): void {
  out.note(`there is no vault at ${session.location.root} yet; this is what the registry offers`);
}
