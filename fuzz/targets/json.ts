import { type Json, parseStrictJson } from "@aivault/policy";
import { corpusCases, short } from "../corpora.ts";
import { mutateText } from "../mutate.ts";
import { demand, kindOf, type Target } from "../target.ts";

const TOKENS = [
  ...'{ } [ ] : , " "a" "a":1 {"a":1} [1] null true false 0 -0 1e400 1e5 -1.5e-3 01 .5 NaN'.split(
    " ",
  ),
  ...'\\u0041 \\ud800 \\udc00 \\ud83d\\ude00 \\" \\\\ \\/ \\b \\x41 \\u00 __proto__ constructor'.split(
    " ",
  ),
  '"__proto__":1',
  "\xef\xbb\xbf",
  "\xc3\xa9",
  "\xc0\xae",
  "\xed\xa0\x80",
  "\n",
  "\0",
  "/**/",
];

/** What strict JSON refuses and `JSON.parse` does not. Anything else it refuses is a mistake. */
const STRICTER =
  /byte order mark|appears twice|`__proto__`|half a character|nested deeper|too many values|number is too large|not valid UTF-8|longer than/;

/** Strict JSON against `JSON.parse`. Inputs are bytes. */
export const jsonTarget: Target<string> = {
  name: "json",
  seeds: short(
    corpusCases("envelopes").map(({ input }) =>
      input.base64 === undefined
        ? input.text && Buffer.from(input.text, "utf8").toString("latin1")
        : Buffer.from(input.base64, "base64").toString("latin1"),
    ),
  ),
  mutate: (random, input, pool) => {
    const text = mutateText(random, input, [random.pick(pool), random.pick(pool)], TOKENS);
    return Buffer.from(text, "latin1").toString("latin1");
  },
  check(input) {
    const bytes = Buffer.from(input, "latin1");
    const strict = parseStrictJson(bytes);
    const lenient = parseLeniently(bytes);
    if (!strict.ok) {
      demand(strict.message.length < 400, "a message is long");
      demand(lenient === undefined || STRICTER.test(strict.message), "good JSON is refused");
      return kindOf(strict.message);
    }
    demand(lenient !== undefined, "what is not JSON is accepted");
    // Objects of strict JSON have no prototype; text has neither.
    const text = JSON.stringify(strict.value);
    demand(text === JSON.stringify(lenient.value), "reads another value than JSON.parse");
    const again = parseStrictJson(Buffer.from(text, "utf8"));
    // As text: the only two numbers that differ otherwise are 0 and -0.
    demand(again.ok && JSON.stringify(again.value) === text, "the value is not a fixed point");
    return shapeOf(strict.value, 3);
  },
};

function parseLeniently(bytes: Buffer): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) };
  } catch {
    return undefined;
  }
}

function shapeOf(value: Json, depth: number): string {
  if (value === null || typeof value !== "object") return typeof value;
  if (depth === 0) return "…";
  const members = Array.isArray(value) ? value : Object.values(value);
  const shapes = members.slice(0, 3).map((member) => shapeOf(member as Json, depth - 1));
  return `${Array.isArray(value) ? "list" : "object"}(${shapes.join(",")})`;
}
