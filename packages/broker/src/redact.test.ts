import { secretForms } from "@aivault/policy";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { heldBytesMax, REDACTION_MARKER, Redactor } from "./redact.ts";

const utf8 = (text: string) => new Uint8Array(Buffer.from(text));
const SECRET = "sk-canary/7Qm+Zx_9 é=R2";

function run(values: readonly string[], chunks: readonly Uint8Array[]): string {
  const redactor = new Redactor(values.map(utf8));
  const stream = redactor.stream();
  const out = chunks.flatMap((chunk) => [...stream.push(chunk.slice())]);
  return Buffer.concat([...out, ...stream.end()]).toString("latin1");
}

function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const sorted = [...places].sort((a, b) => a - b);
  return [...sorted, bytes.length].map((end, i) => bytes.subarray(sorted[i - 1] ?? 0, end));
}

/** The encoders of the corpora and a few more. */
const encodings: Readonly<Record<string, (text: string) => string>> = {
  raw: (t) => Buffer.from(t).toString("latin1"),
  base64: (t) => Buffer.from(t).toString("base64"),
  "base64 of a pair": (t) => Buffer.from(`user:${t}`).toString("base64"),
  "base64 in the middle": (t) => Buffer.from(`ab${t}yz`).toString("base64"),
  base64url: (t) => Buffer.from(`>>?${t}`).toString("base64url"),
  hex: (t) => Buffer.from(t).toString("hex"),
  HEX: (t) => Buffer.from(t).toString("hex").toUpperCase(),
  percent: (t) => encodeURIComponent(t),
  form: (t) => new URLSearchParams({ t }).toString().slice(2),
  "percent, all": (t) => Buffer.from(t).toString("hex").replace(/../g, "%$&"),
  "JSON \\u": (t) =>
    [...Array(t.length).keys()]
      .map((i) => `\\u${t.charCodeAt(i).toString(16).padStart(4, "0")}`)
      .join(""),
  "JSON ASCII": (t) =>
    JSON.stringify(t)
      .slice(1, -1)
      .replace(/[^ -~]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`),
  "JSON with escaped slashes": (t) =>
    Buffer.from(JSON.stringify(t).slice(1, -1).replaceAll("/", "\\/")).toString("latin1"),
  "HTML decimal": (t) => [...t].map((c) => `&#${c.codePointAt(0)};`).join(""),
  "HTML hex": (t) => [...t].map((c) => `&#x${c.codePointAt(0)?.toString(16)};`).join(""),
  "HTML hex, zeros": (t) =>
    [...t].map((c) => `&#X00${c.codePointAt(0)?.toString(16).toUpperCase()};`).join(""),
};

describe("Redactor", () => {
  it.each(Object.keys(encodings))("G9: finds a secret echoed as %s, at every split", (name) => {
    const text = (encodings[name] as (text: string) => string)(SECRET);
    const body = new Uint8Array(Buffer.from(`{"a":"${text}"}`, "latin1"));
    for (let i = 0; i <= body.length; i++) {
      const out = run([SECRET], cut(body, [i]));
      expect(out).toContain(REDACTION_MARKER);
      expect(out.length).toBeLessThan(REDACTION_MARKER.length + 18);
    }
    expect(
      run(
        [SECRET],
        [...body].map((byte) => Uint8Array.of(byte)),
      ),
    ).toContain(REDACTION_MARKER);
  });

  it("G9: finds every form that @aivault/policy lists, also beyond 4 KiB", () => {
    const padding = Buffer.from("The quick brown fox jumps; 0123456789abcdef %5B%5D {\\u0041}\n");
    const long = Buffer.concat(Array.from({ length: 200 }, () => padding));
    for (const form of secretForms(utf8(SECRET))) {
      const body = Buffer.concat([long, form, long]);
      const out = run([SECRET], [new Uint8Array(body)]);
      const text = Buffer.from(form).toString("latin1");
      expect([text, out.includes(REDACTION_MARKER)]).toEqual([text, true]);
      expect(out.includes(text)).toBe(false);
    }
  });

  it("G9: leaves no character of base64 that carries bits of the secret", () => {
    const secrets = fc.string({ unit: "grapheme-ascii", minLength: 9, maxLength: 30 });
    const around = fc.uint8Array({ maxLength: 5 });
    fc.assert(
      fc.property(secrets, around, around, fc.boolean(), (text, before, after, escaped) => {
        const secret = text.trim();
        fc.pre(secret.length >= 9);
        const bytes = Buffer.concat([before, Buffer.from(secret), after]);
        const plain = bytes.toString("base64");
        const echo = escaped ? encodeURIComponent(plain) : plain;
        // Characters that hold nothing but what stands before or behind.
        const head = plain.slice(0, Math.floor((8 * before.length) / 6));
        const end = Math.ceil((8 * (before.length + Buffer.byteLength(secret))) / 6);
        const shown = (part: string) => (escaped ? encodeURIComponent(part) : part);
        const expected = `"${shown(head)}${REDACTION_MARKER}${shown(plain.slice(end))}"`;
        const body = utf8(`"${echo}"`);
        for (let i = 0; i <= body.length; i++) {
          const out = run([secret], cut(body, [i]));
          // Chance may let a shorter part of the secret match as well; never less is cut out.
          expect(out.length).toBeLessThanOrEqual(expected.length);
          if (out.length === expected.length) expect(out).toBe(expected);
        }
      }),
      { numRuns: 200 },
    );
  });

  it("G9: swallows the last character of an echo that stands alone", () => {
    const echo = Buffer.from("canary-secret-value-1").toString("base64");
    const other = Buffer.from("canary-secret-value-12").toString("base64");
    expect(run(["canary-secret-value-1"], [utf8(echo)])).toBe(REDACTION_MARKER);
    expect(run(["canary-secret-value-12"], [utf8(other)])).toBe(`${REDACTION_MARKER}==`);
  });

  it("G9: no mixture of escapes and no split lets a secret out", () => {
    const secret = fc.string({ unit: "grapheme-ascii", minLength: 4, maxLength: 40 }).filter(
      // Outer white space is no part of what is searched for.
      (text) => text.trim().length === text.length,
    );
    const spelling = fc.array(fc.nat(6), { minLength: 40, maxLength: 40 });
    fc.assert(
      fc.property(
        secret,
        spelling,
        fc.array(fc.nat(5000), { maxLength: 6 }),
        fc.nat(4500),
        fc.boolean(),
        (text, choices, places, padding, upper) => {
          const spelled = [...text]
            .map((c, i) => {
              const hex = c.charCodeAt(0).toString(16).padStart(2, "0");
              const h = upper ? hex.toUpperCase() : hex;
              return [
                c,
                `%${h}`,
                `\\u00${h}`,
                `\\x${h}`,
                `&#${c.charCodeAt(0)};`,
                `&#x${h};`,
                `&#0${c.charCodeAt(0)};`,
              ][choices[i] ?? 0];
            })
            .join("");
          const body = utf8(`${"~".repeat(padding)}${spelled}~~`);
          const out = run(
            [text],
            cut(
              body,
              places.filter((place) => place <= body.length),
            ),
          );
          expect(out).toContain(REDACTION_MARKER);
        },
      ),
      { numRuns: 1500 },
    );
  });

  it("passes everything else through unchanged, however it is cut", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 9000 }),
        fc.array(fc.nat(9000), { maxLength: 5 }),
        (body, places) => {
          const out = run(
            [SECRET],
            cut(
              body,
              places.filter((place) => place <= body.length),
            ),
          );
          expect(out).toBe(Buffer.from(body).toString("latin1"));
        },
      ),
      { numRuns: 200 },
    );
  });

  it("holds nothing back that cannot be the beginning of a secret", () => {
    const stream = new Redactor([utf8(SECRET)]).stream();
    const event = utf8('data: {"delta":"hello"}\n\n');
    expect(Buffer.concat([...stream.push(event)])).toEqual(Buffer.from(event));
    expect(Buffer.concat([...stream.push(utf8("x sk-ca"))]).toString()).toBe("x ");
    expect(Buffer.concat([...stream.push(utf8("!"))]).toString()).toBe("sk-ca!");
  });

  it("holds back a bounded number of bytes", () => {
    const stream = new Redactor([utf8("a".repeat(50))]).stream();
    let held = 0;
    for (let i = 0; i < 49; i++) {
      for (const byte of utf8("\\u0061")) {
        held += 1;
        for (const out of stream.push(Uint8Array.of(byte))) held -= out.length;
        expect(held).toBeLessThanOrEqual(heldBytesMax(50));
      }
    }
  });

  it("G23: wipes what a stream held back when it does not get to its end", () => {
    const stream = new Redactor([utf8("canary-0123456789")]).stream();
    const chunk = utf8("seen canary-0123");
    expect(Buffer.concat(stream.push(chunk)).toString()).toBe("seen ");
    stream.wipe();
    expect(stream.end()).toEqual([]);
  });

  it("waits for the longer of two secrets that begin alike", () => {
    expect(run(["key-abcd", "key-abcd-and-more"], [utf8("key-abcd"), utf8("-and-more!")])).toBe(
      "[REDACTED]!",
    );
    expect(run(["key-abcd", "key-abcd-and-more"], [utf8("key-abcd"), utf8("-and-less!")])).toBe(
      "[REDACTED]-and-less!",
    );
  });

  it("reads a secret's own escape characters both ways", () => {
    expect(run(["%41%42cd"], [utf8("x%41%42cdx")])).toBe("x[REDACTED]x");
    expect(run(["%41%42cd"], [utf8("x%2541%2542cdx")])).toBe("x[REDACTED]x");
    expect(run(["a\\b&c"], [utf8("a\\\\b&amp;c")])).toBe("[REDACTED]");
    expect(run(["%25".repeat(30)], [utf8("%25".repeat(31))])).toContain("[REDACTED]");
  });

  it("finds each long line of a PEM key", () => {
    const line = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC";
    const pem = `-----BEGIN PRIVATE KEY-----\n${line}\nshort=\n-----END PRIVATE KEY-----\n`;
    expect(run([pem], [utf8(`{"pem":"-----BEGIN PRIVATE KEY-----\\n${line}"}`)])).toBe(
      '{"pem":"-----BEGIN PRIVATE KEY-----\\n[REDACTED]"}',
    );
  });

  it("leaves values of under four bytes alone", () => {
    expect(run(["abc", ""], [utf8("abcabc")])).toBe("abcabc");
  });

  it("redacts header values", () => {
    const redactor = new Redactor([utf8(SECRET)]);
    expect(redactor.text(`https://h/?key=${encodeURIComponent(SECRET)}&x=1`)).toBe(
      "https://h/?key=[REDACTED]&x=1",
    );
    expect(redactor.text("plain")).toBe("plain");
    expect(redactor.found).toBe(1);
    redactor.wipe();
    expect(redactor.text(SECRET.replace("é", "e"))).not.toContain("REDACTED");
  });
});

describe("a secret that ends as an escape begins", () => {
  it.each(["key-ab%", "key-ab%25", "key-ab\\", "key-ab\\\\", "key-ab&amp;", "key-ab&"])(
    "G9: is cut out at the very end: %s",
    (secret) => {
      expect(new Redactor([utf8(secret)]).text(secret)).not.toContain(secret);
      expect(new Redactor([utf8(secret)]).text(`x ${secret}`)).not.toContain(secret);
    },
  );
});
