import type { RandomBytes } from "./bytes.ts";
import { encodeHex } from "./bytes.ts";
import { VaultError } from "./errors.ts";

// Ids become file names and MAC inputs, so they are checked once, here, where they enter (W-B12).

const SECRET_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const IDENTIFIER = /^[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$/;
const DOCUMENT_ID = /^[A-Za-z0-9*][A-Za-z0-9._@+:*/-]{0,255}$/;
// Control characters, white space other than the plain space, and invisible formatting characters.
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u;
const NAME_LENGTH_MAX = 128;

/** What kinds of policy document a vault keeps sealed. */
export const DOCUMENT_KINDS = [
  "credential",
  "capability",
  "policy",
  "binding",
  "token",
  "settings",
  "provider",
  "state",
] as const;

/** The kind of a sealed document. */
export type DocumentKind = (typeof DOCUMENT_KINDS)[number];

function invalid(message: string): VaultError {
  return new VaultError("VAULT_INVALID_INPUT", message);
}

/** A fresh secret id: a lower-case UUID, version 4 (RFC 9562 section 5.4). */
export function createSecretId(random: RandomBytes): string {
  const bytes = random(16);
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  const hex = encodeHex(bytes);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join("-");
}

/** Whether the text is shaped like a secret id. */
export function isSecretId(value: unknown): value is string {
  return typeof value === "string" && SECRET_ID.test(value);
}

/** @throws {VaultError} `VAULT_INVALID_INPUT`: not a lower-case version 4 UUID. */
export function requireSecretId(value: unknown): string {
  if (!isSecretId(value))
    throw invalid("a secret id is a lower-case UUID, as `secrets list` prints it");
  return value;
}

/** A workspace, group or provider id: 1 to 128 of `A-Z a-z 0-9 . _ @ + -`, starting with a letter or digit. */
export function requireIdentifier(value: unknown, what: string): string {
  if (typeof value !== "string" || !IDENTIFIER.test(value)) {
    throw invalid(
      `a ${what} is 1 to 128 letters, digits or \`._@+-\`, and starts with a letter or digit`,
    );
  }
  return value;
}

/** A secret's name or alias: 1 to 128 characters of NFC text without control characters or outer spaces. */
export function requireName(value: unknown, what = "name"): string {
  if (typeof value !== "string" || value.length === 0 || value.length > NAME_LENGTH_MAX) {
    throw invalid(`a secret's ${what} has 1 to ${NAME_LENGTH_MAX} characters`);
  }
  if (value !== value.trim() || UNPRINTABLE.test(value) || value !== value.normalize("NFC")) {
    throw invalid(`a secret's ${what} must not have outer spaces, control or invisible characters`);
  }
  return value;
}

/** @throws {VaultError} `VAULT_INVALID_INPUT`: not one of {@link DOCUMENT_KINDS}. */
export function requireDocumentKind(value: unknown): DocumentKind {
  const kind = DOCUMENT_KINDS.find((known) => known === value);
  if (kind === undefined) throw invalid(`a document kind is one of ${DOCUMENT_KINDS.join(", ")}`);
  return kind;
}

/** @throws {VaultError} `VAULT_INVALID_INPUT`: not 1 to 256 of `A-Z a-z 0-9 . _ @ + : * / -`. */
export function requireDocumentId(value: unknown): string {
  if (typeof value !== "string" || !DOCUMENT_ID.test(value)) {
    throw invalid(
      "a document id is 1 to 256 letters, digits or `._@+:*/-`, and starts with a letter, digit or `*`",
    );
  }
  return value;
}
