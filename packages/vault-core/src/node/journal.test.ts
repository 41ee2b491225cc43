import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { encodeUtf8 } from "../bytes.ts";
import {
  digestHex,
  type JournalChange,
  journalError,
  parseJournal,
  serializeJournal,
} from "./journal.ts";

const bytes = encodeUtf8("new content");
const changes: JournalChange[] = [
  { key: "a.json", before: digestHex(encodeUtf8("old")), after: digestHex(bytes), bytes },
  { key: "b.json", before: digestHex(bytes), after: null, bytes: null },
  { key: "c.json", before: null, after: digestHex(new Uint8Array()), bytes: new Uint8Array() },
  { key: "d/é.json", before: null, after: digestHex(encodeUtf8("x")), bytes: encodeUtf8("x") },
];
const journal = serializeJournal(changes);
const damaged = expect.objectContaining({
  code: "VAULT_TAMPERED",
  subject: "journal",
  message:
    "`journal` is damaged; move it away if the vault is otherwise intact, or restore from a backup",
});

/** A journal of these changes whose own digest is right, whatever is in it. */
function signed(content: Uint8Array): Uint8Array {
  return Buffer.concat([content, createHash("sha256").update(content).digest()]);
}

describe("a journal", () => {
  it("is read as it was written, also from the middle of a larger buffer", () => {
    expect(parseJournal(journal)).toEqual(changes);
    const larger = new Uint8Array(journal.length + 20).fill(0xee);
    larger.set(journal, 7);
    expect(parseJournal(larger.subarray(7, 7 + journal.length))).toEqual(changes);
    expect(parseJournal(serializeJournal([]))).toEqual([]);
  });

  it("is a line, the length of a header, the header, the bytes, and the digest of it all", () => {
    const header = JSON.stringify(
      changes.map(({ key, before, after, bytes }) => ({
        key,
        before,
        after,
        length: bytes?.length ?? null,
      })),
    );
    const length = Buffer.alloc(4);
    length.writeUInt32BE(Buffer.byteLength(header));
    const content = Buffer.concat([
      Buffer.from("aivault journal 1\n"),
      length,
      Buffer.from(header),
      bytes,
      encodeUtf8("x"),
    ]);
    expect(Buffer.from(journal)).toEqual(Buffer.from(signed(content)));
  });

  it("gives bytes of its own", () => {
    const copy = Uint8Array.from(journal);
    const read = parseJournal(copy);
    copy.fill(0);
    expect(read).toEqual(changes);
  });

  it("G11: that is cut anywhere, lengthened, or has a bit changed, is damaged", () => {
    for (let length = 0; length < journal.length; length += 1) {
      expect(() => parseJournal(journal.subarray(0, length))).toThrow(damaged);
    }
    expect(() => parseJournal(Buffer.concat([journal, Buffer.of(0)]))).toThrow(damaged);
    for (let bit = 0; bit < journal.length * 8; bit += 5) {
      const at = bit >> 3;
      const altered = Uint8Array.from(journal);
      altered[at] = (altered[at] as number) ^ (1 << (bit & 7));
      expect(() => parseJournal(altered)).toThrow(damaged);
    }
  });

  it("of another version is damaged, even with a right digest", () => {
    const content = Buffer.from(journal.subarray(0, -32));
    expect(parseJournal(signed(content))).toEqual(changes);
    content.write("2", "aivault journal ".length);
    expect(() => parseJournal(signed(content))).toThrow(damaged);
  });

  it("whose list of changes is none is damaged, even with a right digest", () => {
    const [magic] = Buffer.from(journal).toString("latin1").split("\n");
    for (const header of ["[", "null", "{}", ""]) {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(header.length);
      const content = Buffer.concat([Buffer.from(`${magic}\n`), length, Buffer.from(header)]);
      expect(() => parseJournal(signed(content)), header).toThrow(damaged);
    }
  });

  it("that is too short for its parts is damaged, even with a right digest", () => {
    for (const text of ["", "aivault journal 1\n", "aivault journal 1\n123"]) {
      expect(() => parseJournal(signed(Buffer.from(text)))).toThrow(damaged);
    }
  });

  it("G11: whose bytes are not those that a change names is damaged", () => {
    const [first] = changes as [JournalChange];
    const wrong = [
      { ...first, after: digestHex(encodeUtf8("other")) },
      { ...first, after: null },
    ];
    for (const change of wrong) {
      expect(() => parseJournal(serializeJournal([change]))).toThrow(damaged);
    }
  });
});

describe("what a journal says", () => {
  it("names what is wrong and what to do", () => {
    expect(journalError("names a file outside the vault").message).toBe(
      "`journal` names a file outside the vault; move it away if the vault is otherwise intact, or restore from a backup",
    );
    expect(digestHex(encodeUtf8("abc"))).toBe(
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
  });
});
