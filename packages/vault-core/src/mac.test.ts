import { createHmac, hkdfSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { encodeFields, type Field } from "./framing.ts";
import { deriveKey, Mac } from "./mac.ts";

const bytes = (length: number, seed = 1) =>
  Uint8Array.from({ length }, (_, at) => (at * 31 + seed) & 0xff);

function hmac(key: Uint8Array, prefix: readonly Field[], fields: readonly Field[]): Uint8Array {
  const made = createHmac("sha256", key);
  return new Uint8Array(made.update(encodeFields(prefix)).update(encodeFields(fields)).digest());
}

describe("Mac", () => {
  it.each([0, 1, 31, 32, 63, 64])("is HMAC-SHA-256 under a key of %i bytes", (length) => {
    const key = bytes(length);
    const mac = new Mac(key, ["v1", bytes(16)]);
    for (const fields of [[], [""], ["a", "b"], ["ab", ""], [bytes(55)], [bytes(56), 7]]) {
      expect(mac.compute(fields)).toEqual(hmac(key, ["v1", bytes(16)], fields));
    }
  });

  it("takes messages beyond its room, and shorter ones again after them", () => {
    const mac = new Mac(bytes(32), ["v1"]);
    for (const length of [1000, 1023, 1024, 1025, 5000, 3, 0, 1100]) {
      expect(mac.compute([bytes(length)])).toEqual(hmac(bytes(32), ["v1"], [bytes(length)]));
    }
  });

  it("does not take a key that HMAC would hash first", () => {
    expect(() => new Mac(bytes(65), [])).toThrow(new RangeError("a MAC key has at most 64 bytes"));
  });

  it("keeps fields apart, and messages of other prefixes", () => {
    const key = bytes(32);
    const macs = [
      new Mac(key, ["a"]).compute(["b", "c"]),
      new Mac(key, ["a"]).compute(["bc"]),
      new Mac(key, ["a"]).compute(["b", "c", ""]),
      new Mac(key, ["a", "b"]).compute(["d"]),
      new Mac(key, ["ab"]).compute(["c"]),
      new Mac(bytes(32, 2), ["a"]).compute(["b", "c"]),
    ].map((mac) => Buffer.from(mac).toString("hex"));
    expect(new Set(macs).size).toBe(macs.length);
  });

  it("G23: has forgotten its key once it is wiped", () => {
    const key = bytes(32);
    const mac = new Mac(key, ["v1"]);
    const before = mac.compute(["a"]);
    mac.wipe();
    expect(mac.compute(["a"])).not.toEqual(before);
    // The key itself is borrowed.
    expect(key).toEqual(bytes(32));
  });
});

describe("deriveKey", () => {
  it("is HKDF-SHA-256 with the vault as salt and the label as info", () => {
    const derived = deriveKey(bytes(32), "vault", "label");
    expect(derived).toEqual(new Uint8Array(hkdfSync("sha256", bytes(32), "vault", "label", 32)));
    expect(deriveKey(bytes(32), "vault", "other")).not.toEqual(derived);
    expect(deriveKey(bytes(32), "other", "label")).not.toEqual(derived);
  });
});
