import { isAivaultError, type WireStatus } from "@aivault/client";
import { wantsJson } from "../args.ts";
import type { Context } from "../context.ts";
import { CliError } from "../errors.ts";
import { EXIT } from "../exit-status.ts";
import { pathsShape, statusShape } from "../shapes.ts";

/** Say how the vault is. Changes nothing, and makes no vault. */
export async function runStatus(context: Context): Promise<number> {
  const { args, out, session } = context;
  const status = await readStatus(context);
  if (status === null) {
    const { root, socket, operatorSocket } = session.location;
    if (wantsJson(args)) {
      out.json({
        status: { enabled: false, providerType: null, locked: null },
        paths: pathsShape(root, { socket, operatorSocket }),
      });
      return EXIT.done;
    }
    section(context, "Vault", [["Status", "not initialized"]]);
    section(context, "Paths", [["Root", root]]);
    out.note("`aivault init` makes a vault; so does the first `aivault secrets create`");
    return EXIT.done;
  }
  if (wantsJson(args)) {
    out.json(statusShape(status));
    return EXIT.done;
  }
  printStatus(context, status);
  return EXIT.done;
}

async function readStatus({ session }: Context): Promise<WireStatus | null> {
  try {
    return await (await session.operator()).status();
  } catch (error) {
    if (error instanceof CliError && error.code === "CLI_VAULT_MISSING") return null;
    if (!isAivaultError(error) || error.code !== "CLIENT_DAEMON_UNREACHABLE") throw error;
    if (await session.hasVault()) throw error;
    return null;
  }
}

function printStatus(context: Context, status: WireStatus): void {
  const { vault, paths, version, pid, allowedInternal } = status;
  const { out } = context;
  const { red, green } = out.colors;
  section(context, "Vault", [
    ["Status", vault.locked ? red("locked") : green("unlocked")],
    ["Key from", keyProviderText(vault.keyProvider)],
    ["Vault id", vault.vaultId],
    ...(vault.dev ? [["Kind", "development: not for real keys"] as const] : []),
  ]);
  section(context, "Daemon", [
    ["Version", version],
    ["Process", String(pid)],
    ["Socket", paths.socket],
    ...(allowedInternal?.length ? [["Internal", allowedInternal.join(", ")] as const] : []),
  ]);
  section(context, "Paths", [["Root", paths.root]]);
  if (vault.locked) out.note("`aivault unlock` opens it again");
  for (const { kind, id, problem } of status.setAside ?? []) {
    out.warn(`the ${kind} ${id} is not used: ${problem}`);
  }
  if (vault.quarantined.length > 0) {
    out.warn(`set aside because they do not authenticate: ${vault.quarantined.join(", ")}`);
  }
}

function keyProviderText({ kind, ...members }: WireStatus["vault"]["keyProvider"]): string {
  const where = members["path"] ?? members["variable"];
  return typeof where === "string" ? `${kind} (${where})` : kind;
}

/** A titled list of names and values, aligned. */
export function section(
  { out }: Context,
  title: string,
  rows: readonly (readonly [string, string])[],
): void {
  const width = Math.max(...rows.map(([name]) => name.length));
  out.answer(out.colors.bold(title));
  for (const [name, value] of rows) out.answer(`  ${name.padEnd(width)}  ${value}`);
}
