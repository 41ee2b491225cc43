/** What an operator may set about the daemon: one sealed document, read again whenever it changes. */

import { createHash, X509Certificate } from "node:crypto";
import type { InternalService } from "@aivault/broker";
import { formatInternalHost, parseInternalHost } from "@aivault/policy";
import type { JsonValue, Vault } from "@aivault/vault-core";
import * as z from "zod";

const KIND = "settings";
const ID = "daemon";

const HOUR_MS = 60 * 60 * 1000;

const INTERNAL_MAX = 64;
const CA_CHARS_MAX = 32_768;

/** Canonical, so that one service cannot be there twice. G5: exactly one host and one port. */
const service = z
  .string()
  .max(300)
  .check(({ value, issues }) => {
    const read = parseInternalHost(value);
    if (!read.ok) issues.push({ code: "custom", message: read.message, input: value });
  })
  .overwrite((text) => {
    const read = parseInternalHost(text);
    return read.ok ? formatInternalHost(read.value) : text;
  });

const internalService = z.strictObject({
  service,
  ca: z.nullable(z.string().max(CA_CHARS_MAX).refine(isCertificates, "is not PEM certificates")),
});

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
  /** Internal services that may be reached, and whose certificates they have. */
  allowedInternal: z
    .array(internalService)
    .max(INTERNAL_MAX)
    .refine(isWithoutRepetition, "names a service twice"),
});

/** What is in the document; how durable the audit log is, the vault itself keeps. */
const documentSchema = settingsSchema.omit({ auditDurability: true }).extend({
  /** Documents of earlier versions have none. */
  allowedInternal: settingsSchema.shape.allowedInternal.default([]),
});

export type DaemonSettings = Readonly<z.output<typeof settingsSchema>>;

/** Body of `PATCH /aivault/settings`. */
export const settingsChange = z
  .strictObject({
    requireToken: settingsSchema.shape.requireToken.exactOptional(),
    lockAfterIdleMs: settingsSchema.shape.lockAfterIdleMs.exactOptional(),
    tokenTtlMsMax: settingsSchema.shape.tokenTtlMsMax.exactOptional(),
    auditRetentionDays: settingsSchema.shape.auditRetentionDays.exactOptional(),
    auditDurability: settingsSchema.shape.auditDurability.exactOptional(),
    allowedInternal: settingsSchema.shape.allowedInternal.exactOptional(),
  })
  .refine((change) => Object.keys(change).length > 0, "names nothing to change");

export const DEFAULT_SETTINGS: DaemonSettings = {
  requireToken: false,
  lockAfterIdleMs: null,
  tokenTtlMsMax: 24 * HOUR_MS,
  auditRetentionDays: null,
  auditDurability: "group",
  allowedInternal: [],
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
  await vault.audit.append({ kind: "settings.changed", settings: recorded(changed) });
  const { auditDurability, ...document } = changed;
  await vault.setAuditDurability(auditDurability === "disk" ? "disk" : "written");
  await vault.transaction((tx) => tx.putDocument(KIND, ID, document));
  return changed;
}

/** The internal services as the broker takes them. */
export function internalServices({ allowedInternal }: DaemonSettings): readonly InternalService[] {
  return allowedInternal.map((entry) => {
    const read = parseInternalHost(entry.service);
    if (!read.ok) throw new TypeError(read.message);
    return entry.ca === null ? read.value : { ...read.value, ca: entry.ca };
  });
}

/** The settings as the audit log has them: of certificates, what tells them apart. */
function recorded({ allowedInternal, ...settings }: DaemonSettings): JsonValue {
  return {
    ...settings,
    allowedInternal: allowedInternal.map(({ service, ca }) => ({
      service,
      caSha256: ca === null ? null : createHash("sha256").update(ca).digest("hex"),
    })),
  };
}

/** One certificate or more in PEM, and nothing else: no key that was pasted along with them. */
function isCertificates(pem: string): boolean {
  const certificate = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;
  const found = pem.match(certificate) ?? [];
  if (found.length === 0 || pem.replaceAll(certificate, "").includes("-----")) return false;
  try {
    for (const one of found) new X509Certificate(one);
    return true;
  } catch {
    return false;
  }
}

function isWithoutRepetition(services: readonly { readonly service: string }[]): boolean {
  return new Set(services.map(({ service }) => service)).size === services.length;
}
