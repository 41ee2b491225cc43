import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Redactor } from "./redact.ts";
import { FrameReader, serverFrame, TEXT } from "./websocket-frame.ts";
import { FrameRedactor } from "./websocket-redactor.ts";

const utf8 = (text: string) => new Uint8Array(Buffer.from(text));

function readAll(bytes: Uint8Array, places: readonly number[]): string[] {
  const found: string[] = [];
  const reader = new FrameReader(false, 1_000_000, {
    head: ({ opcode, fin }) => found.push(`${opcode}${fin ? "!" : ""}`),
    payload: (chunk) => found.push(Buffer.from(chunk).toString("latin1")),
    end: () => found.push("."),
  });
  const ends = [...places].sort((a, b) => a - b);
  let from = 0;
  for (const end of [...ends, bytes.length]) {
    reader.push(bytes.slice(from, end));
    from = end;
  }
  return found;
}

describe("FrameReader", () => {
  it("finds the same frames however the stream is cut", () => {
    const lengths = fc.array(fc.constantFrom(0, 1, 125, 126, 300, 65_536), { maxLength: 4 });
    fc.assert(
      fc.property(lengths, fc.array(fc.nat({ max: 70_000 }), { maxLength: 6 }), (sizes, cuts) => {
        const frames = sizes.map((size) => serverFrame(true, TEXT, [new Uint8Array(size)]));
        const bytes = new Uint8Array(Buffer.concat(frames));
        const places = cuts.filter((cut) => cut <= bytes.length);
        expect(readAll(bytes, places).join("")).toBe(readAll(bytes, []).join(""));
      }),
      { numRuns: 60 },
    );
  });

  it.each([
    ["masked by a server", [0x81, 0x80, 0, 0, 0, 0]],
    ["with a reserved bit", [0xc1, 0]],
    ["with an unknown opcode", [0x83, 0]],
    ["with an unknown control opcode", [0x8b, 0]],
    ["of control in fragments", [0x09, 0]],
    ["of control, too long", [0x89, 126, 0, 126]],
    ["that continues nothing", [0x80, 0]],
    ["that begins within a message", [0x01, 0, 0x01, 0]],
  ])("refuses a frame %s", (_name, bytes) => {
    expect(() => readAll(Uint8Array.from(bytes), [])).toThrow(
      expect.objectContaining({ code: "upstream_failed" }),
    );
  });

  it("G10: counts a message over all its fragments, before they come", () => {
    const reader = new FrameReader(true, 100, { head() {}, payload() {}, end() {} });
    const mask = [0, 0, 0, 0];
    reader.push(Uint8Array.from([0x01, 0x80 | 60, ...mask, ...new Array<number>(60).fill(0)]));
    expect(() => reader.push(Uint8Array.from([0x80, 0x80 | 41, ...mask]))).toThrow(
      expect.objectContaining({ code: "request_too_large" }),
    );
  });
});

describe("FrameRedactor", () => {
  it("G9: lets no secret out however a message is cut into frames and chunks", () => {
    const secret = "canary-0123456789";
    const text = utf8(`before ${secret} after`);
    for (let cut = 0; cut <= text.length; cut++) {
      const redactor = new FrameRedactor(new Redactor([utf8(secret)]), 1000);
      const frames = Buffer.concat([
        serverFrame(false, TEXT, [text.slice(0, cut)]),
        serverFrame(true, 0, [text.slice(cut)]),
      ]);
      const out: Uint8Array[] = [];
      for (const byte of frames) out.push(...redactor.push(Uint8Array.of(byte)));
      const messages: Uint8Array[] = [];
      const reader = new FrameReader(false, 1000, {
        head() {},
        payload: (chunk) => messages.push(chunk.slice()),
        end() {},
      });
      reader.push(new Uint8Array(Buffer.concat(out)));
      expect(Buffer.concat(messages).toString()).toBe("before [REDACTED] after");
    }
  });

  it("leaves a message that came in one piece in one piece", () => {
    const redactor = new FrameRedactor(new Redactor([utf8("canary-0123456789")]), 1000);
    const frame = serverFrame(true, TEXT, [utf8("hello")]);
    expect(redactor.push(new Uint8Array(frame)).map((out) => Buffer.from(out))).toEqual([frame]);
  });
});
