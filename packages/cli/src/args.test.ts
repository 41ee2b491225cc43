import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nearest, type ParsedArgs, parseArgs } from "./args.ts";
import { parseArgsWithYargs } from "./args-yargs.ts";
import { type Command, flagsOf } from "./command.ts";
import { COMMANDS, findCommand } from "./commands/index.ts";

function command(...words: string[]): Command {
  const found = findCommand(words);
  if (found.kind !== "command") throw new Error(`no command ${words.join(" ")}`);
  return found.command;
}

const usage = expect.objectContaining({ code: "CLI_USAGE" });

describe("parseArgs", () => {
  it("reads positionals, switches, texts, lists and counts", () => {
    const argv = "openai/chat -X POST -H a=1 --header b:2 --path /v1 --timeout-ms 5 -i".split(" ");
    expect(parseArgs(command("invoke"), argv)).toEqual({
      positionals: { capability: "openai/chat" },
      flags: {
        method: "POST",
        header: ["a=1", "b:2"],
        path: "/v1",
        "timeout-ms": 5,
        include: true,
      },
    });
  });

  it("leaves values as they are: no numbers, dots, negation or splitting", () => {
    const argv = ["p/c", "--body", "007", "--path", "a.b", "--credential", "1e3"];
    expect(parseArgs(command("invoke"), argv).flags).toEqual({
      body: "007",
      path: "a.b",
      credential: "1e3",
    });
  });

  it("takes an empty value, a value with = and newlines, and a dash value after =", () => {
    const flags = parseArgs(command("invoke"), ["p/c", "--body", "", "--path=-x=1\n2"]).flags;
    expect(flags).toEqual({ body: "", path: "-x=1\n2" });
  });

  it.each<[string, string[], string[]]>([
    ["an unknown flag", ["invoke"], ["p/c", "--methd", "GET"]],
    ["an unknown letter", ["invoke"], ["p/c", "-Z"]],
    ["a flag without its value", ["invoke"], ["p/c", "--method"]],
    ["a flag whose value is the next flag", ["invoke"], ["p/c", "--method", "--path", "/"]],
    ["a single flag given twice", ["invoke"], ["p/c", "--method", "GET", "--method", "PUT"]],
    ["a missing argument", ["invoke"], []],
    ["an empty argument", ["invoke"], [""]],
    ["one argument too many", ["invoke"], ["p/c", "d"]],
    ["two bodies", ["invoke"], ["p/c", "--body", "a", "--multipart-field", "b=c"]],
    ["a payload beside a flag", ["invoke"], ["p/c", "--request", "{}", "--path", "/"]],
    ["a count that is no number", ["invoke"], ["p/c", "--timeout-ms", "1s"]],
    ["a count below its minimum", ["invoke"], ["p/c", "--timeout-ms", "0"]],
    ["a choice that is none", ["init"], ["--provider", "cloud"]],
    ["a missing required flag", ["credential", "create"], ["c"]],
    ["a negated switch", ["status"], ["--no-json"]],
    ["a prototype", ["invoke"], ["p/c", "--__proto__", "x"]],
  ])("refuses %s", (_, words, argv) => {
    expect(() => parseArgs(command(...words), argv)).toThrow(usage);
  });

  it("does not insist on what is required when help is asked for", () => {
    expect(parseArgs(command("invoke"), ["--help"]).flags).toEqual({ help: true });
  });

  it("never repeats an argument that may hold a value", () => {
    const argv = ["NAME", "--value", "sk-canary", "--value", "sk-canary2"];
    expect(() => parseArgs(command("secrets", "create"), argv)).toThrow(/^(?!.*canary)/);
  });
});

describe("the two parsers", () => {
  const attempt = async (parse: () => ParsedArgs | Promise<ParsedArgs>) => {
    try {
      return { args: await parse() };
    } catch (error) {
      return { failed: (error as { code?: string }).code };
    }
  };

  it("read the same command line alike", async () => {
    const word = fc.oneof(
      fc.constantFrom(
        "p/c",
        "",
        "-",
        "--",
        "-1",
        "a=b",
        "x y",
        "007",
        "true",
        "é",
        "-h",
        "--no-json",
        "-iX",
        "-HA:b",
      ),
      fc.string({ maxLength: 6 }),
    );
    const line = fc.constantFrom(...COMMANDS).chain((chosen) => {
      const flag = fc.constantFrom(...flagsOf(chosen)).chain(({ name, short }) =>
        fc.oneof(
          fc.constant([`--${name}`]),
          word.map((value) => [`--${name}`, value]),
          word.map((value) => [`--${name}=${value}`]),
          word.map((value) => [short === undefined ? `--${name}` : `-${short}`, value]),
        ),
      );
      const argv = fc.array(
        fc.oneof(
          flag,
          word.map((one) => [one]),
        ),
        { maxLength: 5 },
      );
      return fc.tuple(
        fc.constant(chosen),
        argv.map((parts) => parts.flat()),
      );
    });
    await fc.assert(
      fc.asyncProperty(line, async ([chosen, argv]) => {
        const fast = await attempt(() => parseArgs(chosen, argv));
        const slow = await attempt(() => parseArgsWithYargs(chosen, argv));
        expect(slow, `${chosen.words.join(" ")} ${JSON.stringify(argv)}`).toEqual(fast);
      }),
      { numRuns: 500 },
    );
  });
});

describe("nearest", () => {
  it("finds a slip of one or two letters, and nothing farther", () => {
    expect(nearest("secrts", ["secrets", "status"])).toBe("secrets");
    expect(nearest("xyz", ["secrets", "status"])).toBeNull();
  });
});
