/** What an operator may set about the daemon: one sealed document, read again whenever it changes. */

import type { JsonValue, Vault } from "@aivault/vault-core";
import * as z from "zod";

const KIND = "settings";
const ID = "daemon";

const HOUR_MS = 60 * 60 * 1000;

export const settingsSchema = z.strictObject({
  /** Callers on unix sockets need a token too. On TCP they always do. */
  requireToken: z.boolean(),
  /** Lock the vault after this long without an invocation or a change; null for never. */
  lockAfterIdleMs: z.nullable(
    z
      .number()
      .int()
      .min(1_000)
      .max(365 * 24 * HOUR_MS),
  ),
  /** The longest life a token can be minted with. */
  tokenTtlMsMax: z
    .number()
    .int()
    .min(1_000)
    .max(365 * 24 * HOUR_MS),
  /** Days for which the audit log is kept; null for ever. */
  auditRetentionDays: z.nullable(z.number().int().min(1).max(36_500)),
  /** `group`: an audit entry is on disk within 50 ms. `disk`: before what it records is released. */
  auditDurability: z.enum(["group", "disk"]),
});

/** What is in the document; how durable the audit log is, the vault itself keeps. */
const documentSchema = settingsSchema.omit({ auditDurability: true });

export type DaemonSettings = Readonly<z.output<typeof settingsSchema>>;

/** Body of `PATCH /aivault/settings`. */
export const settingsChange = z
  .strictObject({
    requireToken: settingsSchema.shape.requireToken.exactOptional(),
    lockAfterIdleMs: settingsSchema.shape.lockAfterIdleMs.exactOptional(),
    tokenTtlMsMax: settingsSchema.shape.tokenTtlMsMax.exactOptional(),
    auditRetentionDays: settingsSchema.shape.auditRetentionDays.exactOptional(),
    auditDurability: settingsSchema.shape.auditDurability.exactOptional(),
  })
  .refine((change) => Object.keys(change).length > 0, "names nothing to change");

export const DEFAULT_SETTINGS: DaemonSettings = {
  requireToken: false,
  lockAfterIdleMs: null,
  tokenTtlMsMax: 24 * HOUR_MS,
  auditRetentionDays: null,
  auditDurability: "group",
};

/**
 * Read the settings of an unlocked vault.
 *
 * Settings this version does not understand are read as the strictest ones: a newer daemon may have
 * tightened something that we cannot see.
 */
export async function readSettings(vault: Vault): Promise<DaemonSettings> {
  const auditDurability = vault.auditDurability === "disk" ? "disk" : "group";
  const document = await vault.getDocument(KIND, ID);
  if (document === null) return { ...DEFAULT_SETTINGS, auditDurability };
  const result = documentSchema.safeParse(document.value);
  const settings = result.success ? result.data : { ...DEFAULT_SETTINGS, requireToken: true };
  return { ...settings, auditDurability };
}

/** Change some settings. Recorded first: what cannot be recorded is not changed. */
export async function changeSettings(
  vault: Vault,
  change: Partial<DaemonSettings>,
): Promise<DaemonSettings> {
  const changed = { ...(await readSettings(vault)), ...change };
  await vault.audit.append({ kind: "settings.changed", settings: changed satisfies JsonValue });
  const { auditDurability, ...document } = changed;
  await vault.setAuditDurability(auditDurability === "disk" ? "disk" : "written");
  await vault.transaction((tx) => tx.putDocument(KIND, ID, document));
  return changed;
}
