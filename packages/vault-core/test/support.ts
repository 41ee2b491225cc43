import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { encodeUtf8 } from "../src/bytes.ts";
import { type KeyProvider, type Store, Vault } from "../src/index.ts";
import { systemRandom } from "../src/node/index.ts";

/** A recognisable value that must never be seen outside a callback. */
export const CANARY = "canary-b1946ac92492d2347c6235b4d2611184";

/** A provider that holds a constant key, and the staged one of a rotation, in memory. */
export function constantKeyProvider(fill = 7): KeyProvider & { key: Uint8Array } {
  let staged: Uint8Array | null = null;
  const provider: KeyProvider & { key: Uint8Array } = {
    config: { kind: "file", path: `/keys/${fill}` },
    key: new Uint8Array(32).fill(fill),
    create: async () => provider.key.slice(),
    obtain: async () => provider.key.slice(),
    stage: async () => {
      staged = systemRandom(32);
      return staged.slice();
    },
    obtainStaged: async () => staged?.slice() ?? null,
    promote: async () => {
      if (staged !== null) provider.key = staged;
      staged = null;
    },
  };
  return provider;
}

/** A clock that is moved by hand. */
export function handClock(startMs = Date.UTC(2026, 10, 23, 12)): (() => number) & { ms: number } {
  const clock = Object.assign(() => clock.ms, { ms: startMs });
  return clock;
}

/** A directory that is removed when the test ends. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "aivault-core-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A new, unlocked vault in a store. */
export function createVault(
  store: Store,
  keyProvider: KeyProvider = constantKeyProvider(),
  now: () => number = handClock(),
): Promise<Vault> {
  return Vault.create({ store, random: systemRandom, now, keyProvider });
}

/** The vault in a store, unlocked. */
export async function openVault(
  store: Store,
  keyProvider: KeyProvider = constantKeyProvider(),
  now: () => number = handClock(),
): Promise<Vault> {
  const vault = await Vault.open({ store, random: systemRandom, now });
  await vault.unlock(keyProvider);
  return vault;
}

/** Adds a secret to a vault. */
export function addSecret(vault: Vault, name: string, value = CANARY) {
  return vault.transaction((tx) => tx.createSecret({ name, value: encodeUtf8(value) }));
}

/** A secret's value as text, for comparison in a test only. */
export function readSecret(vault: Vault, secretId: string): Promise<string> {
  return vault.useSecret(secretId, (value) => new TextDecoder().decode(value));
}
