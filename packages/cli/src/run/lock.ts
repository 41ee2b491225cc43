import { wantsJson } from "../args.ts";
import type { Context } from "../context.ts";
import { vaultShape } from "../shapes.ts";

/** Have the daemon forget the vault's key. */
export async function runLock(context: Context): Promise<void> {
  const operator = await context.session.operator();
  await operator.lock();
  await report(context, "locked");
}

/** Have the daemon obtain the vault's key from where it comes from. */
export async function runUnlock(context: Context): Promise<void> {
  const operator = await context.session.operator();
  await operator.unlock();
  await report(context, "unlocked");
}

async function report({ args, out, session }: Context, word: string): Promise<void> {
  const { vault } = await (await session.operator()).status();
  if (wantsJson(args) || !out.isTerminal) out.json(vaultShape(vault));
  else out.answer(word);
}
