import { describe, expect, it } from "vitest";
import { parseStrictJson } from "./strict-json.ts";

const parse = (text: string, options = {}) => parseStrictJson(Buffer.from(text, "utf8"), options);
const plain = (text: string) => {
  const parsed = parse(text);
  return parsed.ok ? JSON.parse(JSON.stringify(parsed.value)) : parsed;
};
const invalid = { ok: false, code: "invalid_request" };

describe("parseStrictJson", () => {
  it.each([
    ["null"],
    [" [ ] "],
    ["{}"],
    ["-0.5e+3"],
    ['"\\u00e9\\ud83d\\ude00\\n\\/"'],
    ['{"a":[1,{"b":"c"},true,false,null],"":0}'],
    ['"\u2028\u007f"'],
    ["[[],{},[[]]]"],
  ])("reads %s as JSON.parse does", (text) => {
    expect(plain(text)).toEqual(JSON.parse(text));
  });

  it.each([
    ["nothing", ""],
    ["white space only", " \n"],
    ["a byte order mark", "\ufeff{}"],
    ["a second value", "{}{}"],
    ["a trailing comma in a list", "[1,]"],
    ["a trailing comma in an object", '{"a":1,}'],
    ["a missing comma", "[1 2]"],
    ["a missing colon", '{"a" 1}'],
    ["a missing value", '{"a":}'],
    ["a member without quotes", "{a:1}"],
    ["single quotes", "['a']"],
    ["the wrong bracket", "[1}"],
    ["an open list", "[1"],
    ["an open string", '"a'],
    ["a control character in a string", '"a\u0001"'],
    ["an unknown escape", '"\\x41"'],
    ["half an escape", '"\\u00"'],
    ["an escape with a letter that is no digit", '"\\uG000"'],
    ["one in the second place", '"\\u0G00"'],
    ["one in the third", '"\\u00G0"'],
    ["one in the last", '"\\u000G"'],
    ["a backslash at the end", '"\\'],
    ["a leading zero", "01"],
    ["a bare dot", "1."],
    ["a plus sign", "+1"],
    ["a word that is none", "nul"],
    ["NaN", "NaN"],
    ["a number too large", "1e999"],
    ["a comment", "/**/{}"],
    ["a no-break space", "\u00a0{}"],
  ])("refuses %s", (_, text) => {
    expect(parse(text)).toMatchObject(invalid);
  });

  it.each([
    ["plainly", '{"a":1,"a":1}'],
    ["in an escape", '{"a":1,"\\u0061":2}'],
    ["deep inside", '[{"x":{"a":1,"b":2,"a":3}}]'],
    ["with a name every object inherits", '{"toString":1,"toString":2}'],
  ])("refuses a member that appears twice, %s", (_, text) => {
    expect(parse(text)).toMatchObject(invalid);
  });

  it("accepts equal names in different objects", () => {
    expect(plain('[{"a":1},{"a":{"a":2}}]')).toEqual([{ a: 1 }, { a: { a: 2 } }]);
  });

  it.each(['{"__proto__":1}', '{"a":{"__pr\\u006fto__":{}}}'])(
    "refuses the member of %s",
    (text) => {
      expect(parse(text)).toMatchObject(invalid);
    },
  );

  it("gives objects no prototype, so that no name is inherited", () => {
    const parsed = parse("{}");
    expect(parsed.ok && Object.getPrototypeOf(parsed.value)).toBeNull();
  });

  it.each(['"\\ud800"', '"\\udc00"', '"\\ud800x"', '"\\ud800\\u0041"', '"\\udc00\\ud800"'])(
    "refuses the half character in %s",
    (text) => {
      expect(parse(text)).toMatchObject(invalid);
    },
  );

  it.each([
    ["a stray continuation byte", [0x22, 0x80, 0x22]],
    ["an overlong form", [0x22, 0xc0, 0xaf, 0x22]],
    ["a surrogate", [0x22, 0xed, 0xa0, 0x80, 0x22]],
    ["UTF-16", [0xff, 0xfe, 0x7b, 0, 0x7d, 0]],
  ])("refuses bytes that are not UTF-8: %s", (_, bytes) => {
    expect(parseStrictJson(Uint8Array.from(bytes))).toMatchObject(invalid);
  });

  it("knows a byte order mark from what only begins like one", () => {
    const message = (...bytes: number[]) => {
      const parsed = parseStrictJson(Uint8Array.from(bytes));
      return parsed.ok ? null : parsed.message;
    };
    expect(message(0xef, 0xbb, 0xbf, 0x31)).toBe("the JSON text begins with a byte order mark");
    for (const bytes of [
      [0xe1, 0xbb, 0xbf],
      [0xef, 0xbc, 0xbf],
      [0xef, 0xbb, 0xbe],
    ]) {
      expect(message(...bytes)).toBe("not acceptable JSON at character 0: expected a value");
    }
    expect(message(0x22, 0xc2, 0xbf, 0x22)).toBeNull();
  });

  it("stops at its bounds", () => {
    expect(parse("[[1]]", { depthMax: 2 }).ok).toBe(true);
    expect(parse("[[1]]", { depthMax: 1 })).toMatchObject(invalid);
    expect(parse("[1,2]", { valuesMax: 3 }).ok).toBe(true);
    expect(parse("[1,2]", { valuesMax: 2 })).toMatchObject(invalid);
    expect(parse("[1]", { bytesMax: 3 }).ok).toBe(true);
    expect(parse("[1]", { bytesMax: 2 })).toMatchObject({ code: "request_too_large" });
    expect(parse(`{"${"k".repeat(1025)}":1}`)).toMatchObject(invalid);
  });

  it("has bounds of its own where none are given", () => {
    const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
    expect(parse(nested(16)).ok).toBe(true);
    expect(parse(nested(17))).toMatchObject(invalid);
    const list = (count: number) => `[${Array.from({ length: count }, () => "0").join()}]`;
    expect(parse(list(9_999)).ok).toBe(true);
    expect(parse(list(10_000))).toMatchObject(invalid);
    const text = new Uint8Array(16 * 1024 * 1024).fill(0x61);
    text[0] = text[text.length - 1] = 0x22;
    expect(parseStrictJson(text).ok).toBe(true);
    expect(parseStrictJson(new Uint8Array(text.length + 1))).toMatchObject({
      code: "request_too_large",
    });
    expect(parse(`{"${"k".repeat(1024)}":1}`).ok).toBe(true);
  });

  it("lets a value of nothing be nested as deep as a value of something", () => {
    expect(parse("[[]]", { depthMax: 2 }).ok).toBe(true);
    expect(parse("[[]]", { depthMax: 1 })).toMatchObject(invalid);
    expect(parse('{"a":{}}', { depthMax: 1 })).toMatchObject(invalid);
    expect(parse("[[],[[]]]", { depthMax: 2 })).toMatchObject(invalid);
    expect(parse("[[],[],[]]", { depthMax: 2 }).ok).toBe(true);
  });

  it.each([" ", "\t", "\n", "\r", " \t\n\r"])("takes %j wherever white space may be", (space) => {
    const text = ["", "{", '"a"', ":", "[", "1", ",", "2", "]", ",", '"b"', ":", "null", "}", ""];
    expect(plain(text.join(space))).toEqual({ a: [1, 2], b: null });
  });

  it.each(["\u000b", "\u000c", "\u0085", "\u2028", "\ufeff"])(
    "takes %j for no white space",
    (space) => {
      expect(parse(`[${space}1]`)).toMatchObject(invalid);
      expect(parse(`[1]${space}`)).toMatchObject(invalid);
    },
  );

  it.each(["true", "false", "null", "0", "-0", "12", "-1.5", "1e2", "1E+2", "1.25e-2", "10"])(
    "reads %s alone, and nothing that only begins so",
    (text) => {
      expect(parse(text)).toEqual({ ok: true, value: JSON.parse(text) });
      for (const more of ["x", "e", ".", "0x", " 1", "-"]) {
        expect(parse(text + more)).toMatchObject(invalid);
      }
    },
  );

  it.each(["-", "-a", ".5", "0.", "1.e2", "1e", "1e+", "00", "-01", "True", "tru", "Infinity"])(
    "reads no number or word in %s",
    (text) => {
      expect(parse(text)).toMatchObject(invalid);
    },
  );

  it.each([
    ["\\u0000", "\u0000"],
    ["\\uD7FF", "\ud7ff"],
    ["\\ue000", "\ue000"],
    ["\\ud800\\udc00", "\ud800\udc00"],
    ["\\udbff\\udfff", "\udbff\udfff"],
    ["a\\u0061a", "aaa"],
    ['\\"\\\\\\/\\b\\f\\n\\r\\t', '"\\/\b\f\n\r\t'],
  ])("reads the escapes of %s", (escaped, text) => {
    expect(parse(`"${escaped}"`)).toEqual({ ok: true, value: text });
  });

  it.each([
    "\\ud800\\ud800",
    "\\udbff\\ue000",
    "\\ud83d\\n",
    "\\udc00\\udc00",
    "\\udfff\\udc00",
    "\\ud800xudc00",
    "\\udfff",
    "\\v",
    "\\U0041",
    "\\",
  ])("reads no character in %s", (escaped) => {
    expect(parse(`"${escaped}"`)).toMatchObject(invalid);
  });

  it("names a place and never a value", () => {
    const refused = parse('{"a":"hunter2-secret" "b":1}');
    expect(refused).toMatchObject(invalid);
    expect(JSON.stringify(refused)).not.toContain("hunter2");
  });
});
