import { describe, expect, it } from "vitest";
import {
  addSecret,
  bareSession,
  constantKeyProvider,
  createVault,
  handClock,
} from "../test/support.ts";
import { encodeUtf8 } from "./bytes.ts";
import { MemoryStore } from "./memory-store.ts";
import { nameEntry } from "./record.ts";
import type { Session } from "./session.ts";
import type { Vault } from "./vault.ts";
import { verifyRecords } from "./verify.ts";

const OTHER_ID = "00000000-0000-4000-8000-000000000000";

const scope = { kind: "workspace", workspaceId: "w" } as const;

async function filled() {
  const store = new MemoryStore();
  const now = handClock();
  const vault = await createVault(store, constantKeyProvider(), now);
  const ids = await vault.transaction(async (tx) => {
    const value = encodeUtf8("v");
    const first = await tx.createSecret({ name: "A", aliases: ["B", "C"], value });
    const second = await tx.createSecret({ name: "A", scope, value });
    const gone = await tx.createSecret({ name: "GONE", aliases: ["LOST"], value });
    await tx.deleteSecret(gone.secretId);
    await tx.putDocument("policy", "p", { a: 1 });
    await tx.putDocument("state", "s", { b: 2 });
    return [first.secretId, second.secretId, gone.secretId] as const;
  });
  return { store, vault, ids, now };
}

const put = (store: MemoryStore, key: string, bytes: Uint8Array | null) =>
  store.commit([{ key, bytes }]);
const flip = async (store: MemoryStore, key: string) => {
  const bytes = (await store.get(key))?.bytes as Uint8Array;
  await put(store, key, bytes.with(40, (bytes[40] as number) ^ 1));
};
const problem = (subject: string, text: string) => ({
  subject,
  problem: expect.stringContaining(text),
});

/** What is found after a key was damaged, with the damage undone again. */
async function after(
  { store, vault }: { store: MemoryStore; vault: Vault },
  key: string,
  damage: (store: MemoryStore, key: string) => Promise<unknown>,
) {
  const before = (await store.get(key))?.bytes ?? null;
  await damage(store, key);
  const found = await vault.verify();
  await put(store, key, before);
  expect(await vault.verify()).toMatchObject({ ok: true });
  return found;
}

/** A session with one secret of three names, whose index of names was changed, and committed so. */
async function sessionWith(change: (names: Map<string, string>) => void): Promise<Session> {
  const bare = await bareSession();
  const { secretId } = await bare.transaction((tx) =>
    tx.createSecret({ name: "A", aliases: ["B", "C"], value: encodeUtf8("v") }),
  );
  const { session } = bare;
  const names = new Map(await session.tree.shard("names", ""));
  expect([...names.values()]).toEqual([secretId, secretId, secretId]);
  expect(names.get(nameEntry(session.ring, { kind: "global" }, "B"))).toBe(secretId);
  const before = [...names.keys()];
  change(names);
  const edit = session.tree.edit();
  for (const key of before) await edit.delete("names", key);
  for (const [key, value] of names) await edit.set("names", key, value);
  await bare.commit(edit.finish());
  return session;
}

const removed = (store: MemoryStore, key: string) => put(store, key, null);

describe("verify", () => {
  it("counts what is intact: secrets, deleted ones too, and documents of every kind", async () => {
    const { vault } = await filled();
    expect(await vault.verify()).toEqual({
      ok: true,
      secrets: 3,
      documents: 2,
      problems: [],
      foreign: [],
    });
  });

  it("G11: names a secret that is missing or changed, and counts the others", async () => {
    const world = await filled();
    for (const id of world.ids) {
      const key = `secrets/${id}.json`;
      expect(await after(world, key, flip)).toEqual({
        ok: false,
        secrets: 2,
        documents: 2,
        problems: [problem(key, "was changed outside the vault; restore it from a backup")],
        foreign: [],
      });
      expect(await after(world, key, removed)).toMatchObject({
        ok: false,
        secrets: 2,
        problems: [problem(key, "is missing; restore it from a backup")],
      });
    }
  });

  it("G11: reads from the store, whatever was read before", async () => {
    const world = await filled();
    await world.vault.useSecret(world.ids[0], () => null);
    expect(await after(world, `secrets/${world.ids[0]}.json`, flip)).toMatchObject({ ok: false });
  });

  it("G11: names a document that is missing or changed, and counts the others", async () => {
    const world = await filled();
    const [key = ""] = (await world.store.list("documents/policy/")).items;
    for (const damage of [flip, removed]) {
      expect(await after(world, key, damage)).toMatchObject({
        ok: false,
        secrets: 3,
        documents: 1,
        problems: [{ subject: key }],
      });
    }
  });

  it("G11: names a shard, of secrets, names and documents", async () => {
    const world = await filled();
    for (const name of ["secrets", "names", "policy"]) {
      const key = `manifest/${name}/all.json`;
      for (const damage of [flip, removed]) {
        const { ok, problems } = await after(world, key, damage);
        expect(ok).toBe(false);
        expect(problems).toContainEqual(expect.objectContaining({ subject: key }));
      }
    }
  });

  it("G11: names the root, its head and vault.json", async () => {
    const world = await filled();
    for (const [key, subject] of [
      ["manifest/root.json", "manifest/root.json"],
      ["manifest/head.json", "manifest/head.json"],
      ["vault.json", "vault.json"],
    ] as const) {
      for (const damage of [flip, removed]) {
        expect(await after(world, key, damage)).toMatchObject({
          ok: false,
          secrets: 3,
          documents: 2,
          problems: [{ subject }],
          foreign: [],
        });
      }
    }
  });

  it("says when the index of names does not fit the secrets", async () => {
    const changes: ((names: Map<string, string>) => void)[] = [
      (names) => names.delete([...names.keys()][0] as string),
      (names) => names.set("0".repeat(32), [...names.values()][0] as string),
      (names) => {
        // As many as there should be, one of them under another name.
        const [first] = [...names] as [[string, string]];
        names.delete(first[0]);
        names.set("0".repeat(32), first[1]);
      },
      (names) => names.set([...names.keys()][0] as string, OTHER_ID),
    ];
    for (const change of changes) {
      const session = await sessionWith(change);
      expect(await verifyRecords(session)).toMatchObject({
        ok: false,
        secrets: 1,
        problems: [
          {
            subject: "manifest/names",
            problem: "the index of names does not fit the secrets",
          },
        ],
      });
    }
    expect(await verifyRecords(await sessionWith(() => {}))).toMatchObject({
      ok: true,
      secrets: 1,
    });
  });

  it("lists what nobody put there, wherever records are, and calls it no problem", async () => {
    const { store, vault } = await filled();
    const foreign = [
      "secrets/extra.json",
      "manifest/extra.json",
      "manifest/secrets/a0.json",
      "documents/policy/extra.json",
      "documents/binding/extra.json",
    ];
    for (const key of foreign) await put(store, key, encodeUtf8("{}"));
    await put(store, "elsewhere.json", encodeUtf8("{}"));
    const found = await vault.verify();
    expect(found).toMatchObject({ ok: true, problems: [], secrets: 3, documents: 2 });
    expect([...found.foreign].sort()).toEqual([...foreign].sort());
  });

  it("lists a thousand foreign files and more", async () => {
    const { store, vault } = await filled();
    await store.commit(
      Array.from({ length: 1500 }, (_, n) => ({
        key: `secrets/foreign-${n}.json`,
        bytes: encodeUtf8("{}"),
      })),
    );
    expect((await vault.verify()).foreign).toHaveLength(1500);
  });

  it("does not hide that the store itself fails", async () => {
    class Broken extends MemoryStore {
      failing = false;
      override async list(...call: Parameters<MemoryStore["list"]>) {
        if (this.failing) throw new TypeError("a fault of the program");
        return super.list(...call);
      }
      override async get(key: string) {
        if (this.failing && key.startsWith("secrets/")) throw new TypeError("another fault");
        return super.get(key);
      }
    }
    const store = new Broken();
    const vault = await createVault(store);
    await addSecret(vault, "A");
    store.failing = true;
    await expect(vault.verify()).rejects.toThrow("another fault");
  });
});
