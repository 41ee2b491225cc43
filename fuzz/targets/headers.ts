import { validateHeaderName, validateHeaderValue } from "node:http";
import { type HeaderPair, requestHeaders, responseHeaders } from "@aivault/policy";
import { corpusCases } from "../corpora.ts";
import { mutateText } from "../mutate.ts";
import { demand, kindOf, type Target } from "../target.ts";

interface Input {
  readonly headers: readonly HeaderPair[];
  readonly managed: readonly string[];
}

const TOKENS = [
  ..."- _ . , ; : x- api key token auth cookie secret authorization connection host".split(" "),
  ..."content-length transfer-encoding x-forwarded-for x-http-method-override upgrade te".split(
    " ",
  ),
  ..."set-cookie www-authenticate aivault- signature idempotency-key".split(" "),
  "\r\n",
  "\n",
  "\t",
  " ",
  "\0",
  "\u010a",
  "\u212a",
  "\u017f",
];

/** A name as CGI-like servers see it. */
const folded = (name: string): string => name.toLowerCase().replaceAll(/[._]/g, "-");

const NEVER =
  /^(?:authorization|proxy-authorization|cookie|x-api-key|api-key|content-length|host|transfer-encoding|connection|te|upgrade|expect)$/;
const NEVER_BACK =
  /^(?:set-cookie|set-cookie2|authorization|www-authenticate|connection|aivault-.*)$/;

/** Header rules: what passes is well-formed, nobody's credential, and passes again unchanged. */
export const headersTarget: Target<Input> = {
  name: "headers",
  seeds: corpusCases("headers")
    .filter(({ input }) => input.headers !== undefined)
    .map(({ input }) => ({
      headers: (input.headers ?? []).map(([name, value]) => ({ name, value })),
      managed: input.auth?.headers ?? [],
    })),
  mutate(random, { headers, managed }, pool) {
    const other = random.pick(pool);
    const names = other.headers.map(({ name }) => name).concat("x-a");
    const values = other.headers.map(({ value }) => value).concat("close, x-a");
    const changed = headers.map((header) => {
      if (random.chance(0.3))
        return { ...header, name: mutateText(random, header.name, names, TOKENS) };
      if (random.chance(0.3))
        return { ...header, value: mutateText(random, header.value, values, TOKENS) };
      return header;
    });
    const added = random.chance(0.4) ? [random.pick(names)] : [];
    return {
      headers: [...changed, ...added.map((name) => ({ name, value: random.pick(values) }))].slice(
        0,
        12,
      ),
      managed: random.chance(0.1) ? other.managed : managed,
    };
  },
  check({ headers, managed }) {
    const back = responseHeaders(headers, { managed });
    demand(
      same(responseHeaders(back, { managed }), back),
      "an answer's headers are not a fixed point",
    );
    wellFormed(back);
    for (const { name } of back) {
      demand(!NEVER_BACK.test(folded(name)), `shows the caller ${name}`);
      demand(!managed.some((own) => folded(own) === folded(name)), "shows a managed header");
    }
    const passed = requestHeaders(headers, { managed });
    if (!passed.ok) {
      demand(!/[^\x20-\x7e`…]/.test(passed.message), "a message carries what it should not");
      return kindOf(passed.message);
    }
    const again = requestHeaders(passed.value, { managed });
    demand(again.ok && same(again.value, passed.value), "the headers are not a fixed point");
    wellFormed(passed.value);
    const names = passed.value.map(({ name }) => folded(name));
    demand(new Set(names).size === names.length, "a name passes twice");
    const nominated = headers
      .filter(({ name }) => folded(name) === "connection")
      .flatMap(({ value }) => value.split(",").map((option) => folded(option.trim())));
    for (const name of names) {
      demand(!NEVER.test(name), `sends ${name}`);
      demand(!managed.some((own) => folded(own) === name), "sends a managed header");
      demand(!nominated.includes(name), "sends what Connection names");
    }
    return `passes ${Math.min(names.length, 4)} of ${Math.min(headers.length, 4)}`;
  },
};

function wellFormed(headers: readonly HeaderPair[]): void {
  for (const { name, value } of headers) {
    demand(
      name === name.toLowerCase() && !/^[ \t]|[ \t]$/.test(value),
      "a header is not normalised",
    );
    demand(!/[\r\n\0]/.test(value), "a value carries a line break");
    // Node's own rules; they throw.
    validateHeaderName(name);
    validateHeaderValue(name, value);
  }
}

function same(a: readonly HeaderPair[], b: readonly HeaderPair[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
