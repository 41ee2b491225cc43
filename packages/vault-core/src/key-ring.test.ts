import { describe, expect, it } from "vitest";
import { encodeHex } from "./bytes.ts";
import { KeyRing } from "./key-ring.ts";
import { LABELS } from "./labels.ts";
import { deriveKey, Mac } from "./mac.ts";
import { systemRandom } from "./node/index.ts";

const VAULT = "00112233445566778899aabbccddeeff";
const ENTRY = 57;

/** Every draw is its number, repeated. */
function counting(): (length: number) => Uint8Array {
  let next = 0;
  return (length) => {
    next += 1;
    return new Uint8Array(length).fill(next);
  };
}

const parse = (bytes: Uint8Array) => KeyRing.parse(bytes, VAULT);
const created = () => KeyRing.create(VAULT, counting(), 258);
/** A ring's bytes with one of them changed. */
const changed = (at: number, value: number) => parse(created().serialize().with(at, value));

describe("a key ring", () => {
  it("is written as a version, a count, and each key with its purpose, id and time", () => {
    const entry = (purpose: string, id: string, key: string) =>
      `${purpose}${id.repeat(16)}0000000000000102${key.repeat(32)}`;
    expect(encodeHex(created().serialize())).toBe(
      `0104${entry("01", "01", "02")}${entry("02", "03", "04")}${entry("03", "05", "06")}${entry("04", "07", "08")}`,
    );
  });

  it("is read as it was written", () => {
    const bytes = created().serialize();
    const ring = parse(bytes);
    expect(ring?.serialize()).toEqual(bytes);
    expect(ring?.vaultId).toBe(VAULT);
    expect(ring?.currentId).toBe("01".repeat(16));
    expect(ring?.current).toMatchObject({ id: "01".repeat(16), createdAtMs: 258 });
    expect(ring?.vaultKeyCount).toBe(1);
    expect(ring?.auditSigningSeed).toEqual(new Uint8Array(32).fill(8));
  });

  it("keeps nothing of the bytes it was read from", () => {
    const bytes = created().serialize();
    const ring = parse(bytes);
    bytes.fill(0);
    expect(ring?.serialize()).toEqual(created().serialize());
  });

  it("of another version, count, length or purpose is none", () => {
    const bytes = created().serialize();
    expect(changed(0, 2)).toBeNull();
    expect(changed(0, 0)).toBeNull();
    expect(changed(1, 3)).toBeNull();
    expect(changed(1, 5)).toBeNull();
    expect(changed(2, 0)).toBeNull();
    expect(changed(2, 5)).toBeNull();
    for (const length of [0, 1, 2, bytes.length - 1]) {
      expect(parse(bytes.subarray(0, length))).toBeNull();
    }
    expect(parse(Uint8Array.of(...bytes, 0))).toBeNull();
    expect(parse(Uint8Array.of(1, 0))).toBeNull();
    // A time that does not fit into a number.
    expect(changed(2 + 17, 0xff)).toBeNull();
  });

  it("with a key of a purpose that nobody knows, beside all others, is none", () => {
    const bytes = created().withNewVaultKey(systemRandom, 2).serialize();
    expect(parse(bytes)).not.toBeNull();
    for (const purpose of [0, 5, 255]) expect(parse(bytes.with(2, purpose))).toBeNull();
  });

  it.each([0, 1, 2, 3])("without the key of purpose number %i is none", (missing) => {
    const bytes = created().serialize();
    const other = (missing + 1) % 4;
    // One key stands twice, and the count is right: a purpose is what is missing.
    const twice = bytes.slice();
    const from = 2 + other * ENTRY;
    twice.set(bytes.subarray(from, from + ENTRY), 2 + missing * ENTRY);
    expect(parse(twice)).toBeNull();
  });

  it("derives each key and MAC from its own label, for this vault", () => {
    const ring = created();
    const root = new Uint8Array(32).fill(2);
    const derived = (label: string) => deriveKey(root, VAULT, label);
    const { current } = ring;
    expect(current.dek).toEqual(derived(LABELS.dek));
    expect(current.metadata).toEqual(derived(LABELS.metadata));
    expect(current.document).toEqual(derived(LABELS.document));
    for (const purpose of ["config", "manifestRoot", "manifestHead"] as const) {
      const label = LABELS[purpose];
      const mac = new Mac(derived(label), [label, VAULT]);
      expect(current[purpose].compute(["x"])).toEqual(mac.compute(["x"]));
    }
    const index = new Uint8Array(32).fill(4);
    const mac = (key: Uint8Array, label: string) => new Mac(key, [label, VAULT]).compute(["x"]);
    expect(ring.nameMac.compute(["x"])).toEqual(mac(index, LABELS.name));
    expect(ring.documentIdMac.compute(["x"])).toEqual(mac(index, LABELS.documentId));
    expect(ring.auditMac(LABELS.audit).compute(["x"])).toEqual(
      mac(new Uint8Array(32).fill(6), LABELS.audit),
    );
  });

  it("finds a vault key by its id, the same one each time, and no other key by its id", () => {
    const ring = created();
    expect(ring.vaultKey("01".repeat(16))).toBe(ring.current);
    expect(ring.current).toBe(ring.current);
    for (const id of ["03", "05", "07", "ff"]) expect(ring.vaultKey(id.repeat(16))).toBeNull();
  });

  it("puts a new vault key in front, and keeps the old one until it is dropped", () => {
    const random = counting();
    const first = KeyRing.create(VAULT, random, 1);
    const second = first.withNewVaultKey(random, 2);
    expect(second.currentId).toBe("09".repeat(16));
    expect(second.current.createdAtMs).toBe(2);
    expect(second.vaultId).toBe(VAULT);
    expect([first.vaultKeyCount, second.vaultKeyCount]).toEqual([1, 2]);
    expect(second.vaultKey(first.currentId)?.dek).toEqual(first.current.dek);
    expect(parse(second.serialize())?.serialize()).toEqual(second.serialize());

    const third = second.withoutOldVaultKeys();
    expect(third.vaultKeyCount).toBe(1);
    expect(third.currentId).toBe(second.currentId);
    expect(third.vaultKey(first.currentId)).toBeNull();
    expect(third.vaultId).toBe(VAULT);
    expect(third.auditSigningSeed).toEqual(first.auditSigningSeed);
    expect(third.nameMac.compute(["x"])).toEqual(first.nameMac.compute(["x"]));
    expect(third.auditMac("x").compute([])).toEqual(first.auditMac("x").compute([]));
  });

  it("has keys of its own, so that wiping the ring it came from harms nothing", () => {
    const first = created();
    const second = first.withNewVaultKey(systemRandom, 2);
    const third = second.withoutOldVaultKeys();
    const written = [second.serialize(), third.serialize()];
    first.wipe();
    expect(second.serialize()).toEqual(written[0]);
    second.wipe();
    expect(third.serialize()).toEqual(written[1]);
  });

  it("G23: wipes every key, those it derived too", () => {
    const ring = created();
    const { current } = ring;
    const seed = ring.auditSigningSeed;
    const macs = [
      current.config,
      current.manifestRoot,
      current.manifestHead,
      ring.nameMac,
      ring.documentIdMac,
    ];
    const before = macs.map((mac) => mac.compute(["x"]));
    ring.wipe();
    const zeros = new Uint8Array(32);
    for (const key of [current.dek, current.metadata, current.document, seed]) {
      expect(key).toEqual(zeros);
    }
    for (const [index, mac] of macs.entries())
      expect(mac.compute(["x"])).not.toEqual(before[index]);
    // Ids and times are no secret; of the keys nothing is left to write.
    expect(encodeHex(ring.serialize())).not.toMatch(/(?:02|04|06|08){32}/);
    // What was derived is derived anew, from zeros, and not served from before.
    expect(ring.current).not.toBe(current);
  });

  it("G23: wipes its keys where they were drawn, not copies of them", () => {
    const held: Uint8Array[] = [];
    const ring = KeyRing.create(
      VAULT,
      (length) => {
        const bytes = systemRandom(length);
        held.push(bytes);
        return bytes;
      },
      1,
    );
    ring.wipe();
    const keys = held.filter(({ length }) => length === 32);
    expect(keys).toHaveLength(4);
    for (const key of keys) expect(key).toEqual(new Uint8Array(32));
  });
});
