import { KEY_BYTES, openFramed, seal } from "./aead.ts";
import {
  decodeBase64,
  decodeUtf8,
  encodeBase64,
  encodeHex,
  encodeUtf8,
  type RandomBytes,
  wipe,
} from "./bytes.ts";
import { VaultError } from "./errors.ts";
import { encodeFields, type Field } from "./framing.ts";
import type { DocumentKind } from "./identifiers.ts";
import {
  canonicalJson,
  decodeJsonFile,
  encodeJsonFile,
  isJsonObject,
  type JsonValue,
} from "./json.ts";
import type { KeyRing, VaultKey } from "./key-ring.ts";
import { FORMAT_VERSION, LABELS } from "./labels.ts";
import { scopeFields } from "./scope.ts";
import type { SealedDocument, SecretMetadata } from "./secret-metadata.ts";

// The stored form of one secret and of one document. Everything in a record but its ids is sealed,
// names included: a copy of the folder does not even say which providers are in use.

/** The content of secrets/<id>.json. Byte strings are base64 in the file. */
export interface SecretRecord {
  readonly id: string;
  /** The vault key that seals the metadata and wraps the DEK. */
  readonly keyId: string;
  readonly metadata: Uint8Array;
  /** Null once the secret is deleted: without it the value is gone (crypto-shredding). */
  readonly dek: Uint8Array | null;
  readonly value: Uint8Array | null;
}

/** The content of documents/<kind>/<handle>.json. */
export interface DocumentRecord {
  readonly kind: DocumentKind;
  /** A keyed digest of the document's id, so that file names say nothing. */
  readonly handle: string;
  readonly keyId: string;
  readonly body: Uint8Array;
}

/** The store key of a secret. */
export function secretFile(secretId: string): string {
  return `secrets/${secretId}.json`;
}

/** The store key of a document. */
export function documentFile(kind: DocumentKind, handle: string): string {
  return `documents/${kind}/${handle}.json`;
}

/** Under which entry the manifest lists a name: 16 bytes of a MAC over scope and name. */
export function nameEntry(ring: KeyRing, scope: SecretMetadata["scope"], name: string): string {
  return encodeHex(ring.nameMac.compute([...scopeFields(scope), name]).subarray(0, 16));
}

/** The handle of a document: 16 bytes of a MAC over kind and id. */
export function documentHandle(ring: KeyRing, kind: DocumentKind, id: string): string {
  return encodeHex(ring.documentIdMac.compute([kind, id]).subarray(0, 16));
}

function damaged(subject: string, problem: string): VaultError {
  return new VaultError("VAULT_TAMPERED", `\`${subject}\` ${problem}; restore it from a backup`, {
    subject,
  });
}

/** @throws {VaultError} `VAULT_TAMPERED`: not a secret record with this id. */
export function parseSecretRecord(
  bytes: Uint8Array,
  vaultId: string,
  secretId: string,
): SecretRecord {
  const subject = secretFile(secretId);
  const value = parseRecord(bytes, subject, vaultId, "secret");
  const metadata = bytesOf(value["metadata"]);
  const dek = value["dek"] === null ? null : bytesOf(value["dek"]);
  const sealed = value["value"] === null ? null : bytesOf(value["value"]);
  // The id in the record must be the one in the file name, or a copied file would speak for another.
  if (
    value["id"] !== secretId ||
    metadata === undefined ||
    dek === undefined ||
    sealed === undefined
  ) {
    throw damaged(subject, "is malformed");
  }
  return { id: secretId, keyId: `${value["keyId"]}`, metadata, dek, value: sealed };
}

/** @throws {VaultError} `VAULT_TAMPERED`: not a document record of this kind and handle. */
export function parseDocumentRecord(
  bytes: Uint8Array,
  vaultId: string,
  kind: DocumentKind,
  handle: string,
): DocumentRecord {
  const subject = documentFile(kind, handle);
  const value = parseRecord(bytes, subject, vaultId, "document");
  const body = bytesOf(value["body"]);
  if (value["kind"] !== kind || value["id"] !== handle || body === undefined) {
    throw damaged(subject, "is malformed");
  }
  return { kind, handle, keyId: `${value["keyId"]}`, body };
}

function parseRecord(
  bytes: Uint8Array,
  subject: string,
  vaultId: string,
  type: "secret" | "document",
): { readonly [key: string]: JsonValue } {
  const value = decodeJsonFile(bytes);
  if (!isJsonObject(value)) throw damaged(subject, "is damaged or truncated");
  if (
    value["version"] !== FORMAT_VERSION ||
    value["type"] !== type ||
    value["vaultId"] !== vaultId
  ) {
    throw damaged(subject, "is not a record of this vault");
  }
  return value;
}

function bytesOf(value: JsonValue | undefined): Uint8Array | undefined {
  return typeof value === "string" ? (decodeBase64(value) ?? undefined) : undefined;
}

/** The bytes of a secret's file. */
export function serializeSecretRecord(record: SecretRecord, vaultId: string): Uint8Array {
  return encodeJsonFile({
    version: FORMAT_VERSION,
    type: "secret",
    vaultId,
    id: record.id,
    keyId: record.keyId,
    metadata: encodeBase64(record.metadata),
    dek: record.dek === null ? null : encodeBase64(record.dek),
    value: record.value === null ? null : encodeBase64(record.value),
  });
}

/** The bytes of a document's file. */
export function serializeDocumentRecord(record: DocumentRecord, vaultId: string): Uint8Array {
  return encodeJsonFile({
    version: FORMAT_VERSION,
    type: "document",
    vaultId,
    id: record.handle,
    kind: record.kind,
    keyId: record.keyId,
    body: encodeBase64(record.body),
  });
}

function metadataContext(vaultId: string, secretId: string, keyId: string): Field[] {
  return [LABELS.metadata, "secret", FORMAT_VERSION, vaultId, secretId, keyId];
}

/** What a value is bound to: change any of it and the value no longer opens (G11). */
function valueContext(label: string, vaultId: string, metadata: SecretMetadata): Field[] {
  const { secretId, scope, pinnedProvider, valueVersion } = metadata;
  return [
    label,
    "secret",
    FORMAT_VERSION,
    vaultId,
    secretId,
    ...scopeFields(scope),
    // A provider id is never empty, so "" stands for "not pinned" alone.
    pinnedProvider ?? "",
    valueVersion,
  ];
}

function dekContext(vaultId: string, metadata: SecretMetadata, keyId: string): Field[] {
  return [...valueContext(LABELS.dek, vaultId, metadata), keyId];
}

/** The contexts of a secret, framed; kept as long as its metadata is, which does not change. */
const framedContexts = new WeakMap<
  SecretMetadata,
  { keyId: string; dek: Uint8Array; value: Uint8Array }
>();

function framedContextsOf(vaultId: string, metadata: SecretMetadata, keyId: string) {
  const known = framedContexts.get(metadata);
  if (known?.keyId === keyId) return known;
  const framed = {
    keyId,
    dek: encodeFields(dekContext(vaultId, metadata, keyId)),
    value: encodeFields(valueContext(LABELS.value, vaultId, metadata)),
  };
  framedContexts.set(metadata, framed);
  return framed;
}

function requireKey(ring: KeyRing, keyId: string, subject: string): VaultKey {
  const key = ring.vaultKey(keyId);
  if (key === null) throw damaged(subject, "is sealed under a key this vault does not have");
  return key;
}

function openOrNamed(
  key: Uint8Array,
  context: readonly Field[] | Uint8Array,
  sealed: Uint8Array,
  subject: string,
) {
  try {
    const framed = context instanceof Uint8Array ? context : encodeFields(context);
    return openFramed(key, framed, sealed);
  } catch (cause) {
    throw new VaultError(
      "VAULT_OPEN_FAILED",
      `\`${subject}\` does not authenticate; restore it from a backup`,
      { subject, cause },
    );
  }
}

/** Seals metadata under the current vault key. */
function sealMetadata(
  metadata: SecretMetadata,
  vaultId: string,
  ring: KeyRing,
  random: RandomBytes,
) {
  const { secretId, ...rest } = metadata;
  return seal(
    ring.current.metadata,
    metadataContext(vaultId, secretId, ring.currentId),
    encodeUtf8(canonicalJson(rest)),
    random,
  );
}

/** @throws {VaultError} `VAULT_OPEN_FAILED`, `VAULT_TAMPERED`. */
export function openMetadata(record: SecretRecord, vaultId: string, ring: KeyRing): SecretMetadata {
  const subject = secretFile(record.id);
  const key = requireKey(ring, record.keyId, subject);
  const context = metadataContext(vaultId, record.id, record.keyId);
  const plain = openOrNamed(key.metadata, context, record.metadata, subject);
  return { secretId: record.id, ...JSON.parse(decodeUtf8(plain)) };
}

/**
 * A record with a value under a fresh DEK.
 *
 * @param value - Borrowed.
 */
export function sealSecret(
  metadata: SecretMetadata,
  value: Uint8Array,
  vaultId: string,
  ring: KeyRing,
  random: RandomBytes,
): SecretRecord {
  const dek = random(KEY_BYTES);
  try {
    return {
      id: metadata.secretId,
      keyId: ring.currentId,
      metadata: sealMetadata(metadata, vaultId, ring, random),
      dek: seal(ring.current.dek, dekContext(vaultId, metadata, ring.currentId), dek, random),
      value: seal(dek, valueContext(LABELS.value, vaultId, metadata), value, random),
    };
  } finally {
    wipe(dek);
  }
}

/** @returns The plaintext, which the caller wipes. @throws {VaultError} `VAULT_OPEN_FAILED`. */
export function openSecret(
  record: SecretRecord,
  metadata: SecretMetadata,
  vaultId: string,
  ring: KeyRing,
): Uint8Array {
  const subject = secretFile(record.id);
  if (record.dek === null || record.value === null) throw damaged(subject, "has no value");
  const dek = unwrapDek(record, record.dek, metadata, vaultId, ring);
  try {
    const context = framedContextsOf(vaultId, metadata, record.keyId).value;
    return openOrNamed(dek, context, record.value, subject);
  } finally {
    wipe(dek);
  }
}

function unwrapDek(
  record: SecretRecord,
  wrapped: Uint8Array,
  metadata: SecretMetadata,
  vaultId: string,
  ring: KeyRing,
): Uint8Array {
  const subject = secretFile(record.id);
  const key = requireKey(ring, record.keyId, subject);
  const context = framedContextsOf(vaultId, metadata, record.keyId).dek;
  return openOrNamed(key.dek, context, wrapped, subject);
}

/**
 * The record with other metadata, its DEK rewrapped under the current vault key and its value as it
 * was. The scope, the pinned provider and the value version must be unchanged: the value is bound
 * to them.
 */
export function rewrapSecret(
  record: SecretRecord,
  before: SecretMetadata,
  after: SecretMetadata,
  vaultId: string,
  ring: KeyRing,
  random: RandomBytes,
): SecretRecord {
  const metadata = sealMetadata(after, vaultId, ring, random);
  const base = { id: record.id, keyId: ring.currentId, metadata, value: record.value };
  if (record.dek === null) return { ...base, dek: null };
  if (record.keyId === ring.currentId) return { ...base, dek: record.dek };
  const dek = unwrapDek(record, record.dek, before, vaultId, ring);
  try {
    const context = dekContext(vaultId, after, ring.currentId);
    return { ...base, dek: seal(ring.current.dek, context, dek, random) };
  } finally {
    wipe(dek);
  }
}

/** The record of a deleted secret: metadata only. */
export function shredSecret(
  metadata: SecretMetadata,
  vaultId: string,
  ring: KeyRing,
  random: RandomBytes,
): SecretRecord {
  return {
    id: metadata.secretId,
    keyId: ring.currentId,
    metadata: sealMetadata(metadata, vaultId, ring, random),
    dek: null,
    value: null,
  };
}

function documentContext(
  vaultId: string,
  kind: DocumentKind,
  handle: string,
  keyId: string,
): Field[] {
  return [LABELS.document, "document", FORMAT_VERSION, vaultId, kind, handle, keyId];
}

/** Seals a document under the current vault key. */
export function sealDocument(
  document: SealedDocument,
  vaultId: string,
  ring: KeyRing,
  random: RandomBytes,
): DocumentRecord {
  const { kind, ...rest } = document;
  const handle = documentHandle(ring, kind, document.id);
  const plain = encodeUtf8(canonicalJson(rest));
  const context = documentContext(vaultId, kind, handle, ring.currentId);
  try {
    return {
      kind,
      handle,
      keyId: ring.currentId,
      body: seal(ring.current.document, context, plain, random),
    };
  } finally {
    wipe(plain);
  }
}

/** @throws {VaultError} `VAULT_OPEN_FAILED`, `VAULT_TAMPERED`. */
export function openDocument(
  record: DocumentRecord,
  vaultId: string,
  ring: KeyRing,
): SealedDocument {
  const { kind, handle, keyId, body } = record;
  const subject = documentFile(kind, handle);
  const key = requireKey(ring, keyId, subject);
  const plain = openOrNamed(
    key.document,
    documentContext(vaultId, kind, handle, keyId),
    body,
    subject,
  );
  try {
    return { kind, ...JSON.parse(decodeUtf8(plain)) };
  } finally {
    wipe(plain);
  }
}
