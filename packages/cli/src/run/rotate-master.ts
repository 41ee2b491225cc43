import { resolve } from "node:path";
import type { WireKeyProviderChoice } from "@aivault/client";
import type { NewMasterKey } from "@aivault/client/operator";
import { text, wantsJson } from "../args.ts";
import { confirmed } from "../confirm.ts";
import type { Context } from "../context.ts";
import { usageError } from "../errors.ts";
import { withProgress } from "../progress.ts";
import { namesSecretInput, type SecretKind, useSecretInput } from "../secret-input.ts";
import { vaultShape } from "../shapes.ts";
import { counted } from "../table.ts";

const PASSPHRASE: SecretKind = { flag: "new-passphrase", what: "passphrase", twice: true };
const KEY: SecretKind = { flag: "new-key", what: "key" };

/** Have the daemon lock everything with a new key. */
export async function runRotateMaster(context: Context): Promise<void> {
  const { session, out } = context;
  const operator = await session.operator();
  const { vault } = await operator.status();
  const chosen = chosenProvider(context);
  const kind = chosen?.kind ?? vault.keyProvider.kind;
  refuseStrayFlags(context, kind);
  if (kind !== "env" && namesSecretInput(context, KEY)) {
    out.warn("--new-key is ignored: the daemon makes the new key itself");
  }
  const options = chosen === null ? {} : { to: chosen };
  await withNewKey(context, kind, async (key) => {
    const rotated = await confirmed(context, (confirmable) =>
      withProgress(out, "locking everything with the new key", () =>
        operator.rotateMaster(options, { ...key, ...confirmable }),
      ),
    );
    await report(context, rotated);
  });
}

/** Obtain what the new provider cannot make itself, lend it to `use`, and wipe it. */
async function withNewKey(
  context: Context,
  kind: string,
  use: (key: NewMasterKey) => Promise<void>,
): Promise<void> {
  if (kind === "passphrase") {
    const question = "new passphrase (not shown):";
    return await useSecretInput(context, question, PASSPHRASE, (passphrase) => use({ passphrase }));
  }
  if (kind === "env") {
    const question = "new key, 32 bytes in base64 (not shown):";
    return await useSecretInput(context, question, KEY, (key) => use({ key }));
  }
  return await use({});
}

/** Where the flags say that the key is to be; null for where it is. */
function chosenProvider({ args }: Context): WireKeyProviderChoice | null {
  const path = text(args, "file-path");
  const variable = text(args, "env-var");
  // As older scripts say it: a new passphrase makes any vault a passphrase vault.
  const implied =
    path !== undefined
      ? "file"
      : variable !== undefined
        ? "env"
        : Object.keys(args.flags).some((name) => name.startsWith("new-passphrase"))
          ? "passphrase"
          : undefined;
  const kind = text(args, "to-provider") ?? implied;
  switch (kind) {
    case undefined:
      return null;
    case "file":
      return { kind, ...(path === undefined ? {} : { path: resolve(path) }) };
    case "env":
      return { kind, ...(variable === undefined ? {} : { variable }) };
    default:
      return { kind: kind as Exclude<WireKeyProviderChoice["kind"], "file" | "env"> };
  }
}

// Which flags go with which provider; a flag of another provider is a mistake, not a no-op.
function refuseStrayFlags({ args }: Context, kind: string): void {
  const owners = { "file-path": "file", "env-var": "env" };
  for (const [flag, owner] of Object.entries(owners)) {
    if (args.flags[flag] !== undefined && kind !== owner) {
      throw usageError(`--${flag} goes with --to-provider ${owner}`);
    }
  }
  const passphrase = Object.keys(args.flags).find((name) => name.startsWith("new-passphrase"));
  if (passphrase !== undefined && kind !== "passphrase") {
    throw usageError(`--${passphrase} goes with --to-provider passphrase`);
  }
}

async function report(
  { args, out, session }: Context,
  rotated: Awaited<ReturnType<Awaited<ReturnType<Context["session"]["operator"]>>["rotateMaster"]>>,
): Promise<void> {
  const { vault } = await (await session.operator()).status();
  if (wantsJson(args) || !out.isTerminal) out.json({ ...vaultShape(vault), rotation: rotated });
  else {
    out.answer(
      `${counted(rotated.rewrapped, "record")} locked with the new key; it comes from ${rotated.keyProvider.kind}`,
    );
  }
  if (rotated.skipped > 0) {
    out.warn(`${counted(rotated.skipped, "record")} could not be opened and was left as it is`);
  }
  if (rotated.next !== null) out.note(`next: ${rotated.next}`);
}
