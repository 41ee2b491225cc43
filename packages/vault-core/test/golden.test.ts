import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { seal } from "../src/aead.ts";
import { decodeBase64, encodeHex, encodeUtf8 } from "../src/bytes.ts";
import { encodeFields, type Field } from "../src/framing.ts";
import { type KeyProvider, Vault } from "../src/index.ts";
import { deriveKey, Mac } from "../src/mac.ts";
import { openFileStore } from "../src/node/index.ts";
import { temporaryDirectory } from "./support.ts";

// A vault folder written by format version 1, kept as it was: one line a file, its path and its
// bytes in base64. It is never written again: a program that cannot open it has broken its users'
// vaults. It came from the builder below, whose randomness is a counter; the values in
// docs/format.md are its values.
const here = dirname(fileURLToPath(import.meta.url));
const golden = new Map(
  readFileSync(join(here, "golden/v1.txt"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line): [string, Buffer] => {
      const [path = "", bytes = ""] = line.split(" ");
      return [path, Buffer.from(bytes, "base64")];
    }),
);
const KEK = Uint8Array.from({ length: 32 }, (_, index) => index);
const keyProvider: KeyProvider = {
  config: { kind: "file", path: "/example/kek.key" },
  create: async () => KEK.slice(),
  obtain: async () => KEK.slice(),
};

function countingRandom(): (length: number) => Uint8Array {
  let next = 0;
  return (length) => {
    next += 1;
    return new Uint8Array(length).fill(next);
  };
}

async function build(directory: string): Promise<void> {
  let ms = Date.UTC(2026, 10, 23, 12);
  const vault = await Vault.create({
    store: await openFileStore(directory),
    keyProvider,
    random: countingRandom(),
    now: () => ms++,
  });
  await vault.transaction(async (tx) => {
    await tx.createSecret({
      name: "EXAMPLE_API_KEY",
      aliases: ["EXAMPLE_KEY"],
      value: encodeUtf8("example value"),
      pinnedProvider: "example",
    });
    await tx.putDocument("policy", "example/chat", { methods: ["POST"] });
  });
  await vault.audit.append({ kind: "example.happened", requestId: "r-1" });
  await vault.close();
}

function restoreGolden(): string {
  const directory = join(temporaryDirectory(), "vault");
  for (const [path, bytes] of golden) {
    mkdirSync(dirname(join(directory, path)), { recursive: true, mode: 0o700 });
    writeFileSync(join(directory, path), bytes, { mode: 0o600 });
  }
  return directory;
}

const file = (path: string) => JSON.parse((golden.get(path) as Buffer).toString("utf8"));
const unbase64 = (text: string) => decodeBase64(text) as Uint8Array;

describe("a vault of format version 1", () => {
  it("opens, and holds what was put into it", async () => {
    const vault = await Vault.open({
      store: await openFileStore(restoreGolden()),
      random: () => {
        throw new Error("opening needs no randomness");
      },
      now: () => Date.UTC(2027, 0, 1),
    });
    expect(vault.status()).toMatchObject({ dev: false, locked: true, formatVersion: 1 });
    await vault.unlock(keyProvider);
    const metadata = await vault.findSecret("EXAMPLE_KEY", { kind: "global" });
    expect(metadata).toMatchObject({
      name: "EXAMPLE_API_KEY",
      aliases: ["EXAMPLE_KEY"],
      pinnedProvider: "example",
      valueVersion: 1,
      scope: { kind: "global" },
    });
    const value = await vault.useSecret(metadata?.secretId ?? "", (bytes) =>
      new TextDecoder().decode(bytes),
    );
    expect(value).toBe("example value");
    expect(await vault.getDocument("policy", "example/chat")).toMatchObject({
      revision: 1,
      value: { methods: ["POST"] },
    });
    expect(await vault.verify()).toMatchObject({ ok: true, secrets: 1, documents: 1, foreign: [] });
    expect(await vault.audit.verify()).toEqual({ ok: true, entries: 2, gaps: [] });
    await vault.close();
  });

  it("is still what the present code writes, byte for byte", async () => {
    const directory = join(temporaryDirectory(), "vault");
    await build(directory);
    const written = readdirSync(directory, { recursive: true, encoding: "utf8" }).filter(
      (path) => /\.jsonl?$/.test(path) && statSync(join(directory, path)).isFile(),
    );
    expect(written.sort()).toEqual(
      [...golden.keys()].filter((path) => path !== "audit/head").sort(),
    );
    for (const path of written) {
      expect(readFileSync(join(directory, path), "utf8")).toBe(golden.get(path)?.toString("utf8"));
    }
  });

  it("is the worked example of docs/format.md, computed step by step", () => {
    const text = readFileSync(join(here, "../../../docs/format.md"), "utf8").replace(/\s+/g, "");
    const shown = (bytes: Uint8Array) => expect(text).toContain(encodeHex(bytes));
    const vault = file("vault.json");
    const { vaultId } = vault;
    const slot = vault.slots[0];
    expect(text).toContain(vaultId);

    // The ring opens with a key derived from the KEK.
    const ringKey = deriveKey(KEK, vaultId, "aivault/v1/ring");
    shown(ringKey);
    const check = new Mac(deriveKey(KEK, vaultId, "aivault/v1/kek-check"), [
      "aivault/v1/kek-check",
      vaultId,
    ]).compute([slot.kekId]);
    shown(check);
    expect(unbase64(slot.check)).toEqual(check);

    // The vault key of this vault is 32 bytes of 3: the third draw of the counter.
    const vaultKey = new Uint8Array(32).fill(3);
    const dekKey = deriveKey(vaultKey, vaultId, "aivault/v1/dek");
    shown(dekKey);
    const [path, bytes] = [...golden].find(([name]) => name.startsWith("secrets/")) as [
      string,
      Buffer,
    ];
    const record = JSON.parse(bytes.toString("utf8"));
    expect(path).toBe(`secrets/${record.id}.json`);
    const bound: Field[] = ["secret", 1, vaultId, record.id, "global", "", "", "example", 1];
    const dekContext: Field[] = ["aivault/v1/dek", ...bound, record.keyId];
    shown(encodeFields(dekContext));

    // Sealing the same DEK and value with the same nonces gives the same bytes.
    const wrapped = unbase64(record.dek);
    const sealed = unbase64(record.value);
    const dek = new Uint8Array(32).fill((sealed[0] as number) - 3);
    shown(wrapped);
    shown(sealed);
    expect(seal(dekKey, dekContext, dek, () => wrapped.slice(0, 24))).toEqual(wrapped);
    expect(
      seal(dek, ["aivault/v1/value", ...bound], encodeUtf8("example value"), () =>
        sealed.slice(0, 24),
      ),
    ).toEqual(sealed);

    // Names and documents are found by keyed digests.
    const indexKey = new Uint8Array(32).fill(5);
    const name = new Mac(indexKey, ["aivault/v1/name", vaultId])
      .compute(["global", "", "", "EXAMPLE_API_KEY"])
      .subarray(0, 16);
    shown(name);
    expect(file("manifest/names/all.json").entries[encodeHex(name)]).toBe(record.id);
    const handle = new Mac(indexKey, ["aivault/v1/document-id", vaultId])
      .compute(["policy", "example/chat"])
      .subarray(0, 16);
    shown(handle);
    expect(golden.has(`documents/policy/${encodeHex(handle)}.json`)).toBe(true);

    // The first audit entry is chained to the genesis MAC.
    const auditKey = new Uint8Array(32).fill(7);
    const genesis = new Mac(auditKey, ["aivault/v1/audit-genesis", vaultId]).compute([]);
    shown(genesis);
    const line =
      (golden.get("audit/2026-11-23.jsonl") as Buffer).toString("utf8").split("\n")[0] ?? "";
    expect(text).toContain(line.replace(/\s+/g, ""));
    const { mac, ...entry } = JSON.parse(line);
    const expected = new Mac(auditKey, ["aivault/v1/audit", vaultId]).compute([
      genesis,
      encodeUtf8(JSON.stringify(entry)),
    ]);
    expect(unbase64(mac)).toEqual(expected);
  });
});
