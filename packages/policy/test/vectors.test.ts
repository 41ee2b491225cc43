import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parseHost, parseStrictJson } from "../src/index.ts";

const { AIVAULT_VECTORS } = process.env;
const folder =
  AIVAULT_VECTORS ?? fileURLToPath(new URL("../../../../shared/vectors", import.meta.url));

/** Published vectors are read from beside the repository and never kept in it. */
function vectors<T>(name: string): T | null {
  const file = join(folder, name);
  if (existsSync(file)) return JSON.parse(readFileSync(file, "utf8"));
  process.stderr.write(`vectors: ${name} is not there; its tests were skipped\n`);
  return null;
}

interface JsonVectors {
  readonly cases: readonly {
    readonly name: string;
    readonly expect: "accept" | "reject" | "either";
    readonly base64?: string;
    /** In place of `base64`, for what would be long. */
    readonly generated?: {
      readonly repeat: string;
      readonly times: number;
      readonly tail?: string;
    };
  }[];
}

// Valid JSON that I-JSON forbids, or that is deeper or longer than an envelope may be.
const STRICTER = /duplicated|lonely|lone_|surrogate|nonCharacter|noncharacter/i;

describe("JSONTestSuite", () => {
  const suite = vectors<JsonVectors>("json-parsing.json");
  it.skipIf(suite === null)("refuses everything invalid and reads everything valid", () => {
    const wrong: string[] = [];
    for (const { name, expect: wanted, base64 = "", generated } of suite?.cases ?? []) {
      const { repeat, times, tail = "" } = generated ?? { repeat: "", times: 0 };
      const bytes = Buffer.concat([
        Buffer.from(base64, "base64"),
        Buffer.from(repeat.repeat(times) + tail),
      ]);
      const parsed = parseStrictJson(bytes, { depthMax: 64 });
      const fits = wanted === "either" || parsed.ok === (wanted === "accept");
      if (!fits && !(wanted === "accept" && STRICTER.test(name))) wrong.push(name);
    }
    expect(wrong).toEqual([]);
  });
});

interface ToAsciiVectors {
  readonly cases: readonly { readonly input?: string; readonly output?: string | null }[];
}

describe("WPT toASCII", () => {
  const suite = vectors<ToAsciiVectors>("wpt-toascii.json");
  it.skipIf(suite === null)(
    "G5: accepts no host that UTS 46 maps to another one or to nothing",
    () => {
      const wrong = (suite?.cases ?? []).filter(({ input = "", output }) => {
        const host = parseHost(input);
        return host.ok && output !== undefined && host.value !== output;
      });
      expect(wrong).toEqual([]);
    },
  );
});
