import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { secretForms } from "./redaction.ts";

const forms = (secret: string | Uint8Array): string[] =>
  secretForms(typeof secret === "string" ? Buffer.from(secret) : secret).map((form) =>
    Buffer.from(form).toString("latin1"),
  );
const latin1 = (text: string): string => Buffer.from(text, "utf8").toString("latin1");

/** Whether some form occurs in `text` and takes the whole of `encoded` out of it. */
function covers(secret: string, text: string): boolean {
  return forms(secret).some((form) => latin1(text).includes(form));
}

const SECRETS = [
  "sk-canary_0123456789abcdefXYZ",
  "a+b/c==canary?x=1",
  'canary\\"escaped\\"-0042',
  "clé-canary-sécrète-12",
  "PEM\r\ncanary-line-two\r\n",
  '<canary>&amp;"secret"\'`',
  "trailing-space-canary ",
  "nul-free\u0001canary-ctl-7",
  "100%canary%20value",
  "emoji-😀-canary",
];

const everyUnit = (text: string, write: (unit: string) => string): string =>
  Array.from({ length: text.length }, (_, i) =>
    write(text.charCodeAt(i).toString(16).padStart(4, "0")),
  ).join("");
const everyByte = (text: string, write: (hex: string) => string): string =>
  [...Buffer.from(text)].map((byte) => write(byte.toString(16).padStart(2, "0"))).join("");
const everyPoint = (text: string, write: (point: number) => string): string =>
  [...text].map((letter) => write(letter.codePointAt(0) ?? 0)).join("");

const HTML: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

const ENCODERS: Readonly<Record<string, (text: string) => string>> = {
  raw: (text) => text,
  hex: (text) => Buffer.from(text).toString("hex"),
  HEX: (text) => Buffer.from(text).toString("hex").toUpperCase(),
  base64: (text) => Buffer.from(text).toString("base64"),
  base64url: (text) => Buffer.from(text).toString("base64url"),
  "base64 behind one byte": (text) => Buffer.from(`:${text}tail`).toString("base64"),
  "base64 behind two bytes": (text) => Buffer.from(`u:${text}~tail`).toString("base64"),
  "base64 of a Bearer header": (text) => Buffer.from(`Bearer ${text}`).toString("base64url"),
  encodeURIComponent: (text) => encodeURIComponent(text),
  encodeURI: (text) => encodeURI(text),
  "encodeURIComponent, lower-case": (text) =>
    encodeURIComponent(text).replace(/%../g, (triplet) => triplet.toLowerCase()),
  URLSearchParams: (text) => new URLSearchParams([["", text]]).toString().slice(1),
  "a WHATWG path": (text) => new URL(`https://h/${encodeURIComponent(text)}`).pathname.slice(1),
  "percent, every byte": (text) => everyByte(text, (hex) => `%${hex}`),
  "PERCENT, every byte": (text) => everyByte(text, (hex) => `%${hex.toUpperCase()}`),
  "JSON.stringify": (text) => JSON.stringify(text).slice(1, -1),
  "JSON with \\/": (text) => JSON.stringify(text).slice(1, -1).replaceAll("/", "\\/"),
  "JSON in ASCII": (text) =>
    JSON.stringify(text)
      .slice(1, -1)
      .replace(/[\u007f-\uffff]/g, (unit) => everyUnit(unit, (hex) => `\\u${hex}`)),
  "JSON of Go": (text) =>
    JSON.stringify(text)
      .slice(1, -1)
      .replace(/[<>&]/g, (unit) => everyUnit(unit, (hex) => `\\u${hex}`)),
  "JSON, every unit": (text) => everyUnit(text, (hex) => `\\u${hex}`),
  "JSON, EVERY UNIT": (text) => everyUnit(text, (hex) => `\\u${hex.toUpperCase()}`),
  HTML: (text) => text.replace(/[&<>"']/g, (letter) => HTML[letter] ?? letter),
  "HTML, decimal": (text) => everyPoint(text, (point) => `&#${point};`),
  "HTML, hex": (text) => everyPoint(text, (point) => `&#x${point.toString(16)};`),
  "HTML, HEX": (text) => everyPoint(text, (point) => `&#x${point.toString(16).toUpperCase()};`),
};

describe("secretForms", () => {
  for (const [name, encode] of Object.entries(ENCODERS)) {
    it.each(SECRETS)(`G9: covers ${name} of %j`, (secret) => {
      expect(covers(secret, `x${encode(secret)}y`)).toBe(true);
    });
  }

  it("G9: covers base64 at every alignment, whatever stands beside it", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 6, maxLength: 40 }),
        fc.uint8Array({ maxLength: 5 }),
        fc.uint8Array({ maxLength: 5 }),
        (secret, before, after) => {
          const whole = Buffer.concat([before, secret, after]);
          for (const coding of ["base64", "base64url"] as const) {
            const text = whole.toString(coding);
            expect(forms(secret).some((form) => text.includes(form))).toBe(true);
          }
        },
      ),
    );
  });

  it("takes the secret itself first, and gives each form once, in a buffer of its own", () => {
    const secret = Buffer.from("sk-canary_0123456789abcdef");
    const list = secretForms(secret);
    expect(Buffer.from(list[0] ?? [])).toEqual(secret);
    expect(new Set(forms(secret)).size).toBe(list.length);
    for (const form of list) form.fill(0);
    expect(secret.toString()).toBe("sk-canary_0123456789abcdef");
    expect(forms(secret)[0]).toBe("sk-canary_0123456789abcdef");
  });

  it("gives nothing for nothing, and no short form but the secret itself", () => {
    expect(secretForms(new Uint8Array())).toEqual([]);
    expect(forms("a")[0]).toBe("a");
    for (const form of forms("ab").slice(1)) expect(form.length).toBeGreaterThanOrEqual(4);
  });

  it("is total on bytes that are not UTF-8", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), (secret) => {
        const list = secretForms(secret);
        expect(list[0]).toEqual(secret);
        expect(list.every((form) => form.length > 0)).toBe(true);
      }),
    );
  });

  it("keeps the number of forms of an ordinary key small", () => {
    expect(secretForms(Buffer.from("sk-canary_0123456789abcdefXYZ")).length).toBeLessThan(32);
  });
});
