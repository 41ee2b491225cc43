import { wantsJson } from "../args.ts";
import type { Context } from "../context.ts";
import { useSecretInput } from "../secret-input.ts";
import { vaultShape } from "../shapes.ts";

/** Have the daemon forget the vault's key. */
export async function runLock(context: Context): Promise<void> {
  const operator = await context.session.operator();
  await operator.lock();
  await report(context, "locked");
}

/** Have the daemon obtain the vault's key: from where it comes, or from the passphrase we ask for. */
export async function runUnlock(context: Context): Promise<void> {
  const operator = await context.session.operator();
  const { vault } = await operator.status();
  if (vault.locked && vault.keyProvider.kind === "passphrase") {
    const kind = { flag: "passphrase" } as const;
    await useSecretInput(context, "passphrase (not shown):", kind, (passphrase) =>
      operator.unlock(passphrase),
    );
  } else await operator.unlock();
  await report(context, "unlocked");
}

async function report({ args, out, session }: Context, word: string): Promise<void> {
  const { vault } = await (await session.operator()).status();
  if (wantsJson(args) || !out.isTerminal) out.json(vaultShape(vault));
  else out.answer(word);
}
