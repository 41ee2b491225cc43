/** Every command, alias and flag. Scripts use them: this file grows, and loses nothing. */
import { describe, expect, it } from "vitest";
import { flagsOf } from "../src/command.ts";
import { COMMANDS, findCommand } from "../src/commands/index.ts";

const CONTRACT = `
invoke = capability invoke = capability call: -X --method --path -H --header -d --body --body-file-path --multipart-field --multipart-file --request --request-file --credential --timeout-ms --dry-run -f --fail --client-ip -i --include --stream
json = capability json: -X --method --path -H --header -d --body --body-file-path --multipart-field --multipart-file --request --request-file --credential --timeout-ms --dry-run -f --fail --client-ip
markdown = md = capability markdown = capability md: -X --method --path -H --header -d --body --body-file-path --multipart-field --multipart-file --request --request-file --credential --timeout-ms --dry-run -f --fail --client-ip --namespace --exclude-field --wrap-field
secrets create: --name --value-stdin --value-file --keep-newline --value --alias --scope --workspace-id --group-id --json -v --verbose
secrets list: --scope --workspace-id --group-id --json -v --verbose
secrets update: --id --name --alias --clear-aliases --json -v --verbose
secrets rotate: --id --value-stdin --value-file --keep-newline --value --json -v --verbose
secrets delete: --id -y --yes --json -v --verbose
secrets import: --env-file --entry --scope --workspace-id --group-id --json -v --verbose
capability list: --ready --provider --json -v --verbose
capability describe = capability args = capability shape = capability inspect: --json -v --verbose
capability create: --provider --credential --method --path --match --host --description --risk --json -v --verbose
capability delete: --json -v --verbose
credential list: --json -v --verbose
credential create: --provider --secret-ref --secret --auth --header-name --value-template --query-param --path-prefix-template --auth-header --auth-query --basic-username --basic-password --host --workspace-id --group-id --json -v --verbose
credential delete: --json -v --verbose
status: --json -v --verbose
init: --provider --file-path --env-var --keychain-service --keychain-account --passphrase-stdin --passphrase-file --passphrase --dev --json -v --verbose
lock: --json -v --verbose
unlock: --passphrase-stdin --passphrase-file --passphrase --json -v --verbose
audit: --limit --before-ts-ms --json -v --verbose
audit verify: --json -v --verbose
restart: --json -v --verbose
stop: --json -v --verbose
doctor: --fix --json -v --verbose
completion: 
`;

function declared(): string {
  return COMMANDS.map((command) => {
    const names = [command.words, ...(command.aliases ?? [])].map((words) => words.join(" "));
    const flags = flagsOf(command)
      .filter(({ name }) => name !== "help" && name !== "quiet")
      .flatMap(({ name, short }) => [...(short === undefined ? [] : [`-${short}`]), `--${name}`]);
    return `${names.join(" = ")}: ${flags.join(" ")}`;
  }).join("\n");
}

describe("the command line", () => {
  it("has these commands, aliases and flags", () => {
    expect(declared()).toBe(CONTRACT.trimStart().slice(0, -1));
  });

  it("finds each command by its words and by every alias, and loads it", async () => {
    for (const command of COMMANDS) {
      for (const words of [command.words, ...(command.aliases ?? [])]) {
        expect(findCommand([...words, "x"])).toEqual({
          kind: "command",
          command,
          words: words.length,
        });
      }
      expect(typeof (await command.load())).toBe("function");
    }
  });

  it("G3: has no command that could print a value", () => {
    const verbs = COMMANDS.flatMap(({ words }) => words);
    for (const verb of ["get", "show", "reveal", "read", "resolve", "export", "cat", "print"]) {
      expect(verbs).not.toContain(verb);
    }
  });

  it("declares no flag twice, no letter twice, and conflicts only among its own flags", () => {
    for (const command of COMMANDS) {
      const names = flagsOf(command).map(({ name }) => name);
      const letters = flagsOf(command).flatMap(({ short }) => short ?? []);
      expect(new Set(names).size).toBe(names.length);
      expect(new Set(letters).size).toBe(letters.length);
      for (const { conflicts = [] } of flagsOf(command)) {
        for (const other of conflicts) expect(names).toContain(other);
      }
    }
  });
});
