import { describe, expect, it } from "vitest";
import { faultsOf, shellCommands } from "./shell-commands.mjs";

describe("shellCommands", () => {
  it("takes shell apart into words, without quotes, comments and here documents", () => {
    const code = [
      "# not this",
      "A=1 aivault invoke 'a b' \\",
      '  --body "{\\"x\\": 1}" | jq . && cat <<EOF > file; pass show x | aivault secrets list',
      "aivault nothing",
      "EOF",
      "TOKEN=$(aivault token list)",
    ].join("\n");
    expect(shellCommands(code)).toEqual([
      ["A=1", "aivault", "invoke", "a b", "--body", '{"x": 1}'],
      ["jq", "."],
      ["cat", ">", "file"],
      ["pass", "show", "x"],
      ["aivault", "secrets", "list"],
      ["TOKEN="],
      ["aivault", "token", "list"],
    ]);
  });
});

describe("faultsOf", () => {
  it.each([
    "sudo aivault setup agent-access --agent-user agent",
    "sudo -u agent aivault capability list",
    "aivaultd --shared --listen 127.0.0.1:19790",
    "aivault invoke openai/models -X GET --header 'A: b' --quiet > out",
    "aivault init --provider macos-keychain",
    "getent group aivault nonsense",
    "aivault md x/y",
  ])("has nothing to say about %s", (code) => {
    expect(faultsOf(code)).toEqual([]);
  });

  it.each([
    ["aivault secret list", "there is no"],
    ["aivault secrets list --all", "has no `--all`"],
    ["x | sudo aivault setup agent-access --agent agent", "has no `--agent`"],
    ["aivault init --provider keychain", "is not one of"],
    ["aivault lock now please", "does not take"],
    ["aivaultd --share", "has no `--share`"],
    ["echo $(aivault unlock --passphrase)", "has no value"],
  ])("finds the fault in %s", (code, fault) => {
    expect(faultsOf(code)).toEqual([expect.stringContaining(fault)]);
  });
});
