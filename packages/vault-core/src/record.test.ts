import { describe, expect, it } from "vitest";
import { open } from "./aead.ts";
import { decodeBase64, encodeBase64, encodeHex, encodeUtf8 } from "./bytes.ts";
import { encodeJsonFile, type JsonValue } from "./json.ts";
import { KeyRing } from "./key-ring.ts";
import { systemRandom } from "./node/index.ts";
import {
  documentFile,
  documentHandle,
  nameEntry,
  openDocument,
  openMetadata,
  openSecret,
  parseDocumentRecord,
  parseSecretRecord,
  rewrapSecret,
  type SecretRecord,
  sealDocument,
  sealSecret,
  secretFile,
  serializeDocumentRecord,
  serializeSecretRecord,
  shredSecret,
} from "./record.ts";
import type { SealedDocument, SecretMetadata } from "./secret-metadata.ts";

const VAULT = "00112233445566778899aabbccddeeff";
const OTHER_VAULT = "ff112233445566778899aabbccddeeff";
const ID = "01234567-89ab-4cde-8f01-23456789abcd";
const OTHER_ID = "11234567-89ab-4cde-8f01-23456789abcd";
const value = encodeUtf8("a secret value");
const ring = KeyRing.create(VAULT, systemRandom, 1);

const metadata: SecretMetadata = {
  secretId: ID,
  name: "KEY",
  aliases: ["OLD_KEY"],
  scope: { kind: "group", workspaceId: "w", groupId: "g" },
  pinnedProvider: "openai",
  valueVersion: 3,
  attachedGroups: [],
  createdAtMs: 1,
  updatedAtMs: 2,
  deletedAtMs: null,
};
const document: SealedDocument = {
  kind: "policy",
  id: "openai/chat",
  revision: 4,
  value: { methods: ["POST"] },
  updatedAtMs: 5,
};
const sealed = sealSecret(metadata, value, VAULT, ring, systemRandom);
const stored = JSON.parse(new TextDecoder().decode(serializeSecretRecord(sealed, VAULT)));
const handle = documentHandle(ring, "policy", "openai/chat");
const sealedDocument = sealDocument(document, VAULT, ring, systemRandom);
const storedDocument = JSON.parse(
  new TextDecoder().decode(serializeDocumentRecord(sealedDocument, VAULT)),
);

const failure = (code: string, subject: string, message = "") =>
  expect.objectContaining({ code, subject, message: expect.stringContaining(message) });
const flipped = (bytes: Uint8Array, at: number) => bytes.with(at, (bytes[at] as number) ^ 1);

describe("where records are", () => {
  it("is a file by id, and by kind and handle", () => {
    expect(secretFile(ID)).toBe(`secrets/${ID}.json`);
    expect(documentFile("policy", handle)).toBe(`documents/policy/${handle}.json`);
  });

  it("is said by 16 bytes of a keyed digest of scope and name, and of kind and id", () => {
    const name = ring.nameMac.compute(["group", "w", "g", "KEY"]).subarray(0, 16);
    expect(nameEntry(ring, metadata.scope, "KEY")).toBe(encodeHex(name));
    const id = ring.documentIdMac.compute(["policy", "openai/chat"]).subarray(0, 16);
    expect(handle).toBe(encodeHex(id));
  });

  it("differs between every two scopes, names, kinds and ids", () => {
    const entries = [
      nameEntry(ring, { kind: "global" }, "KEY"),
      nameEntry(ring, { kind: "workspace", workspaceId: "w" }, "KEY"),
      nameEntry(ring, { kind: "workspace", workspaceId: "g" }, "KEY"),
      nameEntry(ring, metadata.scope, "KEY"),
      nameEntry(ring, metadata.scope, "key"),
      nameEntry(ring, { kind: "group", workspaceId: "wg", groupId: "" }, "KEY"),
      handle,
      documentHandle(ring, "policy", "openai/chat2"),
      documentHandle(ring, "binding", "openai/chat"),
    ];
    expect(new Set(entries).size).toBe(entries.length);
  });
});

describe("a secret's record", () => {
  const parse = (changes: Record<string, JsonValue | undefined>) => () =>
    parseSecretRecord(encodeJsonFile({ ...stored, ...changes }), VAULT, ID);

  it("is read as it was written, with a value and without", () => {
    expect(parse({})()).toEqual(sealed);
    const shredded = shredSecret(metadata, VAULT, ring, systemRandom);
    expect(shredded).toMatchObject({ id: ID, keyId: ring.currentId, dek: null, value: null });
    const bytes = serializeSecretRecord(shredded, VAULT);
    expect(parseSecretRecord(bytes, VAULT, ID)).toEqual(shredded);
  });

  it("names its version, type, vault, id and key", () => {
    expect(stored).toEqual({
      version: 1,
      type: "secret",
      vaultId: VAULT,
      id: ID,
      keyId: ring.currentId,
      metadata: encodeBase64(sealed.metadata),
      dek: encodeBase64(sealed.dek as Uint8Array),
      value: encodeBase64(sealed.value as Uint8Array),
    });
  });

  it.each([
    ["another version", { version: 2 }],
    ["another type", { type: "document" }],
    ["another vault", { vaultId: OTHER_VAULT }],
    ["no version", { version: undefined }],
  ])("G11: of %s is not one of this vault", (_, changes) => {
    expect(parse(changes)).toThrow(
      failure("VAULT_TAMPERED", `secrets/${ID}.json`, "is not a record of this vault"),
    );
  });

  it.each([
    ["another id", { id: OTHER_ID }],
    ["no id", { id: undefined }],
    ["no metadata", { metadata: undefined }],
    ["metadata that is null", { metadata: null }],
    ["metadata that is no base64", { metadata: "?" }],
    ["no wrapped key", { dek: undefined }],
    ["a wrapped key that is a number", { dek: 1 }],
    ["no value", { value: undefined }],
    ["a value that is a list", { value: [] }],
  ])("G11: with %s is malformed", (_, changes) => {
    expect(parse(changes)).toThrow(
      failure("VAULT_TAMPERED", `secrets/${ID}.json`, "is malformed; restore it from a backup"),
    );
  });

  it.each(["", "{", "[]", "null", '"x"'])("that is %j is damaged", (text) => {
    expect(() => parseSecretRecord(encodeUtf8(`${text}\n`), VAULT, ID)).toThrow(
      failure("VAULT_TAMPERED", `secrets/${ID}.json`, "is damaged or truncated"),
    );
  });

  it("opens to its metadata and its value", () => {
    expect(openMetadata(sealed, VAULT, ring)).toEqual(metadata);
    expect(openSecret(sealed, metadata, VAULT, ring)).toEqual(value);
    // And again, with what was framed the first time.
    expect(openSecret(sealed, metadata, VAULT, ring)).toEqual(value);
  });

  it("without a pin, and without a workspace, opens as well", () => {
    const free = { ...metadata, scope: { kind: "global" }, pinnedProvider: null } as const;
    const record = sealSecret(free, value, VAULT, ring, systemRandom);
    expect(openSecret(record, free, VAULT, ring)).toEqual(value);
  });

  it("G11: is bound to no provider by an empty name, which no provider has", () => {
    const free = { ...metadata, scope: { kind: "global" }, pinnedProvider: null } as const;
    const record = sealSecret(free, value, VAULT, ring, systemRandom);
    const bound = ["secret", 1, VAULT, ID, "global", "", "", "", 3];
    const context = ["aivault/v1/dek", ...bound, ring.currentId];
    const dek = open(ring.current.dek, context, record.dek as Uint8Array);
    expect(open(dek, ["aivault/v1/value", ...bound], record.value as Uint8Array)).toEqual(value);
  });

  it.each([
    ["another id", { secretId: OTHER_ID }],
    ["another scope", { scope: { kind: "global" } }],
    ["another group", { scope: { kind: "group", workspaceId: "w", groupId: "h" } }],
    ["another workspace", { scope: { kind: "group", workspaceId: "v", groupId: "g" } }],
    ["another provider", { pinnedProvider: "github" }],
    ["no provider", { pinnedProvider: null }],
    ["an older value", { valueVersion: 2 }],
  ] as const)("G11: does not open for %s", (_, changes) => {
    const other = { ...metadata, ...changes } as SecretMetadata;
    expect(() => openSecret(sealed, other, VAULT, ring)).toThrow(
      failure("VAULT_OPEN_FAILED", `secrets/${ID}.json`, "does not authenticate; restore it"),
    );
  });

  it("G11: does not open in another vault, even one with the same keys", () => {
    const bytes = ring.serialize();
    const other = KeyRing.parse(bytes, OTHER_VAULT) as KeyRing;
    for (const keys of [ring, other]) {
      const refused = failure("VAULT_OPEN_FAILED", `secrets/${ID}.json`);
      expect(() => openSecret(sealed, { ...metadata }, OTHER_VAULT, keys)).toThrow(refused);
      expect(() => openMetadata(sealed, OTHER_VAULT, keys)).toThrow(refused);
    }
  });

  it("G11: with any part changed, or of another record, does not open", () => {
    const refused = failure("VAULT_OPEN_FAILED", `secrets/${ID}.json`);
    const other = sealSecret(metadata, encodeUtf8("another"), VAULT, ring, systemRandom);
    const open = (changes: Partial<SecretRecord>) => () =>
      openSecret({ ...sealed, ...changes }, { ...metadata }, VAULT, ring);
    expect(open({ dek: flipped(sealed.dek as Uint8Array, 30) })).toThrow(refused);
    expect(open({ value: flipped(sealed.value as Uint8Array, 30) })).toThrow(refused);
    expect(open({ dek: other.dek })).toThrow(refused);
    expect(open({ value: other.value })).toThrow(refused);
    expect(open({ dek: sealed.value, value: sealed.dek })).toThrow(refused);
    const mixed = { ...sealed, metadata: sealed.dek as Uint8Array };
    expect(() => openMetadata(mixed, VAULT, ring)).toThrow(refused);
    expect(() => openMetadata({ ...sealed, id: OTHER_ID }, VAULT, ring)).toThrow(
      failure("VAULT_OPEN_FAILED", `secrets/${OTHER_ID}.json`),
    );
  });

  it("under a key that the vault does not have is refused in these words", () => {
    const lost = { ...sealed, keyId: "ab".repeat(16) };
    const refused = failure(
      "VAULT_TAMPERED",
      `secrets/${ID}.json`,
      "is sealed under a key this vault does not have",
    );
    expect(() => openMetadata(lost, VAULT, ring)).toThrow(refused);
    expect(() => openSecret(lost, metadata, VAULT, ring)).toThrow(refused);
  });

  it("without its key or its value has none to give", () => {
    for (const part of ["dek", "value"]) {
      expect(() => openSecret({ ...sealed, [part]: null }, metadata, VAULT, ring)).toThrow(
        failure("VAULT_TAMPERED", `secrets/${ID}.json`, "has no value"),
      );
    }
  });

  it("is sealed under a fresh key each time, which is wiped", () => {
    const drawn: Uint8Array[] = [];
    const random = (length: number) => {
      const bytes = systemRandom(length);
      drawn.push(bytes);
      return bytes;
    };
    const again = sealSecret(metadata, value, VAULT, ring, random);
    expect(again.value).not.toEqual(sealed.value);
    const keys = drawn.filter(({ length }) => length === 32);
    expect(keys).toEqual([new Uint8Array(32)]);
    // The nonces of metadata, key and value.
    expect(drawn.filter(({ length }) => length === 24)).toHaveLength(3);
  });
});

describe("rewrapSecret", () => {
  const after = { ...metadata, name: "NEW", updatedAtMs: 9 };

  it("changes the metadata and leaves key and value as they are, under the same vault key", () => {
    const record = rewrapSecret(sealed, metadata, after, VAULT, ring, systemRandom);
    expect(record).toMatchObject({ id: ID, keyId: ring.currentId });
    expect(record.dek).toBe(sealed.dek);
    expect(record.value).toBe(sealed.value);
    expect(openMetadata(record, VAULT, ring)).toEqual(after);
  });

  it("wraps the value's key under the current vault key, after which the old one may go", () => {
    const both = ring.withNewVaultKey(systemRandom, 2);
    const record = rewrapSecret(sealed, metadata, after, VAULT, both, systemRandom);
    expect(record.keyId).toBe(both.currentId);
    expect(record.dek).not.toEqual(sealed.dek);
    expect(record.value).toBe(sealed.value);
    const alone = both.withoutOldVaultKeys();
    expect(openMetadata(record, VAULT, alone)).toEqual(after);
    expect(openSecret(record, after, VAULT, alone)).toEqual(value);
    expect(() => openSecret(sealed, metadata, VAULT, alone)).toThrow(
      failure("VAULT_TAMPERED", `secrets/${ID}.json`),
    );
  });

  it("opens a record of each of two vault keys, with one metadata object", () => {
    const both = ring.withNewVaultKey(systemRandom, 2);
    const record = rewrapSecret(sealed, metadata, metadata, VAULT, both, systemRandom);
    expect(openSecret(sealed, metadata, VAULT, both)).toEqual(value);
    expect(openSecret(record, metadata, VAULT, both)).toEqual(value);
    expect(openSecret(sealed, metadata, VAULT, both)).toEqual(value);
  });

  it("leaves a deleted secret without a value", () => {
    const gone = { ...metadata, deletedAtMs: 7 };
    const shredded = shredSecret(gone, VAULT, ring, systemRandom);
    const both = ring.withNewVaultKey(systemRandom, 2);
    const record = rewrapSecret(shredded, gone, gone, VAULT, both, systemRandom);
    expect(record).toMatchObject({ keyId: both.currentId, dek: null, value: null });
    expect(openMetadata(record, VAULT, both.withoutOldVaultKeys())).toEqual(gone);
  });
});

describe("a document's record", () => {
  const parse = (changes: Record<string, JsonValue | undefined>) => () =>
    parseDocumentRecord(encodeJsonFile({ ...storedDocument, ...changes }), VAULT, "policy", handle);
  const file = `documents/policy/${handle}.json`;

  it("is read as it was written, and says which document it is by a digest only", () => {
    expect(storedDocument).toEqual({
      version: 1,
      type: "document",
      vaultId: VAULT,
      id: handle,
      kind: "policy",
      keyId: ring.currentId,
      body: encodeBase64(sealedDocument.body),
    });
    expect(parse({})()).toEqual(sealedDocument);
    expect(openDocument(sealedDocument, VAULT, ring)).toEqual(document);
  });

  it.each([
    ["another version", { version: 2 }],
    ["another type", { type: "secret" }],
    ["another vault", { vaultId: OTHER_VAULT }],
  ])("G11: of %s is not one of this vault", (_, changes) => {
    expect(parse(changes)).toThrow(
      failure("VAULT_TAMPERED", file, "is not a record of this vault"),
    );
  });

  it.each([
    ["another kind", { kind: "binding" }],
    ["another handle", { id: "00".repeat(16) }],
    ["no body", { body: undefined }],
    ["a body that is no base64", { body: "?" }],
  ])("G11: with %s is malformed", (_, changes) => {
    expect(parse(changes)).toThrow(failure("VAULT_TAMPERED", file, "is malformed"));
  });

  it("G11: in the place of another document does not open", () => {
    const moved = [
      { ...sealedDocument, handle: "00".repeat(16) },
      { ...sealedDocument, kind: "binding" as const },
      { ...sealedDocument, body: flipped(sealedDocument.body, 40) },
      { ...sealedDocument, body: sealed.metadata },
    ];
    for (const record of moved) {
      expect(() => openDocument(record, VAULT, ring)).toThrow(
        failure("VAULT_OPEN_FAILED", documentFile(record.kind, record.handle)),
      );
    }
    const other = KeyRing.parse(ring.serialize(), OTHER_VAULT) as KeyRing;
    for (const keys of [ring, other]) {
      expect(() => openDocument(sealedDocument, OTHER_VAULT, keys)).toThrow(
        failure("VAULT_OPEN_FAILED", file),
      );
    }
    expect(() => openDocument({ ...sealedDocument, keyId: "ab" }, VAULT, ring)).toThrow(
      failure("VAULT_TAMPERED", file, "is sealed under a key this vault does not have"),
    );
  });

  it("G11: under either of two vault keys opens only with the one it names", () => {
    const both = ring.withNewVaultKey(systemRandom, 2);
    expect(openDocument(sealedDocument, VAULT, both)).toEqual(document);
    const renamed = { ...sealedDocument, keyId: both.currentId };
    expect(() => openDocument(renamed, VAULT, both)).toThrow(failure("VAULT_OPEN_FAILED", file));
  });

  it("shows nothing of what is in it", () => {
    const text = JSON.stringify(storedDocument);
    expect(text).not.toContain("openai");
    expect(text).not.toContain("POST");
    expect(decodeBase64(storedDocument.body)).toHaveLength(
      JSON.stringify({ id: "", revision: 4, updatedAtMs: 5, value: document.value }).length +
        "openai/chat".length +
        40,
    );
  });
});
