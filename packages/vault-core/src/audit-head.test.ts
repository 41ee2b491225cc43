import { describe, expect, it } from "vitest";
import { type AuditHead, parseAuditHead, serializeAuditHead } from "./audit-head.ts";
import { concatBytes, encodeHex } from "./bytes.ts";
import { Mac } from "./mac.ts";

const key = new Mac(new Uint8Array(32).fill(1), ["head"]);
const head: AuditHead = {
  seq: 0x0102030405,
  syncedSeq: 0x0607080900,
  day: 20_780,
  bytes: 0x0a0b0c,
  mac: new Uint8Array(32).fill(0xaa),
  boot: new Uint8Array(16).fill(0xbb),
};
const written = serializeAuditHead(head, key);

/** Bytes that carry a tag that is right for them. */
const tagged = (body: Uint8Array): Uint8Array => concatBytes(body, key.compute([body]));

describe("an audit head", () => {
  it("has each of its parts in its place, and is read as it was written", () => {
    expect(encodeHex(written.subarray(0, 81))).toBe(
      [
        "01",
        "0000000102030405",
        "0000000607080900",
        "000000000000512c",
        "00000000000a0b0c",
        "aa".repeat(32),
        "bb".repeat(16),
      ].join(""),
    );
    expect(parseAuditHead(written, key)).toEqual(head);
  });

  it("G18: with any bit changed is not believed, its tag's included", () => {
    for (let bit = 0; bit < written.length * 8; bit += 1) {
      const altered = written.slice();
      altered[bit >> 3] = (altered[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(parseAuditHead(altered, key)).toBeNull();
    }
  });

  it("G18: under another key, cut short or with anything behind it is not believed", () => {
    const other = new Mac(new Uint8Array(32).fill(2), ["head"]);
    expect(parseAuditHead(written, other)).toBeNull();
    expect(parseAuditHead(concatBytes(written, Uint8Array.of(0)), key)).toBeNull();
    for (let length = 0; length < written.length; length += 1) {
      expect(parseAuditHead(written.subarray(0, length), key)).toBeNull();
    }
  });

  it("of another length or version is not read, even with a right tag", () => {
    const body = written.slice(0, 81);
    expect(parseAuditHead(tagged(body), key)).toEqual(head);
    expect(parseAuditHead(tagged(body.subarray(0, 80)), key)).toBeNull();
    expect(parseAuditHead(tagged(concatBytes(body, Uint8Array.of(0))), key)).toBeNull();
    expect(parseAuditHead(tagged(body.with(0, 2)), key)).toBeNull();
  });

  it.each([1, 9, 17, 25])("with a number at %i beyond what fits is not read", (offset) => {
    const body = written.slice(0, 81);
    body.fill(0xff, offset, offset + 8);
    expect(parseAuditHead(tagged(body), key)).toBeNull();
  });

  it("of a new log, all zeros, is one", () => {
    const zero = {
      seq: 0,
      syncedSeq: 0,
      day: 0,
      bytes: 0,
      mac: new Uint8Array(32),
      boot: new Uint8Array(16),
    };
    expect(parseAuditHead(serializeAuditHead(zero, key), key)).toEqual(zero);
  });
});
