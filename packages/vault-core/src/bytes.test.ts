import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  concatBytes,
  decodeBase64,
  decodeBase64Codes,
  decodeHex,
  decodeHexCodes,
  decodeUtf8,
  encodeBase64,
  encodeBase64Codes,
  encodeHex,
  encodeUtf8,
  encodeUtf8Into,
  equalBytes,
  wipe,
} from "./bytes.ts";

/** Four codes that are text, one of them replaced by each of the 256. */
function* replaced(text: string): Generator<Uint8Array> {
  const codes = encodeUtf8(text);
  for (let at = 0; at < codes.length; at += 1) {
    for (let code = 0; code < 256; code += 1) yield codes.with(at, code);
  }
}

describe("base64", () => {
  it("is the encoding of RFC 4648 section 10, and decodes again", () => {
    for (const [text, encoded] of [
      ["", ""],
      ["f", "Zg=="],
      ["fo", "Zm8="],
      ["foo", "Zm9v"],
      ["foob", "Zm9vYg=="],
      ["fooba", "Zm9vYmE="],
      ["foobar", "Zm9vYmFy"],
    ] as const) {
      expect(encodeBase64(new TextEncoder().encode(text))).toBe(encoded);
      expect(decodeBase64(encoded)).toEqual(new TextEncoder().encode(text));
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        expect(encodeBase64(bytes)).toBe(Buffer.from(bytes).toString("base64"));
        expect(decodeBase64(encodeBase64(bytes))).toEqual(bytes);
        expect(decodeHex(encodeHex(bytes))).toEqual(bytes);
      }),
    );
  });

  it("accepts one spelling of a byte string only", () => {
    for (const text of [
      "Zg",
      "Zg=",
      "Zh==",
      "Zm9=",
      "Zm8\n",
      " Zm8=",
      "Zm-v",
      "====",
      "Z===",
      "=m9v",
    ]) {
      expect(decodeBase64(text)).toBeNull();
    }
    for (const text of ["0", "0g", "zz"]) expect(decodeHex(text)).toBeNull();
  });
});

describe("text of bytes", () => {
  it("is base64 for exactly the codes of its alphabet, at every place", () => {
    for (const text of ["Zm9v", "+/+/", "Zm8=", "Zg=="]) {
      for (const codes of replaced(text)) {
        const spelled = Buffer.from(codes).toString("latin1");
        const bytes = Buffer.from(spelled, "base64");
        const expected = bytes.toString("base64") === spelled ? new Uint8Array(bytes) : null;
        expect([spelled, decodeBase64Codes(codes)]).toEqual([spelled, expected]);
      }
    }
  });

  it("is hexadecimal for exactly the 22 digits, at every place", () => {
    for (const codes of replaced("a7F0")) {
      const spelled = Buffer.from(codes).toString("latin1");
      const expected = /^[0-9A-Fa-f]{4}$/.test(spelled)
        ? new Uint8Array(Buffer.from(spelled, "hex"))
        : null;
      expect([spelled, decodeHexCodes(codes)]).toEqual([spelled, expected]);
    }
    expect(decodeHex("")).toEqual(new Uint8Array());
    expect(decodeHex("00ffA0")).toEqual(Uint8Array.of(0, 255, 160));
    expect(decodeHex("é")).toBeNull();
    expect(encodeHex(Uint8Array.of(0, 1, 15, 16, 255))).toBe("00010f10ff");
  });

  it("is written as codes with what is to follow them", () => {
    const codes = encodeBase64Codes(encodeUtf8("fo"), 0x0d, 0x0a);
    expect(codes).toEqual(encodeUtf8("Zm8=\r\n"));
    expect(encodeBase64Codes(new Uint8Array(), 0x0a)).toEqual(Uint8Array.of(0x0a));
    expect(encodeBase64Codes(new Uint8Array())).toEqual(new Uint8Array());
  });

  it("is UTF-8, to the byte", () => {
    const text = "\ufeffaé密🔑\u0000";
    expect(encodeUtf8(text)).toEqual(new Uint8Array(Buffer.from(text)));
    expect(decodeUtf8(encodeUtf8(text))).toBe(text);
    const target = new Uint8Array(8).fill(0xee);
    expect(encodeUtf8Into("a密", target, 2)).toBe(4);
    expect(target).toEqual(Uint8Array.of(0xee, 0xee, 0x61, 0xe5, 0xaf, 0x86, 0xee, 0xee));
    for (const bytes of [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xe2, 0x82]]) {
      expect(() => decodeUtf8(Uint8Array.from(bytes))).toThrow(TypeError);
    }
  });
});

describe("concatBytes", () => {
  it("puts every part after the one before it, in bytes of its own", () => {
    const first = Uint8Array.of(1, 2);
    const joined = concatBytes(first, new Uint8Array(), Uint8Array.of(3), Uint8Array.of(4, 5));
    expect(joined).toEqual(Uint8Array.of(1, 2, 3, 4, 5));
    first.fill(0);
    expect(joined[0]).toBe(1);
    expect(concatBytes()).toEqual(new Uint8Array());
  });
});

describe("wipe", () => {
  it("G23: zeroes every buffer it is given, and does not mind those that are not there", () => {
    const buffers = [Uint8Array.of(1, 2), new Uint8Array(40).fill(7)] as const;
    wipe(buffers[0], null, undefined, buffers[1]);
    expect(buffers).toEqual([new Uint8Array(2), new Uint8Array(40)]);
    expect(() => wipe()).not.toThrow();
  });
});

describe("equalBytes", () => {
  it("compares content and length", () => {
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true);
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false);
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1))).toBe(false);
    expect(equalBytes(new Uint8Array(0), new Uint8Array(0))).toBe(true);
  });

  it("tells a MAC from every one with a bit changed, and from every longer and shorter one", () => {
    const mac = Uint8Array.from({ length: 32 }, (_, at) => (at * 37 + 11) & 0xff);
    for (let bit = 0; bit < 256; bit++) {
      const other = mac.slice();
      other[bit >> 3] = (other[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(equalBytes(mac, other)).toBe(false);
    }
    // Of zeros: a byte that is not there must not count as one.
    const zeros = new Uint8Array(32);
    for (let length = 0; length < 32; length++) {
      for (const whole of [mac, zeros]) {
        expect(equalBytes(whole, whole.subarray(0, length))).toBe(false);
        expect(equalBytes(whole.subarray(0, length), whole)).toBe(false);
      }
    }
  });
});
