import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  addSecret,
  createVault,
  openVault,
  readSecret,
  temporaryDirectory,
} from "../../test/support.ts";
import { concatBytes, encodeUtf8 } from "../bytes.ts";
import type { Argon2id } from "../passphrase.ts";
import { sha256 } from "../sha256.ts";
import { createBackupFile, fileKeyProvider, openFileStore, restoreBackupFile } from "./index.ts";

/** Stands in for a second of Argon2id. */
const quick: Argon2id = async (text, salt) => sha256(concatBytes(text, salt));
const key = { passphrase: encodeUtf8("correct horse battery staple"), argon2id: quick };
/** No process has it: Linux has none above 4194304. */
const DEAD = 5_000_000;

async function backedUp() {
  const directory = temporaryDirectory();
  const place = (name: string) => join(directory, name);
  const vault = await createVault(await openFileStore(place("a")), fileKeyProvider(place("a.key")));
  const { secretId } = await addSecret(vault, "KEY", "before");
  const file = place("vault.backup");
  return { directory, place, vault, secretId, file };
}

describe("backup files", () => {
  it("G20: a backup takes away what one of the same name left when it was killed", async () => {
    const { place, vault, file, directory } = await backedUp();
    const left = place(`.vault.backup.${DEAD}-0123456789abcdef.tmp`);
    const living = place(`.vault.backup.${process.ppid}-0123456789abcdef.tmp`);
    const another = place(`.other.backup.${DEAD}-0123456789abcdef.tmp`);
    for (const name of [left, living, another]) writeFileSync(name, "half");
    await createBackupFile(vault, file, key);
    await vault.close();
    expect([left, living, another, file].map((name) => existsSync(name))).toEqual([
      false,
      true,
      true,
      true,
    ]);
    expect(readdirSync(directory)).toHaveLength(5);
  });

  it("G20: a vault is restored together with a key file below it, and gives way with it", async () => {
    const { place, vault, file, secretId } = await backedUp();
    await createBackupFile(vault, file, key);
    await vault.close();
    const keyFile = join(place("b"), "keys", "kek.key");
    const options = { ...key, keyProvider: fileKeyProvider(keyFile), overwrite: true };
    await restoreBackupFile(file, place("b"), options);
    const first = readFileSync(keyFile, "utf8");
    await restoreBackupFile(file, place("b"), options);
    const restored = await openVault(await openFileStore(place("b")), fileKeyProvider(keyFile));
    expect(await readSecret(restored, secretId)).toBe("before");
    await restored.close();
    const [moved = ""] = readdirSync(place(".")).filter((name) => name.startsWith("b.replaced-"));
    const movedKey = join(place(moved), "keys", "kek.key");
    expect(readFileSync(movedKey, "utf8")).toBe(first);
    const old = await openVault(await openFileStore(place(moved)), fileKeyProvider(movedKey));
    expect(await readSecret(old, secretId)).toBe("before");
    await old.close();
  });

  it("G20: a restore takes away what one to the same place left when it was killed", async () => {
    const { place, vault, file, secretId } = await backedUp();
    await createBackupFile(vault, file, key);
    await vault.close();
    const left = place(`.b.${DEAD}-0123456789abcdef.restoring`);
    mkdirSync(join(left, "secrets"), { recursive: true });
    writeFileSync(join(left, "secrets", "one"), "half");
    const keyProvider = fileKeyProvider(place("b.key"));
    await restoreBackupFile(file, place("b"), { ...key, keyProvider });
    expect(existsSync(left)).toBe(false);
    const restored = await openVault(await openFileStore(place("b")), keyProvider);
    expect(await readSecret(restored, secretId)).toBe("before");
    await restored.close();
  });
});
