import { describe, expect, it } from "vitest";
import { bareSession } from "../test/support.ts";
import { encodeBase64, encodeUtf8 } from "./bytes.ts";
import { openSecret, secretFile } from "./record.ts";
import { sha256 } from "./sha256.ts";

const code = (expected: string) => expect.objectContaining({ code: expected });
const tampered = (subject: string, message: string) =>
  expect.objectContaining({
    code: "VAULT_TAMPERED",
    subject,
    message: `\`${subject}\` ${message}; restore it from a backup`,
  });

async function withSecret() {
  const bare = await bareSession();
  const { secretId } = await bare.transaction((tx) =>
    tx.createSecret({ name: "A", value: encodeUtf8("v") }),
  );
  const digest = (await bare.session.tree.get("secrets", secretId)) as string;
  return { ...bare, secretId, digest, key: secretFile(secretId) };
}

describe("Session", () => {
  it("loads a secret by the digest that the manifest gives", async () => {
    const { session, secretId, digest } = await withSecret();
    const loaded = await session.loadSecret(secretId, digest);
    expect(loaded.metadata).toMatchObject({ secretId, name: "A", valueVersion: 1 });
    expect(openSecret(loaded.record, loaded.metadata, session.vaultId, session.ring)).toEqual(
      encodeUtf8("v"),
    );
  });

  it("reads a secret once, and again when it is told to", async () => {
    const { session, store, secretId, digest, key } = await withSecret();
    expect(session.cachedSecret(secretId, digest)).toBeNull();
    const loaded = await session.loadSecret(secretId, digest);
    expect(session.cachedSecret(secretId, digest)).toBe(loaded);
    await store.commit([{ key, bytes: null }]);
    expect(await session.loadSecret(secretId, digest)).toBe(loaded);
    expect(await session.loadSecret(secretId, digest, { fresh: false })).toBe(loaded);
    await expect(session.loadSecret(secretId, digest, { fresh: true })).rejects.toEqual(
      tampered(key, "is missing"),
    );
  });

  it("G11: gives nothing that has another digest than the manifest says, read before or not", async () => {
    const { session, store, secretId, digest, key } = await withSecret();
    await session.loadSecret(secretId, digest);
    const other = encodeBase64(sha256(encodeUtf8("other")));
    expect(session.cachedSecret(secretId, other)).toBeNull();
    expect(session.cachedSecret(secretId, null)).toBeNull();
    expect(session.cachedSecret("another", digest)).toBeNull();
    const changed = tampered(key, "was changed outside the vault");
    await expect(session.loadSecret(secretId, other)).rejects.toEqual(changed);
    await store.commit([{ key, bytes: encodeUtf8("{}\n") }]);
    await expect(session.loadSecret(secretId, digest, { fresh: true })).rejects.toEqual(changed);
    expect(session.cachedSecret(secretId, digest)).not.toBeNull();
  });

  it("keeps the record that it read last", async () => {
    const { session, transaction, secretId, digest } = await withSecret();
    await session.loadSecret(secretId, digest);
    await transaction((tx) => tx.rotateSecret(secretId, encodeUtf8("w")));
    const next = (await session.tree.get("secrets", secretId)) as string;
    expect(next).not.toBe(digest);
    expect(session.cachedSecret(secretId, next)).toBeNull();
    const loaded = await session.loadSecret(secretId, next);
    expect(loaded.metadata.valueVersion).toBe(2);
    expect(session.cachedSecret(secretId, next)).toBe(loaded);
    expect(session.cachedSecret(secretId, digest)).toBeNull();
  });

  it("keeps 2048 secrets, and lets go of the one that was read first", async () => {
    const { session, transaction } = await bareSession();
    const value = encodeUtf8("v");
    const ids = await transaction(async (tx) => {
      const made: string[] = [];
      for (let n = 0; n < 2049; n += 1) {
        made.push((await tx.createSecret({ name: `K${n}`, value })).secretId);
      }
      return made;
    });
    const digests = new Map<string, string>();
    for (const id of ids) digests.set(id, (await session.tree.get("secrets", id)) as string);
    const load = (id: string) => session.loadSecret(id, digests.get(id) as string);
    const held = (id: string) => session.cachedSecret(id, digests.get(id) as string) !== null;
    for (const id of ids.slice(0, 2048)) await load(id);
    expect(ids.slice(0, 2048).every(held)).toBe(true);
    // Reading one again from the store makes it the last that was read.
    const [first, second, last] = [ids[0], ids[1], ids[2048]] as [string, string, string];
    await session.loadSecret(first, digests.get(first) as string, { fresh: true });
    await load(last);
    expect([held(first), held(second), held(last)]).toEqual([true, false, true]);
  });

  it("loads a document by the digest that the manifest gives, and no other", async () => {
    const { session, store, transaction } = await bareSession();
    await transaction((tx) => tx.putDocument("policy", "p", { a: 1 }));
    const [handle, digest] = [...(await session.tree.shard("policy", ""))][0] as [string, string];
    const { document } = await session.loadDocument("policy", handle, digest);
    expect(document).toMatchObject({ kind: "policy", id: "p", revision: 1, value: { a: 1 } });
    const key = `documents/policy/${handle}.json`;
    await store.commit([{ key, bytes: encodeUtf8("{}\n") }]);
    await expect(session.loadDocument("policy", handle, digest)).rejects.toEqual(
      tampered(key, "was changed outside the vault"),
    );
    await store.commit([{ key, bytes: null }]);
    await expect(session.loadDocument("policy", handle, digest)).rejects.toEqual(
      tampered(key, "is missing"),
    );
  });

  it("G19: gives nothing that it read while the vault was being locked", async () => {
    const { session, secretId, digest } = await withSecret();
    expect(() => session.requireOpen()).not.toThrow();
    const reading = session.loadSecret(secretId, digest);
    session.close();
    await expect(reading).rejects.toEqual(code("VAULT_LOCKED"));
    expect(() => session.requireOpen()).toThrow(
      expect.objectContaining({
        code: "VAULT_LOCKED",
        message: "the vault is locked; unlock it first",
      }),
    );
  });

  it("G23: forgets every key and every record when it is closed", async () => {
    const { session, secretId, digest, wiped } = await withSecret();
    await session.loadSecret(secretId, digest);
    const slotKey = new Uint8Array(32).fill(9);
    session.slotKeys.set("kek", slotKey);
    const { dek } = session.ring.current;
    session.close();
    expect(slotKey).toEqual(new Uint8Array(32));
    expect(dek).toEqual(new Uint8Array(32));
    expect(session.slotKeys.size).toBe(0);
    expect(session.cachedSecret(secretId, digest)).toBeNull();
    expect(wiped()).toBe(1);
    expect(session.closed).toBe(true);
  });
});
