import { expect, it } from "vitest";
import * as conformance from "../src/conformance.ts";
import * as core from "../src/index.ts";
import * as node from "../src/node/index.ts";

it("exports these names and no others", () => {
  expect(Object.keys(core).sort()).toEqual([
    "DEFAULT_COSTS",
    "DOCUMENT_KINDS",
    "MemoryStore",
    "Vault",
    "VaultError",
    "canonicalJson",
    "formatKeyText",
    "isVaultError",
    "parseKeyText",
    "passphraseKeyProvider",
    "portableArgon2id",
    "restoreBackup",
    "verifyBackup",
    "verifyCheckpoints",
  ]);
  expect(Object.keys(node).sort()).toEqual([
    "FileStore",
    "createBackupFile",
    "environmentKeyProvider",
    "fileKeyProvider",
    "openFileStore",
    "restoreBackupFile",
    "systemArgon2id",
    "systemRandom",
    "verifyBackupFile",
  ]);
  expect(Object.keys(conformance)).toEqual(["storeConformance"]);
});
