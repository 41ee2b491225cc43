import { describe, expect, it } from "vitest";
import { type BareSession, bareSession } from "../test/support.ts";
import { encodeUtf8 } from "./bytes.ts";
import type { DOCUMENT_KINDS } from "./identifiers.ts";
import type { JsonValue } from "./json.ts";
import { systemRandom } from "./node/index.ts";
import { documentHandle, nameEntry, openSecret, secretFile } from "./record.ts";
import {
  DOCUMENT_BYTES_MAX,
  type NewSecret,
  type SecretChange,
  Transaction,
  VALUE_BYTES_MAX,
  type VaultTransaction,
} from "./transaction.ts";

const value = encodeUtf8("v");
const ABSENT = "00000000-0000-4000-8000-000000000000";
const GLOBAL = { kind: "global" } as const;
const failure = (code: string, message = "") =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

const create = (bare: BareSession, input: Partial<NewSecret> = {}) =>
  bare.transaction((tx) => tx.createSecret({ name: "A", value, ...input }));
const update = (bare: BareSession, secretId: string, change: SecretChange) =>
  bare.transaction((tx) => tx.updateSecret(secretId, change));
const find = (bare: BareSession, name: string, scope: NewSecret["scope"] = GLOBAL) =>
  bare.transaction((tx) => tx.findSecret(name, scope ?? GLOBAL));

/** The value that is stored, as text. */
async function stored({ session }: BareSession, secretId: string): Promise<string> {
  const digest = (await session.tree.get("secrets", secretId)) as string;
  const { record, metadata } = await session.loadSecret(secretId, digest, { fresh: true });
  const opened = openSecret(record, metadata, session.vaultId, session.ring);
  return new TextDecoder().decode(opened);
}

describe("createSecret", () => {
  it("fills in what is left out, and takes what is given", async () => {
    const bare = await bareSession();
    const plain = await create(bare);
    expect(plain).toEqual({
      secretId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      name: "A",
      aliases: [],
      scope: GLOBAL,
      pinnedProvider: null,
      valueVersion: 1,
      attachedGroups: [],
      createdAtMs: bare.now(),
      updatedAtMs: bare.now(),
      deletedAtMs: null,
    });
    const scope = { kind: "group", workspaceId: "w", groupId: "g" } as const;
    const full = await create(bare, {
      aliases: ["c", "b", "A", "b"],
      scope,
      pinnedProvider: "openai",
    });
    expect(full).toMatchObject({ aliases: ["b", "c"], scope, pinnedProvider: "openai" });
    expect(await stored(bare, full.secretId)).toBe("v");
    expect(await find(bare, "c", scope)).toEqual(full);
    expect(await find(bare, "c")).toBeNull();
  });

  it("takes values of one byte to a mebibyte", async () => {
    const bare = await bareSession();
    await create(bare, { value: new Uint8Array(VALUE_BYTES_MAX) });
    for (const length of [0, VALUE_BYTES_MAX + 1]) {
      await expect(create(bare, { name: "B", value: new Uint8Array(length) })).rejects.toEqual(
        failure(
          "VAULT_INVALID_INPUT",
          `a secret value has 1 to 1048576 bytes, this one has ${length}`,
        ),
      );
    }
    const text = create(bare, { name: "B", value: "text" as unknown as Uint8Array });
    await expect(text).rejects.toThrow(new TypeError("a secret value is a Uint8Array"));
  });

  it("takes 32 aliases, each a name", async () => {
    const bare = await bareSession();
    const names = Array.from({ length: 33 }, (_, n) => `ALIAS_${n}`);
    const { aliases } = await create(bare, { aliases: names.slice(0, 32) });
    expect(aliases).toHaveLength(32);
    for (const wrong of [names, "A" as unknown as string[]]) {
      await expect(create(bare, { name: "B", aliases: wrong })).rejects.toEqual(
        failure("VAULT_INVALID_INPUT", "a secret has at most 32 aliases"),
      );
    }
    await expect(create(bare, { name: "B", aliases: [" x"] })).rejects.toEqual(
      failure("VAULT_INVALID_INPUT", "a secret's alias must not"),
    );
  });

  it.each([
    { name: "" },
    { scope: { kind: "planet" } as unknown as typeof GLOBAL },
    { scope: { kind: "workspace", workspaceId: "" } as const },
    { pinnedProvider: "a b" },
  ])("refuses %j", async (input) => {
    await expect(create(await bareSession(), input)).rejects.toEqual(
      failure("VAULT_INVALID_INPUT"),
    );
  });

  it("names the provider in a refusal of one", async () => {
    await expect(create(await bareSession(), { pinnedProvider: "" })).rejects.toThrow(
      "a provider id is 1 to 128",
    );
  });

  it("refuses a name or alias that another secret of the scope has, and says which", async () => {
    const bare = await bareSession();
    await create(bare, { aliases: ["B"] });
    for (const input of [{ name: "A" }, { name: "B" }, { name: "C", aliases: ["A"] }]) {
      const taken = input.aliases?.[0] ?? input.name;
      await expect(create(bare, input)).rejects.toEqual(
        failure("VAULT_SECRET_EXISTS", `a secret named \`${taken}\` exists in this scope`),
      );
    }
    const workspace = { kind: "workspace", workspaceId: "w" } as const;
    await create(bare, { scope: workspace });
  });

  it("leaves nothing when it is refused", async () => {
    const bare = await bareSession();
    await create(bare);
    await bare.transaction(async (tx) => {
      await tx.createSecret({ name: "C", aliases: ["A"], value }).catch(() => {});
    });
    expect(await find(bare, "C")).toBeNull();
    expect(bare.session.tree.collection("secrets").count).toBe(1);
  });
});

describe("updateSecret", () => {
  it("renames, keeps the aliases, and frees the old name", async () => {
    const bare = await bareSession();
    const { secretId } = await create(bare, { aliases: ["B", "C"] });
    bare.now.ms += 5;
    const renamed = await update(bare, secretId, { name: "B" });
    expect(renamed).toMatchObject({ name: "B", aliases: ["C"], updatedAtMs: bare.now() });
    expect(renamed.createdAtMs).toBe(bare.now() - 5);
    expect(await find(bare, "A")).toBeNull();
    expect(await find(bare, "C")).toEqual(renamed);
    expect(await stored(bare, secretId)).toBe("v");
    expect(bare.session.tree.collection("names").count).toBe(2);
  });

  it("replaces all aliases", async () => {
    const bare = await bareSession();
    const { secretId } = await create(bare, { aliases: ["B"] });
    expect(await update(bare, secretId, { aliases: ["D", "C"] })).toMatchObject({
      aliases: ["C", "D"],
    });
    expect(await find(bare, "B")).toBeNull();
    expect(await find(bare, "D")).toMatchObject({ secretId });
  });

  it("does not take a name that is another's, and then changes nothing", async () => {
    const bare = await bareSession();
    await create(bare, { name: "TAKEN" });
    const { secretId } = await create(bare);
    await bare.transaction(async (tx) => {
      for (const change of [{ name: "TAKEN" }, { aliases: ["TAKEN"] }, { name: " " }]) {
        await expect(tx.updateSecret(secretId, change)).rejects.toThrow();
      }
    });
    expect(await find(bare, "A")).toMatchObject({ secretId });
  });

  it("pins once, and the value goes on opening", async () => {
    const bare = await bareSession();
    const { secretId } = await create(bare);
    expect(await update(bare, secretId, { pinnedProvider: "openai" })).toMatchObject({
      pinnedProvider: "openai",
    });
    expect(await stored(bare, secretId)).toBe("v");
    await update(bare, secretId, { pinnedProvider: "openai" });
    await expect(update(bare, secretId, { pinnedProvider: "github" })).rejects.toEqual(
      failure(
        "VAULT_INVALID_INPUT",
        `secret \`${secretId}\` is pinned to \`openai\`; a pin cannot change, create another secret`,
      ),
    );
    await expect(update(bare, secretId, { pinnedProvider: "" })).rejects.toThrow(
      "a provider id is 1 to 128",
    );
    expect((await find(bare, "A"))?.pinnedProvider).toBe("openai");
  });

  it("keeps the sealed value where nothing that it is bound to changes", async () => {
    const bare = await bareSession();
    const { secretId } = await create(bare);
    const record = async () => {
      const bytes = (await bare.store.get(secretFile(secretId)))?.bytes;
      return JSON.parse(new TextDecoder().decode(bytes));
    };
    const before = await record();
    await update(bare, secretId, { name: "B" });
    const after = await record();
    expect([after.dek, after.value]).toEqual([before.dek, before.value]);
    expect(after.metadata).not.toBe(before.metadata);
    await update(bare, secretId, { pinnedProvider: "p" });
    expect((await record()).value).not.toBe(before.value);
  });
});

describe("a secret's life", () => {
  it("goes on with a new value under the next version", async () => {
    const bare = await bareSession();
    const { secretId } = await create(bare);
    bare.now.ms += 9;
    const rotated = await bare.transaction((tx) => tx.rotateSecret(secretId, encodeUtf8("w")));
    expect(rotated).toMatchObject({ valueVersion: 2, updatedAtMs: bare.now() });
    expect(await stored(bare, secretId)).toBe("w");
    await expect(
      bare.transaction((tx) => tx.rotateSecret(secretId, new Uint8Array())),
    ).rejects.toEqual(failure("VAULT_INVALID_INPUT"));
  });

  it("ends with the value gone, the name free and the metadata kept", async () => {
    const bare = await bareSession();
    const { secretId } = await create(bare, { aliases: ["B"] });
    bare.now.ms += 9;
    const deleted = await bare.transaction((tx) => tx.deleteSecret(secretId));
    expect(deleted).toMatchObject({ deletedAtMs: bare.now(), updatedAtMs: bare.now() });
    const file = JSON.parse(
      new TextDecoder().decode((await bare.store.get(secretFile(secretId)))?.bytes),
    );
    expect([file.dek, file.value]).toEqual([null, null]);
    expect(await find(bare, "A")).toBeNull();
    expect(bare.session.tree.collection("names")).toMatchObject({ count: 0 });
    const again = await create(bare, { aliases: ["B"] });
    expect(await find(bare, "B")).toEqual(again);
    expect(await bare.transaction((tx) => tx.getSecret(secretId))).toEqual(deleted);
  });

  it("is over for every change once it is deleted", async () => {
    const bare = await bareSession();
    const { secretId } = await create(bare);
    await bare.transaction((tx) => tx.deleteSecret(secretId));
    const group = { workspaceId: "w", groupId: "g" };
    const changes: ((tx: VaultTransaction) => Promise<unknown>)[] = [
      (tx) => tx.updateSecret(secretId, { name: "B" }),
      (tx) => tx.rotateSecret(secretId, value),
      (tx) => tx.deleteSecret(secretId),
      (tx) => tx.attachGroup(secretId, group),
      (tx) => tx.detachGroup(secretId, group),
    ];
    for (const change of changes) {
      await expect(bare.transaction(change)).rejects.toEqual(
        failure("VAULT_SECRET_DELETED", `secret \`${secretId}\` was deleted; create a new one`),
      );
    }
  });

  it("leaves no trace when it is purged, deleted before or not", async () => {
    const bare = await bareSession();
    const first = await create(bare, { name: "A", aliases: ["B"] });
    const second = await create(bare, { name: "C" });
    await bare.transaction((tx) => tx.deleteSecret(second.secretId));
    const third = await create(bare, { name: "C" });
    for (const { secretId } of [first, second]) {
      await bare.transaction(async (tx) => {
        await tx.purgeSecret(secretId);
        await expect(tx.getSecret(secretId)).rejects.toEqual(failure("VAULT_SECRET_NOT_FOUND"));
        await expect(tx.purgeSecret(secretId)).rejects.toEqual(failure("VAULT_SECRET_NOT_FOUND"));
      });
      expect(await bare.store.get(secretFile(secretId))).toBeNull();
    }
    // Its names, and nobody else's, are free.
    expect(await find(bare, "A")).toBeNull();
    expect(await find(bare, "B")).toBeNull();
    expect(await find(bare, "C")).toEqual(third);
    expect(bare.session.tree.collection("secrets").count).toBe(1);
  });

  it("is not there for ids that nobody has, and ids must be ids", async () => {
    const bare = await bareSession();
    await expect(bare.transaction((tx) => tx.getSecret(ABSENT))).rejects.toEqual(
      failure("VAULT_SECRET_NOT_FOUND", `there is no secret \`${ABSENT}\``),
    );
    await expect(bare.transaction((tx) => tx.getSecret("../x"))).rejects.toEqual(
      failure("VAULT_INVALID_INPUT"),
    );
    await expect(find(bare, " ")).rejects.toEqual(failure("VAULT_INVALID_INPUT"));
    await expect(find(bare, "A", { kind: "x" } as unknown as typeof GLOBAL)).rejects.toEqual(
      failure("VAULT_INVALID_INPUT"),
    );
  });
});

describe("groups", () => {
  const group = (workspaceId: string, groupId: string) => ({ workspaceId, groupId });

  it("are attached and detached once each, and kept in order", async () => {
    const bare = await bareSession();
    const { secretId } = await create(bare);
    const attach = (workspaceId: string, groupId: string) =>
      bare.transaction((tx) => tx.attachGroup(secretId, group(workspaceId, groupId)));
    await attach("b", "x");
    await attach("a", "z");
    await attach("b", "a");
    bare.now.ms += 3;
    const last = await attach("a", "b");
    expect(last.attachedGroups).toEqual([
      group("a", "b"),
      group("a", "z"),
      group("b", "a"),
      group("b", "x"),
    ]);
    expect(last.updatedAtMs).toBe(bare.now());
    bare.now.ms += 3;
    // Already attached: nothing changes, the time neither.
    expect(await attach("b", "a")).toEqual(last);
    const detach = (workspaceId: string, groupId: string) =>
      bare.transaction((tx) => tx.detachGroup(secretId, group(workspaceId, groupId)));
    expect(await detach("b", "z")).toEqual(last);
    expect((await detach("b", "a")).attachedGroups).toEqual([
      group("a", "b"),
      group("a", "z"),
      group("b", "x"),
    ]);
    expect((await detach("a", "b")).attachedGroups).toEqual([group("a", "z"), group("b", "x")]);
    expect(await stored(bare, secretId)).toBe("v");
  });

  it("have well-formed ids", async () => {
    const bare = await bareSession();
    const { secretId } = await create(bare);
    for (const wrong of [group("", "g"), group("w", "g/h")]) {
      await expect(bare.transaction((tx) => tx.attachGroup(secretId, wrong))).rejects.toEqual(
        failure("VAULT_INVALID_INPUT"),
      );
    }
  });

  it("are at most 1024", async () => {
    const bare = await bareSession();
    const { secretId } = await create(bare);
    await bare.transaction(async (tx) => {
      for (let n = 0; n < 1024; n += 1) await tx.attachGroup(secretId, group("w", `g${n}`));
      await expect(tx.attachGroup(secretId, group("w", "one-more"))).rejects.toEqual(
        failure("VAULT_INVALID_INPUT", "a secret is attached to at most 1024 groups"),
      );
      await tx.attachGroup(secretId, group("w", "g7"));
    });
    expect((await find(bare, "A"))?.attachedGroups).toHaveLength(1024);
  });
});

describe("documents", () => {
  const put = (bare: BareSession, json: JsonValue, expectedRevision?: number | null) =>
    bare.transaction((tx) =>
      tx.putDocument(
        "policy",
        "p",
        json,
        expectedRevision === undefined ? {} : { expectedRevision },
      ),
    );

  it("count their revisions, and start again once deleted", async () => {
    const bare = await bareSession();
    const first = await put(bare, { a: 1 });
    expect(first).toEqual({
      kind: "policy",
      id: "p",
      revision: 1,
      value: { a: 1 },
      updatedAtMs: bare.now(),
    });
    expect((await put(bare, { a: 2 })).revision).toBe(2);
    expect(await bare.transaction((tx) => tx.getDocument("policy", "p"))).toMatchObject({
      revision: 2,
      value: { a: 2 },
    });
    expect(await bare.transaction((tx) => tx.deleteDocument("policy", "p"))).toBe(true);
    expect(await bare.transaction((tx) => tx.getDocument("policy", "p"))).toBeNull();
    expect(await bare.transaction((tx) => tx.deleteDocument("policy", "p"))).toBe(false);
    expect(await bare.store.list("documents/")).toMatchObject({ items: [] });
    expect((await put(bare, null)).revision).toBe(1);
  });

  it("are put only where the expected revision is stored", async () => {
    const bare = await bareSession();
    await expect(put(bare, 1, 1)).rejects.toEqual(
      failure("VAULT_REVISION_CONFLICT", "policy `p` was changed by someone else: there is none"),
    );
    expect((await put(bare, 1, null)).revision).toBe(1);
    for (const expected of [null, 0, 2]) {
      await expect(put(bare, 2, expected)).rejects.toEqual(
        failure(
          "VAULT_REVISION_CONFLICT",
          "policy `p` was changed by someone else: revision 1 is stored",
        ),
      );
    }
    expect((await put(bare, 2, 1)).revision).toBe(2);
  });

  it("are seen by their own transaction before anyone else", async () => {
    const bare = await bareSession();
    await bare.transaction(async (tx) => {
      await tx.putDocument("policy", "p", [1]);
      expect((await tx.getDocument("policy", "p"))?.value).toEqual([1]);
      expect((await tx.putDocument("policy", "p", [2], { expectedRevision: 1 })).revision).toBe(2);
      await tx.deleteDocument("policy", "p");
      expect(await tx.getDocument("policy", "p")).toBeNull();
      expect((await tx.putDocument("policy", "p", [3], { expectedRevision: null })).revision).toBe(
        1,
      );
      expect(bare.session.tree.collection("policy").count).toBe(0);
    });
    expect(bare.session.tree.collection("policy").count).toBe(1);
  });

  it("are copies of what was given, in plain JSON of at most 4 MiB", async () => {
    const bare = await bareSession();
    const given = { list: [1] };
    const document = await put(bare, given);
    given.list.push(2);
    expect(document.value).toEqual({ list: [1] });
    const text = "x".repeat(DOCUMENT_BYTES_MAX - 2);
    await put(bare, text);
    await expect(put(bare, `${text}x`)).rejects.toEqual(
      failure("VAULT_INVALID_INPUT", "a document has at most 4194304 bytes"),
    );
    for (const wrong of [undefined, Number.NaN, () => 1, new Map()]) {
      const refused = await put(bare, wrong as unknown as JsonValue).catch((error) => error);
      expect(refused).toEqual(failure("VAULT_INVALID_INPUT", "a document must be plain JSON"));
      expect(refused.cause).toBeInstanceOf(TypeError);
    }
  });

  it("have a known kind and a well-formed id", async () => {
    const bare = await bareSession();
    const refused = failure("VAULT_INVALID_INPUT");
    for (const [kind, id] of [
      ["poem", "p"],
      ["policy", ""],
    ] as [(typeof DOCUMENT_KINDS)[number], string][]) {
      const calls: ((tx: VaultTransaction) => Promise<unknown>)[] = [
        (tx) => tx.getDocument(kind, id),
        (tx) => tx.putDocument(kind, id, 1),
        (tx) => tx.deleteDocument(kind, id),
      ];
      for (const call of calls) await expect(bare.transaction(call)).rejects.toEqual(refused);
    }
  });

  it("that are damaged can still be deleted", async () => {
    const bare = await bareSession();
    await put(bare, 1);
    const handle = documentHandle(bare.session.ring, "policy", "p");
    const key = `documents/policy/${handle}.json`;
    await bare.store.commit([{ key, bytes: encodeUtf8("{}") }]);
    await expect(bare.transaction((tx) => tx.getDocument("policy", "p"))).rejects.toEqual(
      failure("VAULT_TAMPERED"),
    );
    expect(await bare.transaction((tx) => tx.deleteDocument("policy", "p"))).toBe(true);
    expect(await bare.store.get(key)).toBeNull();
  });
});

describe("a transaction", () => {
  const begin = (bare: BareSession) => new Transaction(bare.session, systemRandom, bare.now);

  it("that changed nothing has nothing to commit", async () => {
    const bare = await bareSession();
    const { secretId } = await create(bare);
    const transaction = begin(bare);
    await transaction.getSecret(secretId);
    await transaction.findSecret("A", GLOBAL);
    await transaction.getDocument("policy", "p");
    await transaction.end();
    expect(transaction.finish()).toBeNull();
  });

  it("commits records and shards together", async () => {
    const bare = await bareSession();
    const transaction = begin(bare);
    const { secretId } = await transaction.createSecret({ name: "A", value });
    await transaction.end();
    const { changes, collections } = transaction.finish() ?? { changes: [], collections: {} };
    expect(changes.map(({ key }) => key).sort()).toEqual([
      "manifest/names/all.json",
      "manifest/secrets/all.json",
      secretFile(secretId),
    ]);
    expect(Object.keys(collections).sort()).toEqual(["names", "secrets"]);
    expect(await bare.store.list("secrets/")).toMatchObject({ items: [] });
  });

  it("runs calls one after another, awaited or not", async () => {
    const bare = await bareSession();
    const results = await bare.transaction((tx) =>
      Promise.allSettled([
        tx.createSecret({ name: "A", value }),
        tx.createSecret({ name: "A", value }),
        tx.putDocument("policy", "p", 1, { expectedRevision: null }),
        tx.putDocument("policy", "p", 2, { expectedRevision: null }),
        tx.putDocument("policy", "p", 3, { expectedRevision: 1 }),
      ]),
    );
    expect(results.map(({ status }) => status)).toEqual([
      "fulfilled",
      "rejected",
      "fulfilled",
      "rejected",
      "fulfilled",
    ]);
  });

  it("waits for the calls that nobody awaited, and takes none once it has ended", async () => {
    const bare = await bareSession();
    const transaction = begin(bare);
    const call = transaction.createSecret({ name: "A", value });
    await transaction.end();
    expect(transaction.finish()?.changes).toHaveLength(3);
    await call;
    await expect(transaction.getDocument("policy", "p")).rejects.toThrow(
      new TypeError("this transaction has ended; use it only within its callback"),
    );
  });

  it("goes on after a refusal, of whichever kind", async () => {
    const bare = await bareSession();
    const { secretId } = await create(bare, { name: "TAKEN" });
    const { secretId: gone } = await create(bare, { name: "GONE" });
    await bare.transaction((tx) => tx.deleteSecret(gone));
    const transaction = begin(bare);
    const refusals: [string, Promise<unknown>][] = [
      ["VAULT_INVALID_INPUT", transaction.createSecret({ name: "", value })],
      ["VAULT_SECRET_EXISTS", transaction.createSecret({ name: "TAKEN", value })],
      ["VAULT_SECRET_NOT_FOUND", transaction.getSecret(ABSENT)],
      ["VAULT_SECRET_DELETED", transaction.rotateSecret(gone, value)],
      [
        "VAULT_REVISION_CONFLICT",
        transaction.putDocument("policy", "p", 1, { expectedRevision: 9 }),
      ],
    ];
    for (const [code, call] of refusals) await expect(call).rejects.toEqual(failure(code));
    await transaction.rotateSecret(secretId, encodeUtf8("w"));
    await transaction.end();
    expect(transaction.finish()?.changes.length).toBeGreaterThan(0);
  });

  it("commits nothing after a call broke off in the middle, and says why", async () => {
    const bare = await bareSession();
    const first = await create(bare, { name: "A" });
    const second = await create(bare, { name: "B" });
    for (const { secretId } of [first, second]) {
      await bare.store.commit([{ key: secretFile(secretId), bytes: encodeUtf8("{}") }]);
    }
    const transaction = begin(bare);
    await expect(transaction.getSecret(first.secretId)).rejects.toEqual(failure("VAULT_TAMPERED"));
    await expect(transaction.getSecret(second.secretId)).rejects.toEqual(failure("VAULT_TAMPERED"));
    await transaction.putDocument("policy", "p", 1);
    await transaction.end();
    // The first of the two is the reason.
    expect(() => transaction.finish()).toThrow(
      expect.objectContaining({ code: "VAULT_TAMPERED", subject: secretFile(first.secretId) }),
    );
  });

  it("commits nothing after a fault of the program either", async () => {
    const bare = await bareSession();
    const transaction = begin(bare);
    const wrong = transaction.createSecret({ name: "A", value: "v" as unknown as Uint8Array });
    await expect(wrong).rejects.toThrow(TypeError);
    await transaction.end();
    expect(() => transaction.finish()).toThrow(TypeError);
  });

  it("G19: does nothing more once the vault is locked", async () => {
    const bare = await bareSession();
    const transaction = begin(bare);
    bare.session.close();
    await expect(transaction.createSecret({ name: "A", value })).rejects.toEqual(
      failure("VAULT_LOCKED"),
    );
  });

  it("finds a name by its keyed entry alone", async () => {
    const bare = await bareSession();
    const { secretId } = await create(bare);
    const entry = nameEntry(bare.session.ring, GLOBAL, "A");
    expect(await bare.session.tree.get("names", entry)).toBe(secretId);
  });
});
