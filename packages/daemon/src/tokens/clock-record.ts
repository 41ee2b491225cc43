/** That the wall clock was put back, in the vault: for whoever opens it next. */

import type { Vault } from "@aivault/vault-core";
import * as z from "zod";
import { type PutBack, timeAfter } from "./token-clock.ts";

const KIND = "state";
const ID = "clock";

const schema = z.strictObject({
  nowMs: z.number().int().nonnegative(),
  wallMs: z.number().int().nonnegative(),
});

/** No earlier than what time it is, as far as is on record; 0 where nothing is. */
export async function readClock(vault: Vault, wallNowMs: number): Promise<number> {
  const document = await vault.getDocument(KIND, ID);
  const result = schema.safeParse(document?.value);
  return result.success ? timeAfter(result.data, wallNowMs) : 0;
}

/**
 * @param onWritten - The vault's revisions around a write that changed nothing else.
 * @throws {VaultError} It could not be written.
 */
export async function writeClock(
  vault: Vault,
  { nowMs, wallMs }: PutBack,
  onWritten: (before: number, after: number) => void,
): Promise<void> {
  const before = vault.status().revision;
  await vault.transaction((tx) => tx.putDocument(KIND, ID, { nowMs, wallMs }));
  onWritten(before, vault.status().revision);
}
