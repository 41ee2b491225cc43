import { Session } from "node:inspector";
import { describe, expect, it } from "vitest";
import { type KeyProvider, MemoryStore, type RandomBytes, Vault } from "../src/index.ts";
import { LABELS } from "../src/labels.ts";
import { deriveKey } from "../src/mac.ts";
import { systemRandom } from "../src/node/index.ts";

// Looks at every live byte array of this thread, the private ones of the vault included, for bytes that
// must be gone. What the engine copied and freed, registers, swap and core dumps cannot be seen, or
// wiped, from here: docs/threat-model.md says so.

/** Bytes to look for, kept as other numbers so that the search does not find itself. */
type Needle = readonly number[];
const needleOf = (bytes: Uint8Array, mask = 0): Needle =>
  Array.from(bytes, (b) => 1000 + (b ^ mask));
const bytesOf = (needle: Needle) => Uint8Array.from(needle, (n) => n - 1000);

interface Remote {
  result: { objectId: string; value: number };
  objects: { objectId: string };
}

/** How many live byte arrays hold one of the needles, after a garbage collection. */
async function holders(...needles: readonly Needle[]): Promise<number> {
  const session = new Session();
  session.connect();
  const post = (method: string, parameters: object) =>
    new Promise<Remote>((resolve, reject) => {
      session.post(method, parameters, (error, result) =>
        error === null ? resolve(result as Remote) : reject(error),
      );
    });
  try {
    const { result } = await post("Runtime.evaluate", { expression: "ArrayBuffer.prototype" });
    const prototypeObjectId = result.objectId;
    const { objects } = await post("Runtime.queryObjects", { prototypeObjectId });
    const views = await post("Runtime.evaluate", { expression: "Uint8Array.prototype" });
    const queried = await post("Runtime.queryObjects", {
      prototypeObjectId: views.result.objectId,
    });
    const search = `function (views, needles) {
      const arrays = views.filter(ArrayBuffer.isView);
      for (const buffer of this) {
        try {
          arrays.push(new Uint8Array(buffer));
        } catch {
          // It was transferred elsewhere, and holds nothing.
        }
      }
      const holds = (bytes, needle) => {
        const first = needle[0] - 1000;
        for (let at = bytes.indexOf(first); at >= 0; at = bytes.indexOf(first, at + 1)) {
          if (needle.every((n, i) => bytes[at + i] === n - 1000)) return true;
        }
        return false;
      };
      // The vault's arrays are small here; the large ones are the test runner's.
      const small = arrays.filter((bytes) => bytes.length < 65_536);
      return small.filter((bytes) => needles.some((needle) => holds(bytes, needle))).length;
    }`;
    const answer = await post("Runtime.callFunctionOn", {
      objectId: objects.objectId,
      functionDeclaration: search,
      arguments: [{ objectId: queried.objects.objectId }, { value: needles }],
      returnByValue: true,
    });
    if (typeof answer.result.value !== "number") throw new Error(JSON.stringify(answer));
    return answer.result.value;
  } finally {
    session.disconnect();
  }
}

function hiddenKeyProvider(kek: Needle): KeyProvider {
  const give = async () => bytesOf(kek);
  return { config: { kind: "file", path: "/k" }, create: give, obtain: give };
}

describe("the vault's own memory", () => {
  it("G23: holds no value after its use, and no key after lock", async () => {
    const drawn: Needle[] = [];
    const random: RandomBytes = (length) => {
      const bytes = systemRandom(length);
      if (length === 32) drawn.push(needleOf(bytes));
      return bytes;
    };
    const kek = needleOf(systemRandom(32));
    const value = needleOf(systemRandom(80));
    const options = { store: new MemoryStore(), random, now: Date.now };
    const vault = await Vault.create({ ...options, keyProvider: hiddenKeyProvider(kek) });
    const ringKeys = drawn.splice(0);
    expect(ringKeys).toHaveLength(4);

    const lent = bytesOf(value);
    const { secretId } = await vault.transaction(async (tx) => {
      const created = await tx.createSecret({ name: "A", value: lent });
      await tx.putDocument("policy", "p", { a: 1 });
      return created;
    });
    lent.fill(0);
    const deks = drawn.splice(0);
    expect(deks).toHaveLength(1);
    expect(await holders(value)).toBe(0);

    // The search sees what is there: the value while it is lent, the keys while the vault is open.
    expect(await vault.useSecret(secretId, () => holders(value))).toBeGreaterThan(0);
    expect(await holders(ringKeys[0] as Needle)).toBeGreaterThan(0);
    expect(await holders(value)).toBe(0);
    expect(await holders(...deks, kek)).toBe(0);

    await vault.rotateMaster({ provider: hiddenKeyProvider(needleOf(systemRandom(32))) });
    ringKeys.push(...drawn.splice(0));
    expect(await holders(ringKeys[0] as Needle)).toBe(0);

    vault.lock();
    const { vaultId } = vault.status();
    const labels = [
      LABELS.dek,
      LABELS.metadata,
      LABELS.document,
      LABELS.config,
      LABELS.manifestRoot,
    ];
    const gone: Needle[] = [];
    for (const key of ringKeys) {
      const bytes = bytesOf(key);
      const derived = labels.map((label) => deriveKey(bytes, vaultId, label));
      // A MAC keeps its key in these two forms.
      const forms = [bytes, ...derived].flatMap((form) =>
        [0, 0x36, 0x5c].map((mask) => needleOf(form, mask)),
      );
      for (const form of [bytes, ...derived]) form.fill(0);
      gone.push(...forms);
    }
    expect(await holders(...gone)).toBe(0);
    await vault.close();
  }, 120_000);
});
