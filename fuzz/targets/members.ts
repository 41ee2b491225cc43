import { MemberBlocker } from "../../packages/broker/src/member-blocker.ts";
import { REDACTION_MARKER } from "../../packages/broker/src/redact.ts";
import { corpusCases, short } from "../corpora.ts";
import { mutateText } from "../mutate.ts";
import { demand, type Target } from "../target.ts";

/** A body, the members that an operator blocks, and where the body is cut. Texts are bytes. */
interface Input {
  readonly text: string;
  readonly names: readonly string[];
  readonly cuts: readonly number[];
}

const NAMES = ["ssn", "a", "to ken", "é", "__proto__", 'q"', "x\\y"];

const TOKENS = [
  ...'{ } [ ] : , " \\ {"a":1} "a" "ssn":"1" "ssn" : null true -1.5e3 [] {} [1] data: \\u0061 \\"'.split(
    " ",
  ),
  '"a" : "b"',
  '"to ken":{"a":[{"ssn":2}]}',
  '"\\u0073sn":"x"',
  '{"a":"}","b":[",\\""]}',
  "\xc3\xa9",
  "\n\n",
  "\r",
  "\t",
];

/** JSON members of a block list: what comes out is the same JSON without their values, however it is cut. */
export const membersTarget: Target<Input> = {
  name: "members",
  seeds: short([
    ...corpusCases("envelopes").map(({ input }) => input.text),
    '{"a":{"ssn":"000-12-3456"},"list":[{"ssn":"x"}],"SSN":"keep"}',
    'data: {"ssn" : [1,{"a":2}]}\n\ndata: {"b":"\\u0022a\\":1"}\n\n',
  ]).map((text, at) => ({
    text: Buffer.from(text, "utf8").toString("latin1"),
    names: [NAMES[at % NAMES.length] as string, "ssn"],
    cuts: [at % 40],
  })),
  mutate(random, { text, names, cuts }, pool) {
    const mutated = mutateText(random, text, [random.pick(pool).text], TOKENS);
    const bytes = Buffer.from(mutated, "latin1").toString("latin1");
    return {
      text: bytes,
      names: random.chance(0.1) ? [random.pick(NAMES), random.pick(NAMES)] : names,
      cuts: random.chance(0.6)
        ? Array.from({ length: random.below(6) }, () => random.below(bytes.length + 1))
        : cuts,
    };
  },
  check({ text, names, cuts }) {
    const whole = block(names, text, []);
    demand(block(names, text, cuts) === whole, "what comes out depends on how it came in");
    if (cuts.length < 2 && text.length < 400) {
      const bytewise = Array.from(text, (_, at) => at);
      demand(block(names, text, bytewise) === whole, "what comes out depends on how it came in");
    }
    if (!text.includes('"')) {
      demand(whole === text, "what has no string is changed");
      return "no string";
    }
    const before = parse(text);
    if (before === null) return `no JSON ${whole === text}`;
    const after = parse(whole);
    demand(after !== null, "JSON comes out as something else");
    const expected = JSON.stringify(without(before.value, new Set(names)));
    demand(JSON.stringify(after.value) === expected, "another value comes out");
    return `JSON ${whole === text} ${text.length > 100} ${cuts.length > 2}`;
  },
};

function block(names: readonly string[], text: string, cuts: readonly number[]): string {
  const blocker = new MemberBlocker(names);
  const bytes = Buffer.from(text, "latin1");
  const ends = [...cuts.filter((cut) => cut <= bytes.length), bytes.length].sort((a, b) => a - b);
  const out = ends.flatMap((end, at) => [
    ...blocker.push(new Uint8Array(bytes.subarray(ends[at - 1] ?? 0, end))),
  ]);
  return Buffer.concat([...out, ...blocker.end()]).toString("latin1");
}

function parse(text: string): { readonly value: unknown } | null {
  try {
    const bytes = Buffer.from(text, "latin1");
    return { value: JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) };
  } catch {
    return null;
  }
}

function without(value: unknown, names: ReadonlySet<string>): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => without(item, names));
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name,
      names.has(name) ? REDACTION_MARKER : without(member, names),
    ]),
  );
}
