import { describe, expect, it } from "vitest";
import { parseEnvFile } from "./env-file.ts";

const read = (text: string) =>
  parseEnvFile(Buffer.from(text)).map(({ name, value }) => [name, value.toString("utf8")]);

describe("parseEnvFile", () => {
  it("reads what dotenv and shells agree on", () => {
    const text = [
      "\ufeff# comment",
      "",
      "A=1",
      "export B = two words # comment",
      "C=has#hash",
      "D='single $x \\n' # c",
      'E="line\\nbreak \\"q\\" \\\\"',
      'F="-----BEGIN',
      "middle",
      '-----END"',
      "G=",
      "H=\r",
      "  I=é=x",
    ].join("\n");
    expect(read(text)).toEqual([
      ["A", "1"],
      ["B", "two words"],
      ["C", "has#hash"],
      ["D", "single $x \\n"],
      ["E", 'line\nbreak "q" \\'],
      ["F", "-----BEGIN\nmiddle\n-----END"],
      ["G", ""],
      ["H", ""],
      ["I", "é=x"],
    ]);
  });

  it.each(["just words", "A B=1", "1A=x", 'A="open', 'A="x" y'])(
    "refuses %j by its line, without repeating it",
    (line) => {
      expect(() => read(`OK=1\n${line}\n`)).toThrow(/^line 2 is not NAME=VALUE/);
    },
  );
});
