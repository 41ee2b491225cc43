import { open, seal } from "./aead.ts";
import {
  decodeBase64,
  decodeUtf8,
  encodeBase64,
  encodeHex,
  encodeUtf8,
  equalBytes,
  type RandomBytes,
  wipe,
} from "./bytes.ts";
import { VaultError } from "./errors.ts";
import {
  canonicalJson,
  decodeJsonFile,
  encodeJsonFile,
  isJsonObject,
  type JsonValue,
} from "./json.ts";
import type { KeyProviderConfig } from "./key-provider.ts";
import { KeyRing } from "./key-ring.ts";
import { FORMAT_VERSION, LABELS } from "./labels.ts";
import { deriveKey, Mac } from "./mac.ts";

// vault.json: which vault this is and which KEK opens it. All of it is public; all of it is
// authenticated once the KEK is there.

/** The store key of the vault's own description. */
export const VAULT_FILE = "vault.json";

/** The key ring, wrapped under one KEK. A vault has one slot, two while a change is unconfirmed. */
export interface KeySlot {
  /** 16 random bytes, hexadecimal. */
  readonly kekId: string;
  readonly provider: KeyProviderConfig;
  /** Base64 of HMAC(KEK, …): refuses a wrong key before anything else happens (W-B14). */
  readonly check: string;
  /** Base64 of the sealed key ring. */
  readonly ring: string;
  readonly createdAtMs: number;
}

/** The content of vault.json. */
export interface VaultFile {
  readonly format: "aivault";
  readonly version: 1;
  /** 16 random bytes, hexadecimal. */
  readonly vaultId: string;
  /** A development vault, from its creation on (G24). */
  readonly dev: boolean;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  /** Base64 of the Ed25519 key that checks audit checkpoints. */
  readonly auditPublicKey: string;
  /** The preferred slot first. */
  readonly slots: readonly KeySlot[];
  /** Base64 of HMAC over everything else. */
  readonly mac: string;
}

function tampered(problem: string): VaultError {
  return new VaultError(
    "VAULT_TAMPERED",
    `\`${VAULT_FILE}\` ${problem}; restore it from a backup`,
    { subject: VAULT_FILE },
  );
}

/**
 * Reads vault.json, which is not yet authenticated: only a key can do that.
 *
 * @throws {VaultError} `VAULT_LEGACY_FORMAT`, `VAULT_FORMAT_UNSUPPORTED`, `VAULT_TAMPERED`.
 */
export function parseVaultFile(bytes: Uint8Array): VaultFile {
  const value = decodeJsonFile(bytes);
  if (!isJsonObject(value)) {
    if (looksLegacy(bytes)) {
      throw new VaultError(
        "VAULT_LEGACY_FORMAT",
        "this vault was written by an earlier aivault and cannot be opened by this one; store its secrets anew in another vault",
        { subject: VAULT_FILE },
      );
    }
    throw tampered("is damaged or truncated");
  }
  if (value["format"] !== "aivault") throw tampered("does not describe an aivault vault");
  if (value["version"] !== FORMAT_VERSION) {
    throw new VaultError(
      "VAULT_FORMAT_UNSUPPORTED",
      `the vault has format version ${JSON.stringify(value["version"])}, this program reads version ${FORMAT_VERSION}; use a newer aivault`,
      { subject: VAULT_FILE },
    );
  }
  if (!isVaultFile(value)) throw tampered("has missing or malformed members");
  return value as unknown as VaultFile;
}

function isVaultFile(value: { readonly [key: string]: JsonValue }): boolean {
  const slots = value["slots"];
  return (
    hasExactly(value, VAULT_MEMBERS) &&
    isHex16(value["vaultId"]) &&
    typeof value["dev"] === "boolean" &&
    isTime(value["createdAtMs"]) &&
    isTime(value["updatedAtMs"]) &&
    isBase64(value["auditPublicKey"], 32) &&
    isBase64(value["mac"], 32) &&
    Array.isArray(slots) &&
    slots.length >= 1 &&
    slots.length <= 2 &&
    slots.every(
      (slot) =>
        isJsonObject(slot) &&
        hasExactly(slot, SLOT_MEMBERS) &&
        isHex16(slot["kekId"]) &&
        isTime(slot["createdAtMs"]) &&
        isBase64(slot["check"], 32) &&
        isBase64(slot["ring"], null) &&
        isKeyProviderConfig(slot["provider"]),
    )
  );
}

const VAULT_MEMBERS = [
  "auditPublicKey",
  "createdAtMs",
  "dev",
  "format",
  "mac",
  "slots",
  "updatedAtMs",
  "vaultId",
  "version",
];
const SLOT_MEMBERS = ["check", "createdAtMs", "kekId", "provider", "ring"];

function hasExactly(
  value: { readonly [key: string]: JsonValue },
  members: readonly string[],
): boolean {
  const keys = Object.keys(value).sort();
  return keys.length === members.length && keys.every((key, index) => key === members[index]);
}

function isHex16(value: unknown): boolean {
  return typeof value === "string" && /^[0-9a-f]{32}$/.test(value);
}

function isTime(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isBase64(value: unknown, length: number | null): boolean {
  const bytes = typeof value === "string" ? decodeBase64(value) : null;
  return bytes !== null && (length === null || bytes.length === length);
}

const PROVIDER_MEMBERS: Readonly<Record<string, readonly string[]>> = {
  file: ["kind", "path"],
  env: ["kind", "variable"],
  passphrase: ["argon2id", "kind"],
  "macos-keychain": ["account", "kind", "service"],
  "secret-service": ["account", "kind", "service"],
  "credential-manager": ["account", "kind", "service"],
};

function isKeyProviderConfig(value: JsonValue | undefined): boolean {
  if (!isJsonObject(value)) return false;
  const members = PROVIDER_MEMBERS[`${value["kind"]}`];
  if (members === undefined || !hasExactly(value, members)) return false;
  if (value["kind"] !== "passphrase") {
    return members.every((member) => typeof value[member] === "string");
  }
  const parameters = value["argon2id"];
  return (
    isJsonObject(parameters) &&
    hasExactly(parameters, ["lanes", "memoryKib", "passes", "salt"]) &&
    isBase64(parameters["salt"], null) &&
    ["lanes", "memoryKib", "passes"].every((member) => isTime(parameters[member]))
  );
}

/** The earlier aivault's vault.json: a numeric version, a tagged provider and a key digest. */
function looksLegacy(bytes: Uint8Array): boolean {
  try {
    const value: unknown = JSON.parse(decodeUtf8(bytes));
    return (
      isJsonObject(value) &&
      value["format"] === undefined &&
      isJsonObject(value["provider"]) &&
      typeof value["provider"]["type"] === "string" &&
      typeof value["kekId"] === "string"
    );
  } catch {
    return false;
  }
}

/** Completes the content with its MAC and gives the bytes of the file. */
export function serializeVaultFile(file: Omit<VaultFile, "mac">, ring: KeyRing): Uint8Array {
  const mac = ring.current.config.compute([configBytes(file)]);
  return encodeJsonFile({ ...file, mac: encodeBase64(mac) });
}

/** @throws {VaultError} `VAULT_TAMPERED`: the file was edited. */
export function verifyVaultFile(file: VaultFile, ring: KeyRing): void {
  const expected = ring.current.config.compute([configBytes(file)]);
  const mac = decodeBase64(file.mac);
  if (mac === null || !equalBytes(mac, expected)) throw tampered("was edited");
}

function configBytes(file: Omit<VaultFile, "mac">): Uint8Array {
  const { mac: _mac, ...rest } = file as VaultFile;
  return encodeUtf8(canonicalJson(rest));
}

/**
 * The key that wraps the ring for one KEK. An unlocked vault keeps it, in place of the KEK, so that
 * the ring can be sealed again when a key is retired.
 *
 * @param kek - 32 bytes, borrowed.
 * @returns Owned by the caller, who wipes it.
 */
export function slotKey(vaultId: string, kek: Uint8Array): Uint8Array {
  return deriveKey(kek, vaultId, LABELS.ring);
}

/**
 * Wraps the ring under a KEK.
 *
 * @param kek - 32 bytes, borrowed.
 */
export function createSlot(
  vaultId: string,
  kek: Uint8Array,
  provider: KeyProviderConfig,
  ring: KeyRing,
  random: RandomBytes,
  nowMs: number,
): KeySlot {
  const kekId = encodeHex(random(16));
  const check = encodeBase64(kekCheck(vaultId, kek, kekId));
  const key = slotKey(vaultId, kek);
  try {
    const slot = { kekId, provider, createdAtMs: nowMs, check, ring: "" };
    return resealSlot(vaultId, slot, key, ring, random);
  } finally {
    wipe(key);
  }
}

/** The same slot with another ring. @param key - Its {@link slotKey}, borrowed. */
export function resealSlot(
  vaultId: string,
  slot: KeySlot,
  key: Uint8Array,
  ring: KeyRing,
  random: RandomBytes,
): KeySlot {
  const plain = ring.serialize();
  try {
    const sealed = seal(key, ringContext(vaultId, slot), plain, random);
    return { ...slot, ring: encodeBase64(sealed) };
  } finally {
    wipe(plain);
  }
}

/**
 * Whether this KEK belongs to the slot. HMAC commits to its key, which an AEAD tag does not, so no
 * single slot can be crafted to accept two keys.
 */
export function slotAccepts(vaultId: string, slot: KeySlot, kek: Uint8Array): boolean {
  const check = decodeBase64(slot.check);
  return check !== null && equalBytes(check, kekCheck(vaultId, kek, slot.kekId));
}

/**
 * Unwraps the ring with a KEK that {@link slotAccepts}.
 *
 * @throws {VaultError} `VAULT_TAMPERED`: the slot was edited.
 */
export function openSlot(vaultId: string, slot: KeySlot, kek: Uint8Array): KeyRing {
  const key = slotKey(vaultId, kek);
  let plain: Uint8Array | null = null;
  try {
    plain = open(key, ringContext(vaultId, slot), decodeBase64(slot.ring) as Uint8Array);
    const ring = KeyRing.parse(plain, vaultId);
    if (ring === null) throw tampered("holds a malformed key ring");
    return ring;
  } catch (error) {
    if (error instanceof VaultError && error.code === "VAULT_OPEN_FAILED")
      throw tampered("was edited");
    throw error;
  } finally {
    wipe(plain, key);
  }
}

function ringContext(vaultId: string, slot: Omit<KeySlot, "check" | "ring">) {
  const { kekId, provider, createdAtMs } = slot;
  return [LABELS.ring, FORMAT_VERSION, vaultId, kekId, canonicalJson(provider), createdAtMs];
}

function kekCheck(vaultId: string, kek: Uint8Array, kekId: string): Uint8Array {
  const key = deriveKey(kek, vaultId, LABELS.kekCheck);
  const mac = new Mac(key, [LABELS.kekCheck, vaultId]);
  wipe(key);
  try {
    return mac.compute([kekId]);
  } finally {
    mac.wipe();
  }
}
