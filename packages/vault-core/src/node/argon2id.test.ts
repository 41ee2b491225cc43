import { describe, expect, it } from "vitest";
import { encodeUtf8 } from "../bytes.ts";
import { DEFAULT_COSTS, portableArgon2id } from "../passphrase.ts";
import { systemArgon2id } from "./argon2id.ts";

const passphrase = encodeUtf8("correct horse battery staple");
const salt = new Uint8Array(16).fill(3);

describe("systemArgon2id", () => {
  it("gives the same key as the portable form, and leaves the passphrase as it was", async () => {
    const costs = { memoryKib: 1024, passes: 2, lanes: 2 };
    const before = passphrase.slice();
    const key = await systemArgon2id(passphrase, salt, costs);
    expect(key).toEqual(await portableArgon2id(passphrase, salt, costs));
    expect(passphrase).toEqual(before);
  });

  it("G23: takes a Buffer without wiping it or what shares its memory", async () => {
    const pool = Buffer.alloc(64, 7);
    const shared = pool.subarray(16, 32);
    const costs = { memoryKib: 1024, passes: 1, lanes: 1 };
    const key = await systemArgon2id(shared, pool.subarray(32, 48), costs);
    const alone = new Uint8Array(16).fill(7);
    expect(key).toEqual(await portableArgon2id(alone, alone, costs));
    expect(pool).toEqual(Buffer.alloc(64, 7));
  });

  it("leaves the event loop free meanwhile", async () => {
    let longestMs = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      longestMs = Math.max(longestMs, performance.now() - last);
      last = performance.now();
    }, 5);
    const started = performance.now();
    await systemArgon2id(passphrase, salt, { ...DEFAULT_COSTS, passes: 2 });
    const tookMs = performance.now() - started;
    clearInterval(timer);
    // A derivation on this thread would be one pause of nearly all that time.
    expect(longestMs).toBeLessThan(tookMs / 2);
  }, 180_000);

  it("fails when the costs are impossible", async () => {
    const costs = { memoryKib: 1, passes: 1, lanes: 1 };
    await expect(systemArgon2id(passphrase, salt, costs)).rejects.toThrow();
  });
});
