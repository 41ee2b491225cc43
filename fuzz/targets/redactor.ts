import { secretForms } from "@aivault/policy";
import { Redactor } from "../../packages/broker/src/redact.ts";
import { REDACTED_BYTES_MIN } from "../../packages/broker/src/secret-pattern.ts";
import { mutateText } from "../mutate.ts";
import type { Random } from "../random.ts";
import { demand, type Target } from "../target.ts";

/** A secret, a text that may contain it, and where the text is cut. All of it bytes. */
interface Input {
  readonly secret: string;
  readonly text: string;
  readonly cuts: readonly number[];
}

const SECRETS = [
  "sk-canary/7Qm+Zx_9=R2",
  "AKIAIOSFODNN7EXAMPLE",
  "p%61ss%20word",
  "a\\b\"c<d>&e'f",
  "\xc3\xa9\xe2\x82\xac\xf0\x9f\x9a\x80-key",
  "aaaaaaaa",
  "abcabcabd",
  "line one is long\nline two is long too",
  "\xff\xfe\x00\x01binary",
  "key with spaces",
  "====",
  "dXNlcjpwYXNz",
];

const TOKENS = [
  ..."% \\ \\u \\u00 \\x & &# &#x &amp; &lt; ; + = / - _ %25 %5c \\\\ \\/ &#38; [REDACTED] [ ]".split(
    " ",
  ),
  ...'Authorization: Bearer token key secret {" "} : , data:'.split(" "),
  "\r\n",
  "\n\n",
  "\0",
  "\xc3",
];

/** Beyond what is searched byte by byte, and no beginning of any secret above. */
const LONG = "\n".repeat(5_000);

const latin1 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "latin1"));

/** One character in one of the spellings the redactor promises to see through. */
function spelled(random: Random, character: string): string {
  const code = character.charCodeAt(0);
  const hex = code.toString(16).padStart(2, "0");
  const byte = [`%${hex}`, `%${hex.toUpperCase()}`];
  if (code >= 0x80) return random.pick([character, character, ...byte]);
  const punctuation = /[^A-Za-z0-9]/.test(character) && code > 0x20 ? [`\\${character}`] : [];
  return random.pick([
    character,
    character,
    character,
    ...byte,
    `\\u00${hex}`,
    `\\x${hex}`,
    `&#${code};`,
    `&#x${hex};`,
    `&#X00${hex.toUpperCase()};`,
    ...(punctuation.length > 0 && /["\\/]/.test(character) ? punctuation : []),
  ]);
}

/** The secret as an upstream may echo it. */
function echo(random: Random, secret: string): string {
  const bytes = Buffer.from(secret, "latin1");
  const padding = "ab".slice(0, random.below(3));
  switch (random.below(6)) {
    case 0:
      return Buffer.from(padding + secret + padding, "latin1").toString("base64");
    case 1:
      return Buffer.from(padding + secret + padding, "latin1").toString("base64url");
    case 2:
      return random.chance(0.5) ? bytes.toString("hex") : bytes.toString("hex").toUpperCase();
    case 3:
      return secret;
    default:
      return [...secret].map((character) => spelled(random, character)).join("");
  }
}

/** The redactor: nothing that decodes to the secret comes out, however the text is cut. */
export const redactorTarget: Target<Input> = {
  name: "redactor",
  seeds: SECRETS.flatMap((secret) => {
    const bytes = Buffer.from(secret, "latin1");
    return [secret, bytes.toString("base64"), bytes.toString("hex"), "nothing here"].map(
      (form) => ({
        secret,
        text: `{"error":"bad key ${form} given"}`,
        cuts: [20],
      }),
    );
  }),
  mutate(random, { secret, text, cuts }, pool) {
    const other = random.pick(pool);
    const nextSecret = random.chance(0.05)
      ? mutateText(random, secret, [other.secret], TOKENS).slice(0, 64)
      : random.chance(0.1)
        ? other.secret
        : secret;
    const bare = Buffer.from(nextSecret, "latin1").toString("latin1");
    let changed = mutateText(random, text, [other.text], TOKENS).slice(0, 600);
    if (random.chance(0.6)) {
      const at = random.below(changed.length + 1);
      changed = changed.slice(0, at) + echo(random, bare) + changed.slice(at);
    }
    const bytes = Buffer.from(changed, "latin1").toString("latin1");
    return {
      secret: bare,
      text: bytes,
      cuts: random.chance(0.7)
        ? Array.from({ length: random.below(8) }, () => random.below(bytes.length + 1))
        : cuts,
    };
  },
  check({ secret, text, cuts }) {
    const whole = redact(secret, text, []);
    const pieces = redact(secret, text, cuts);
    demand(pieces === whole, "what comes out depends on how it came in");
    if (cuts.length < 3) {
      const bytewise = redact(
        secret,
        text,
        Array.from(text.slice(0, 300), (_, at) => at),
      );
      demand(bytewise === whole, "what comes out depends on how it came in");
    }
    if (cuts.length > 3) {
      const far = redact(secret, LONG + text, []);
      demand(far === LONG + whole, "what comes out depends on what stood before");
    }
    const bare = secret.replaceAll(/^[\s]+|[\s]+$/g, "");
    if (bare.length < REDACTED_BYTES_MIN) return "too short";
    for (const form of secretForms(latin1(bare))) {
      const spelledOut = Buffer.from(form).toString("latin1");
      // Forms that are the start of the marker itself, or shorter than what is searched for.
      if (spelledOut.length < 6 || "[REDACTED]".includes(spelledOut)) continue;
      demand(!outside(whole).includes(spelledOut), "a form of the secret comes out");
    }
    const isPlain = !/[%&\\+[\]]/.test(bare);
    if (isPlain) {
      for (const read of READERS) {
        demand(!outside(read(whole)).includes(bare), "what comes out decodes to the secret");
      }
      const shows = READERS.some((read) => contains(read(text), bare));
      if (!shows && !/[%&\\+]/.test(text) && !contains(text, bare)) {
        demand(whole === text, "text without the secret is changed");
      }
    }
    const found = whole.split("[REDACTED]").length - text.split("[REDACTED]").length;
    return `${Math.min(found, 3)} ${text.length > 200} ${cuts.length > 3} ${isPlain}`;
  },
};

function redact(secret: string, text: string, cuts: readonly number[]): string {
  const redactor = new Redactor([latin1(secret)]);
  const stream = redactor.stream();
  const bytes = latin1(text);
  const ends = [...cuts.filter((cut) => cut <= bytes.length), bytes.length].sort((a, b) => a - b);
  const out = ends.flatMap((end, at) => [...stream.push(bytes.slice(ends[at - 1] ?? 0, end))]);
  return Buffer.concat([...out, ...stream.end()]).toString("latin1");
}

/** Without the markers, which may look like a piece of an odd secret. */
function outside(text: string): string {
  return text.replaceAll("[REDACTED]", "\u{1f5d1}");
}

/** Each undoes one kind of escape, once, as a reader of that format would. */
const READERS: readonly ((text: string) => string)[] = [
  (text) => text,
  (text) => text.replaceAll(/%([0-9a-fA-F]{2})/g, (_, hex) => byHex(hex)),
  (text) =>
    text.replaceAll(/\\u00([0-9a-fA-F]{2})/g, (_, hex) => byHex(hex)).replaceAll("\\/", "/"),
  (text) =>
    text
      .replaceAll(/&#0*([0-9]{1,3});/g, (all, code) =>
        Number(code) < 256 ? String.fromCharCode(Number(code)) : all,
      )
      .replaceAll(/&#[xX]0*([0-9a-fA-F]{1,2});/g, (_, hex) => byHex(hex)),
];

function byHex(hex: string): string {
  return String.fromCharCode(Number.parseInt(hex, 16));
}

/** Whether any transcription of the secret can be in a text without escapes. */
function contains(text: string, secret: string): boolean {
  const lines = [secret, ...secret.split("\n").map((line) => line.trim())];
  const forms = lines
    .filter((line) => line.length >= REDACTED_BYTES_MIN)
    .flatMap((line) => secretForms(latin1(line)))
    .map((form) => Buffer.from(form).toString("latin1"));
  const folded = text.toLowerCase();
  return forms.some((form) => text.includes(form) || folded.includes(form.toLowerCase()));
}
