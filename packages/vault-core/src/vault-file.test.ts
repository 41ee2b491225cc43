import { describe, expect, it } from "vitest";
import { decodeBase64, encodeBase64, encodeUtf8 } from "./bytes.ts";
import { encodeJsonFile } from "./json.ts";
import type { KeyProviderConfig } from "./key-provider.ts";
import { KeyRing } from "./key-ring.ts";
import { LABELS } from "./labels.ts";
import { deriveKey, Mac } from "./mac.ts";
import { systemRandom } from "./node/index.ts";
import {
  createSlot,
  openSlot,
  parseVaultFile,
  resealSlot,
  serializeVaultFile,
  slotAccepts,
  slotKey,
  type VaultFile,
  verifyVaultFile,
} from "./vault-file.ts";

const VAULT = "00112233445566778899aabbccddeeff";
const OTHER_VAULT = "ff112233445566778899aabbccddeeff";
const kek = new Uint8Array(32).fill(7);
const ring = KeyRing.create(VAULT, systemRandom, 1);
const provider: KeyProviderConfig = { kind: "file", path: "/keys/kek" };
const slot = createSlot(VAULT, kek, provider, ring, systemRandom, 5);
const content: Omit<VaultFile, "mac"> = {
  format: "aivault",
  version: 1,
  vaultId: VAULT,
  dev: false,
  createdAtMs: 1,
  updatedAtMs: 2,
  auditPublicKey: encodeBase64(new Uint8Array(32)),
  slots: [slot],
};
const written = serializeVaultFile(content, ring);
const file = parseVaultFile(written);

const failure = (code: string, message: string) =>
  expect.objectContaining({
    code,
    subject: "vault.json",
    message: expect.stringContaining(message),
  });
const malformed = failure("VAULT_TAMPERED", "has missing or malformed members; restore it");
const edited = failure("VAULT_TAMPERED", "was edited");
const parseWith = (changes: object) => () =>
  parseVaultFile(encodeJsonFile({ ...file, ...changes }));
const parseSlot = (changes: object) => parseWith({ slots: [{ ...slot, ...changes }] });

describe("parseVaultFile", () => {
  it("reads what was written", () => {
    expect(file).toEqual({ ...content, mac: expect.any(String) });
    expect(parseWith({ dev: true })()).toMatchObject({ dev: true });
    expect(parseWith({ slots: [slot, slot] })().slots).toEqual([slot, slot]);
  });

  it.each([
    ["nothing", ""],
    ["half a file", "{"],
    ["a list", "[]\n"],
    ["null", "null\n"],
    ["no line feed at its end", new TextDecoder().decode(written).trimEnd()],
    ["members in another order", '{"version":1,"format":"aivault"}\n'],
  ])("calls damaged what has %s", (_, text) => {
    expect(() => parseVaultFile(encodeUtf8(text))).toThrow(
      failure("VAULT_TAMPERED", "is damaged or truncated; restore it from a backup"),
    );
  });

  it("refuses another format, and other versions in words that say what to do", () => {
    expect(parseWith({ format: "other" })).toThrow(
      failure("VAULT_TAMPERED", "does not describe an aivault vault"),
    );
    for (const version of [2, 0, "1", null]) {
      expect(parseWith({ version })).toThrow(
        failure(
          "VAULT_FORMAT_UNSUPPORTED",
          `the vault has format version ${JSON.stringify(version)}, this program reads version 1; use a newer aivault`,
        ),
      );
    }
  });

  it.each([
    ["a member more", { extra: 1 }],
    ["no vault id", { vaultId: undefined }],
    ["a member under another name", { vaultId: undefined, vaultId2: VAULT }],
    ["a vault id in capitals", { vaultId: "AA".repeat(16) }],
    ["a short vault id", { vaultId: "aa".repeat(15) }],
    ["a long vault id", { vaultId: "aa".repeat(17) }],
    ["a vault id with a line feed", { vaultId: `${"aa".repeat(16)}\n` }],
    ["a vault id with something before it", { vaultId: `x${"aa".repeat(16)}` }],
    ["a vault id that is a list", { vaultId: [VAULT] }],
    ["a dev flag that is text", { dev: "true" }],
    ["a negative time of creation", { createdAtMs: -1 }],
    ["a broken time of creation", { createdAtMs: 1.5 }],
    ["a time of change that is text", { updatedAtMs: "1" }],
    ["a short public key", { auditPublicKey: encodeBase64(new Uint8Array(31)) }],
    ["a public key that is no base64", { auditPublicKey: "?" }],
    ["a public key that is null", { auditPublicKey: null }],
    ["a long MAC", { mac: encodeBase64(new Uint8Array(33)) }],
    ["a MAC that is a number", { mac: 1 }],
    ["no slot", { slots: [] }],
    ["three slots", { slots: [slot, slot, slot] }],
    ["slots that are an object", { slots: { length: 1 } }],
    ["a slot that is null", { slots: [slot, null] }],
  ])("refuses %s", (_, changes) => {
    expect(parseWith(changes)).toThrow(malformed);
  });

  it("takes zero as a time", () => {
    expect(parseWith({ createdAtMs: 0, updatedAtMs: 0 })()).toMatchObject({ createdAtMs: 0 });
  });

  it.each([
    ["a member more", { extra: 1 }],
    ["no check", { check: undefined }],
    ["a KEK id in capitals", { kekId: "AA".repeat(16) }],
    ["a negative time", { createdAtMs: -1 }],
    ["a short check", { check: encodeBase64(new Uint8Array(31)) }],
    ["a ring that is no base64", { ring: "?" }],
    ["a ring that is null", { ring: null }],
    ["a provider that is null", { provider: null }],
    ["a provider that is text", { provider: "file" }],
    ["an unknown provider", { provider: { kind: "cloud", path: "/" } }],
    ["an inherited provider", { provider: { kind: "toString" } }],
    ["a provider without its member", { provider: { kind: "file" } }],
    ["a provider with a member of another", { provider: { kind: "file", variable: "X" } }],
    ["a provider with a member more", { provider: { kind: "file", path: "/", more: "" } }],
    ["a path that is a number", { provider: { kind: "file", path: 1 } }],
    ["a passphrase without costs", { provider: { kind: "passphrase" } }],
    ["a passphrase with costs of text", { provider: { kind: "passphrase", argon2id: "x" } }],
  ])("refuses a slot with %s", (_, changes) => {
    expect(parseSlot(changes)).toThrow(malformed);
  });

  it.each([
    [{ kind: "file", path: "/k" }],
    [{ kind: "env", variable: "KEK" }],
    [{ kind: "macos-keychain", service: "s", account: "a" }],
    [{ kind: "secret-service", service: "s", account: "a" }],
    [{ kind: "credential-manager", service: "s", account: "a" }],
    [{ kind: "passphrase", argon2id: { salt: "AAAA", memoryKib: 65_536, passes: 3, lanes: 1 } }],
  ])("takes the provider %j, and it without a member not", (config) => {
    expect(parseSlot({ provider: config })().slots[0]?.provider).toEqual(config);
    const last = Object.keys(config).at(-1) as string;
    expect(parseSlot({ provider: { ...config, [last]: undefined } })).toThrow(malformed);
    expect(parseSlot({ provider: { ...config, [last]: null } })).toThrow(malformed);
  });

  it.each([
    { salt: "?" },
    { salt: 1 },
    { memoryKib: "65536" },
    { passes: -1 },
    { lanes: 1.5 },
    { lanes: undefined },
    { more: 1 },
  ])("refuses Argon2id parameters with %j", (changes) => {
    const argon2id = { salt: "AAAA", memoryKib: 65_536, passes: 3, lanes: 1, ...changes };
    expect(parseSlot({ provider: { kind: "passphrase", argon2id } })).toThrow(malformed);
  });

  it("knows the file of an earlier aivault, and nothing else for it", () => {
    const legacy = { version: 1, provider: { type: "file", path: "/k" }, kekId: "00" };
    const parse = (changes: object) => () =>
      parseVaultFile(encodeUtf8(JSON.stringify({ ...legacy, ...changes }, null, 2)));
    expect(parse({})).toThrow(
      failure(
        "VAULT_LEGACY_FORMAT",
        "this vault was written by an earlier aivault and cannot be opened by this one",
      ),
    );
    for (const changes of [
      { format: "aivault" },
      { provider: "file" },
      { provider: { type: 1 } },
      { kekId: 0 },
      { provider: undefined },
    ]) {
      expect(parse(changes)).toThrow(failure("VAULT_TAMPERED", "is damaged or truncated"));
    }
    expect(() => parseVaultFile(encodeUtf8(" [] "))).toThrow(failure("VAULT_TAMPERED", "damaged"));
  });
});

describe("the MAC of vault.json", () => {
  it("G11: is over every member, under the vault's key", () => {
    expect(() => verifyVaultFile(file, ring)).not.toThrow();
    const changes: Partial<VaultFile>[] = [
      { dev: true },
      { vaultId: OTHER_VAULT },
      { createdAtMs: 3 },
      { updatedAtMs: 3 },
      { auditPublicKey: encodeBase64(new Uint8Array(32).fill(1)) },
      { slots: [] },
      { slots: [{ ...slot, createdAtMs: 6 }] },
      { mac: encodeBase64(new Uint8Array(32)) },
      { mac: "?" },
      { mac: "" },
    ];
    for (const change of changes) {
      expect(() => verifyVaultFile({ ...file, ...change }, ring)).toThrow(edited);
    }
    const other = KeyRing.create(VAULT, systemRandom, 1);
    expect(() => verifyVaultFile(file, other)).toThrow(edited);
  });

  it("is of the current vault key alone", () => {
    const next = ring.withNewVaultKey(systemRandom, 2);
    expect(() => verifyVaultFile(file, next)).toThrow(edited);
    const again = parseVaultFile(serializeVaultFile(content, next));
    expect(() => verifyVaultFile(again, next)).not.toThrow();
  });
});

describe("a key slot", () => {
  it("gives the ring to its KEK, and says that it is the one", () => {
    expect(slot).toMatchObject({ kekId: expect.stringMatching(/^[0-9a-f]{32}$/), createdAtMs: 5 });
    expect(slotAccepts(VAULT, slot, kek)).toBe(true);
    expect(openSlot(VAULT, slot, kek).serialize()).toEqual(ring.serialize());
  });

  it("has a check of the KEK, its id and the vault", () => {
    const key = deriveKey(kek, VAULT, LABELS.kekCheck);
    const check = new Mac(key, [LABELS.kekCheck, VAULT]).compute([slot.kekId]);
    expect(slot.check).toBe(encodeBase64(check));
  });

  it("G11: accepts no other key, id, vault or check", () => {
    for (let bit = 0; bit < 256; bit += 17) {
      const other = kek.with(bit >> 3, (kek[bit >> 3] as number) ^ (1 << (bit & 7)));
      expect(slotAccepts(VAULT, slot, other)).toBe(false);
    }
    expect(slotAccepts(OTHER_VAULT, slot, kek)).toBe(false);
    expect(slotAccepts(VAULT, { ...slot, kekId: "00".repeat(16) }, kek)).toBe(false);
    const check = decodeBase64(slot.check) as Uint8Array;
    for (const wrong of [
      "",
      "?",
      encodeBase64(check.subarray(1)),
      encodeBase64(check.with(9, 1)),
    ]) {
      expect(slotAccepts(VAULT, { ...slot, check: wrong }, kek)).toBe(false);
    }
  });

  it.each([
    ["another KEK id", { kekId: "00".repeat(16) }],
    ["another provider", { provider: { kind: "file", path: "/other" } }],
    ["another time", { createdAtMs: 6 }],
    ["an empty ring", { ring: "" }],
    ["another ring", { ring: encodeBase64(new Uint8Array(100)) }],
  ] as const)("G11: with %s does not open", (_, changes) => {
    expect(() => openSlot(VAULT, { ...slot, ...changes }, kek)).toThrow(edited);
  });

  it("G11: does not open with another key or in another vault", () => {
    expect(() => openSlot(VAULT, slot, new Uint8Array(32))).toThrow(edited);
    expect(() => openSlot(OTHER_VAULT, slot, kek)).toThrow(edited);
  });

  it("with a ring that is none says so", () => {
    const impostor = { serialize: () => Uint8Array.of(1, 0) } as unknown as KeyRing;
    const bad = createSlot(VAULT, kek, provider, impostor, systemRandom, 5);
    expect(() => openSlot(VAULT, bad, kek)).toThrow(
      failure("VAULT_TAMPERED", "holds a malformed key ring"),
    );
  });

  it("is sealed again with another ring under the key that a session keeps", () => {
    const key = slotKey(VAULT, kek);
    expect(key).toEqual(deriveKey(kek, VAULT, LABELS.ring));
    const next = ring.withNewVaultKey(systemRandom, 2);
    const resealed = resealSlot(VAULT, slot, key, next, systemRandom);
    expect(resealed).toEqual({ ...slot, ring: expect.any(String) });
    expect(resealed.ring).not.toBe(slot.ring);
    expect(openSlot(VAULT, resealed, kek).serialize()).toEqual(next.serialize());
  });

  it("G23: wipes the ring's bytes and borrows the KEK", () => {
    const bytes = ring.serialize();
    const lending = { serialize: () => bytes } as unknown as KeyRing;
    createSlot(VAULT, kek, provider, lending, systemRandom, 5);
    expect(bytes).toEqual(new Uint8Array(bytes.length));
    expect(kek).toEqual(new Uint8Array(32).fill(7));
  });
});
