import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeUtf8 } from "../src/bytes.ts";
import { isVaultError, Vault } from "../src/index.ts";
import { openFileStore, systemRandom } from "../src/node/index.ts";
import { addSecret, CANARY, constantKeyProvider, handClock } from "./support.ts";

// Damage to a small vault on disk, one file at a time (G11). The short form samples bits; with
// AIVAULT_TEST_FULL=1 every single bit of every file is flipped.
const FULL = process.env["AIVAULT_TEST_FULL"] === "1";

type Snapshot = ReadonlyMap<string, Buffer>;
type Verdict = "intact" | "detected" | "wrong";

let work: string;
let older: Snapshot;
let present: Snapshot;

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), "aivault-damage-"));
  const directory = join(work, "origin");
  const now = handClock();
  const options = { random: systemRandom, now };
  const vault = await Vault.create({
    store: await openFileStore(directory),
    keyProvider: constantKeyProvider(),
    ...options,
  });
  const { secretId } = await addSecret(vault, "A", `${CANARY}-0`);
  await addSecret(vault, "B", `${CANARY}-1`);
  await vault.transaction((tx) => tx.putDocument("policy", "p", { allow: [1] }));
  await vault.transaction((tx) => tx.putDocument("settings", "s", { on: true }));
  for (let index = 0; index < 3; index += 1) await vault.audit.append({ kind: "test", index });
  await vault.close();
  older = snapshot(directory);

  const reopened = await Vault.open({ store: await openFileStore(directory), ...options });
  await reopened.unlock(constantKeyProvider());
  await reopened.transaction((tx) => tx.rotateSecret(secretId, encodeUtf8(`${CANARY}-2`)));
  await reopened.transaction((tx) => tx.putDocument("policy", "p", { allow: [2] }));
  await reopened.transaction((tx) => tx.putDocument("settings", "s", { on: false }));
  const { secretId: deleted } = await addSecret(reopened, "C");
  await reopened.transaction((tx) => tx.deleteSecret(deleted));
  for (let index = 0; index < 3; index += 1) await reopened.audit.append({ kind: "test", index });
  await reopened.close();
  present = snapshot(directory);
});

afterAll(() => rmSync(work, { recursive: true, force: true }));

function snapshot(directory: string, prefix = ""): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (const name of readdirSync(join(directory, prefix))) {
    const key = prefix === "" ? name : `${prefix}/${name}`;
    if (statSync(join(directory, key)).isDirectory()) {
      for (const entry of snapshot(directory, key)) files.set(...entry);
    } else files.set(key, readFileSync(join(directory, key)));
  }
  return files;
}

function restore(files: Snapshot): string {
  const directory = join(work, "trial");
  rmSync(directory, { recursive: true, force: true });
  for (const [key, bytes] of files) {
    mkdirSync(dirname(join(directory, key)), { recursive: true, mode: 0o700 });
    writeFileSync(join(directory, key), bytes, { mode: 0o600 });
  }
  return directory;
}

/** Opens a vault folder and reads all of it; says whether the damage showed. */
async function judge(directory: string): Promise<{ verdict: Verdict; named: string }> {
  let store: Awaited<ReturnType<typeof openFileStore>> | null = null;
  try {
    store = await openFileStore(directory);
    const vault = await Vault.open({ store, random: systemRandom, now: handClock() });
    await vault.unlock(constantKeyProvider());
    const records = await vault.verify();
    const audit = await vault.audit.verify();
    const findings = (await vault.audit.read({ limit: 10 })).filter(({ event }) =>
      event.kind.startsWith("audit."),
    );
    for (const { secretId, name } of (await vault.listSecrets()).items) {
      const value = await vault.useSecret(secretId, (bytes) => new TextDecoder().decode(bytes));
      if (value !== { A: `${CANARY}-2`, B: `${CANARY}-1` }[name])
        return { verdict: "wrong", named: name };
    }
    const policy = await vault.getDocument("policy", "p").catch(() => null);
    if (policy !== null && JSON.stringify(policy.value) !== '{"allow":[2]}') {
      return { verdict: "wrong", named: "policy" };
    }
    const named = JSON.stringify({
      problems: records.problems,
      audit,
      findings,
      foreign: records.foreign,
    });
    const detected = !records.ok || !audit.ok || findings.length > 0;
    return { verdict: detected ? "detected" : "intact", named };
  } catch (error) {
    if (!isVaultError(error)) throw error;
    return { verdict: "detected", named: `${error.code} ${error.subject} ${error.message}` };
  } finally {
    await store?.close().catch(() => {});
  }
}

/** The lock says nothing about the vault once its owner is gone; its loss is no damage. */
const vaultFiles = () => [...present.keys()].filter((key) => !key.startsWith("lock."));

const withFile = (key: string, bytes: Buffer | null): Snapshot => {
  const files = new Map(present);
  if (bytes === null) files.delete(key);
  else files.set(key, bytes);
  return files;
};

describe("a vault on disk", { timeout: 600_000 }, () => {
  it("is intact when nothing is damaged", async () => {
    expect(vaultFiles().length).toBeGreaterThanOrEqual(14);
    expect(await judge(restore(present))).toMatchObject({ verdict: "intact" });
  });

  it("G11: a flipped bit in any file is detected", async () => {
    let flips = 0;
    for (const key of vaultFiles()) {
      const bytes = present.get(key) as Buffer;
      const step = FULL ? 1 : 499;
      for (let bit = bytes.length % 7; bit < bytes.length * 8; bit += step) {
        const damaged = Buffer.from(bytes);
        damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
        const { verdict, named } = await judge(restore(withFile(key, damaged)));
        expect({ key, bit, verdict, named }).toMatchObject({ verdict: "detected" });
        flips += 1;
      }
    }
    process.stderr.write(`damage: ${flips} bit flips, ${flips} detected\n`);
  });

  it("G11: a truncation of any file to any length is detected", async () => {
    let cuts = 0;
    for (const key of vaultFiles()) {
      const bytes = present.get(key) as Buffer;
      const step = FULL ? 1 : Math.max(1, bytes.length >> 3);
      for (let length = 0; length < bytes.length; length += step) {
        const { verdict, named } = await judge(
          restore(withFile(key, Buffer.from(bytes.subarray(0, length)))),
        );
        expect({ key, length, verdict, named }).toMatchObject({ verdict: "detected" });
        cuts += 1;
      }
    }
    process.stderr.write(`damage: ${cuts} truncations, ${cuts} detected\n`);
  });

  it("G11: any missing file is detected", async () => {
    for (const key of vaultFiles()) {
      const { verdict, named } = await judge(restore(withFile(key, null)));
      expect({ key, verdict, named }).toMatchObject({ verdict: "detected" });
      expect(named).toContain(
        key
          .split("/")
          .at(-1)
          ?.replace(/\.json$/, ""),
      );
    }
  });

  it("G11: any two files that change places are detected", async () => {
    const keys = vaultFiles();
    let swaps = 0;
    for (const [index, a] of keys.entries()) {
      for (const b of keys.slice(index + 1, FULL ? keys.length : index + 4)) {
        const files = new Map(withFile(a, present.get(b) as Buffer));
        files.set(b, present.get(a) as Buffer);
        const { verdict, named } = await judge(restore(files));
        expect({ a, b, verdict, named }).toMatchObject({ verdict: "detected" });
        swaps += 1;
      }
    }
    process.stderr.write(`damage: ${swaps} swaps, ${swaps} detected\n`);
  });

  it("G11: any single file put back from an older copy is detected and named", async () => {
    let returned = 0;
    for (const key of vaultFiles()) {
      const before = older.get(key);
      if (before === undefined || before.equals(present.get(key) as Buffer)) continue;
      const { verdict, named } = await judge(restore(withFile(key, before)));
      expect({ key, verdict, named }).toMatchObject({ verdict: "detected" });
      expect(named).toContain(key.startsWith("audit/") ? "audit" : key);
      returned += 1;
    }
    expect(returned).toBeGreaterThanOrEqual(7);
  });

  it("G11: a file that was deleted and comes back is not used", async () => {
    const gone = [...older.keys()].filter((key) => !present.has(key) && !key.startsWith("lock."));
    for (const key of gone) {
      const { named } = await judge(restore(withFile(key, older.get(key) as Buffer)));
      expect(named).toContain(key);
    }
  });
});
