/** Every command, alias and flag. Scripts use them: this file grows, and loses nothing. */
import { describe, expect, it } from "vitest";
import { flagsOf } from "../src/command.ts";
import { COMMANDS, findCommand } from "../src/commands/index.ts";

const CONTRACT = `
invoke = capability invoke = capability call: -X --method --path -H --header -d --body --body-file-path --multipart-field --multipart-file --request --request-file --credential --token-file --timeout-ms --dry-run -f --fail --workspace-id --group-id --client-ip -i --include --stream
json = capability json: -X --method --path -H --header -d --body --body-file-path --multipart-field --multipart-file --request --request-file --credential --token-file --timeout-ms --dry-run -f --fail --workspace-id --group-id --client-ip
markdown = md = capability markdown = capability md: -X --method --path -H --header -d --body --body-file-path --multipart-field --multipart-file --request --request-file --credential --token-file --timeout-ms --dry-run -f --fail --workspace-id --group-id --client-ip --namespace --exclude-field --wrap-field
secrets create: --name --value-stdin --value-file --value --keep-newline --alias --scope --workspace-id --group-id --json -v --verbose
secrets list: --scope --workspace-id --group-id --deleted --json -v --verbose
secrets update: --id --name --alias --clear-aliases --json -v --verbose
secrets rotate: --id --value-stdin --value-file --value --keep-newline --json -v --verbose
secrets delete: --id -y --yes --json -v --verbose
secrets purge: --id -y --yes --json -v --verbose
secrets verify: --id --json -v --verbose
secrets attach-group: --id --workspace-id --group-id --json -v --verbose
secrets detach-group: --id --workspace-id --group-id --json -v --verbose
secrets import: --env-file --all --recognised --replace --undo -y --yes --entry --scope --workspace-id --group-id --json -v --verbose
credential list: --json -v --verbose
credential create: --provider --secret-ref --secret --auth --header-name --value-template --query-param --path-prefix-template --auth-header --auth-query --basic-username --basic-password --token-endpoint --grant-type --client-auth --scope --aws-service --aws-region --hmac-algorithm --hmac-message --hmac-key-encoding --hmac-encoding --hmac-timestamp --max-policy-mode --host --workspace-id --group-id --json -v --verbose
credential delete: --json -v --verbose
capability list: --ready --provider --token-file --json -v --verbose
capability describe = capability args = capability shape = capability inspect: --token-file --json -v --verbose
capability create: --provider --credential --method --path --match --require-query --forbid-query --allow-query --encoded-slash --host --description --risk --json -v --verbose
capability delete: --json -v --verbose
capability policy set: --capability --rate-limit-per-minute --concurrency --max-request-body-bytes --max-response-body-bytes --max-duration --max-idle --response-block --follow-redirects --redirect-host --json -v --verbose
capability policy show: --capability --json -v --verbose
capability policy delete: --capability --json -v --verbose
capability bind: --capability --credential --secret-ref --scope --workspace-id --group-id --consumer --json -v --verbose
capability unbind: --capability --scope --workspace-id --group-id --consumer --json -v --verbose
capability bindings: --capability --scope --workspace-id --group-id --consumer --json -v --verbose
provider list: --json -v --verbose
provider describe: --json -v --verbose
provider add: --json -v --verbose
provider install: --from --enable --json -v --verbose
provider enable: --json -v --verbose
provider disable: --json -v --verbose
provider remove: -y --yes --json -v --verbose
oauth login: --client-id --client-secret-stdin --client-secret-file --public --scope --redirect-uri --device --paste --open --no-verify --json -v --verbose
oauth setup: --provider --auth-url --client-id --redirect-uri --scope --state --json -v --verbose
token mint: --capability --credential --workspace-id --group-id --ttl --uses --rate-limit-per-minute --concurrency --max-request-body-bytes --max-response-body-bytes --label --public-key --token-only --json -v --verbose
token list: --json -v --verbose
token revoke: --json -v --verbose
status: --json -v --verbose
init: --no-guide --provider --file-path --env-var --keychain-service --keychain-account --passphrase-stdin --passphrase-file --passphrase --dev --json -v --verbose
lock: --json -v --verbose
unlock: --passphrase-stdin --passphrase-file --passphrase --json -v --verbose
rotate-master: --to-provider --file-path --env-var --new-key-stdin --new-key-file --new-key --new-passphrase-stdin --new-passphrase-file --new-passphrase -y --yes --json -v --verbose
backup create: --passphrase-stdin --passphrase-file --passphrase --json -v --verbose
backup verify: --passphrase-stdin --passphrase-file --passphrase --json -v --verbose
backup restore: --overwrite -y --yes --passphrase-stdin --passphrase-file --passphrase --provider --file-path --env-var --new-passphrase-stdin --new-passphrase-file --new-passphrase --json -v --verbose
settings list: --json -v --verbose
settings set: --json -v --verbose
audit: --limit --before-ts-ms --denied --capability --request-id --json -v --verbose
audit verify: --json -v --verbose
audit tail: --after-seq --limit --json -v --verbose
audit checkpoints: --json -v --verbose
operator set: --new-passphrase-stdin --new-passphrase-file --new-passphrase --current-passphrase-stdin --current-passphrase-file --current-passphrase --json -v --verbose
operator remove: --current-passphrase-stdin --current-passphrase-file --current-passphrase -y --yes --json -v --verbose
operator login: --passphrase-stdin --passphrase-file --passphrase --json -v --verbose
operator logout: --json -v --verbose
restart: --json -v --verbose
stop: --json -v --verbose
setup agent-access: --agent-user --daemon-user --dry-run --uninstall --json -v --verbose
setup systemd: --daemon-user --dry-run --uninstall --json -v --verbose
setup launchd: --dry-run --uninstall --json -v --verbose
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
    // A policy and a setting may be shown; what is stored under a name may not.
    const verbs = COMMANDS.filter(({ words }) => words[1] !== "policy").flatMap(
      ({ words }) => words,
    );
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
