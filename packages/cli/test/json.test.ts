// What `--json` prints, by its members and their types: docs/cli-json.md. Scripts read it, so it gains
// members and loses none; whoever takes one away has to take it out of that document too.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RealDaemon, realDaemon } from "./real-daemon.ts";
import { aivault } from "./terminal.ts";

let daemon: RealDaemon;
beforeAll(async () => {
  daemon = await realDaemon();
  writeFileSync(join(daemon.directory, "project.env"), "GITHUB_TOKEN=not-a-real-one\n");
});
afterAll(() => daemon[Symbol.asyncDispose]());

// In an order in which each finds what it needs.
const LINES: readonly string[] = [
  "status",
  "secrets create OPENAI_API_KEY --value x",
  "secrets create OWN_KEY --value x --alias OTHER",
  "secrets list",
  "secrets update OWN_KEY --name OWN",
  "secrets rotate OWN --value y",
  "secrets attach-group OWN --workspace-id w --group-id g",
  "secrets detach-group OWN --workspace-id w --group-id g",
  "secrets import --env-file ENV --replace",
  "secrets import --undo --env-file ENV --yes",
  "credential create own --provider own --secret-ref OWN --auth header --host api.own.example",
  "credential list",
  "capability create own/read --credential own --method GET --path /v1 --risk read",
  "capability list --provider own",
  "capability describe own/read",
  "capability policy set own/read --rate-limit-per-minute 60",
  "capability policy show own/read",
  "capability policy delete own/read",
  "capability bind own/read --credential own",
  "capability bindings",
  "capability unbind --capability own/read",
  "invoke own/read --dry-run",
  "capability delete own/read",
  "credential delete own",
  "secrets delete OWN --yes",
  "secrets purge OWN --yes",
  "token mint --capability openai/* --label one",
  "token list",
  "token revoke one",
  "provider list",
  "provider describe openai",
  "settings list",
  "settings set lockAfterIdleMs 15m",
  "audit --limit 2",
  "audit verify",
  "audit checkpoints",
  "oauth setup --provider p --auth-url https://a.example/ --client-id c --redirect-uri http://127.0.0.1/",
  "operator set --new-passphrase correct-horse",
  "operator login --passphrase correct-horse",
  "operator logout",
  "operator login --passphrase correct-horse",
  "operator remove --current-passphrase correct-horse --yes",
  "doctor",
  "lock",
  "unlock",
  "rotate-master --yes",
];

type Shape = string | readonly Shape[] | { readonly [member: string]: Shape };

/** A value's types: of a list that of its first item, of what depends on ids nothing. */
function shapeOf(value: unknown): Shape {
  if (value === null) return "null";
  if (Array.isArray(value)) return value.length === 0 ? [] : [shapeOf(value[0])];
  if (typeof value !== "object") return typeof value;
  const members = Object.entries(value).map(([name, of]) => [name, shapeOf(of)] as const);
  return Object.fromEntries(members);
}

describe("--json", () => {
  it("prints what docs/cli-json.md says; `vitest run -u` writes it anew", async () => {
    const sections: string[] = [];
    for (const line of LINES) {
      const file = join(daemon.directory, "project.env");
      const argv = line.split(" ").map((word) => (word === "ENV" ? file : word));
      const flags = argv[0] === "invoke" ? [] : ["--json"];
      const done = await aivault([...argv, ...flags], { env: daemon.env });
      expect(done.status, `${line}\n${done.stderr}`).toBe(0);
      const shape = JSON.stringify(shapeOf(JSON.parse(done.stdout)), null, 2);
      sections.push(`## ${line.replace("ENV", ".env")}`, `\`\`\`json\n${shape}\n\`\`\``);
    }
    const document = `${[HEAD, ...sections].join("\n\n")}\n`;
    await expect(document).toMatchFileSnapshot("../../../docs/cli-json.md");
  }, 120_000);
});

const HEAD = `# What \`--json\` prints

<!-- Made by packages/cli/test/json.test.ts; run that with \`-u\`. -->

Each answer, with types in the place of values; of a list, its first item. Members are added, never
renamed or taken away. Times end in \`Ms\` and are Unix milliseconds. A failure prints nothing on stdout;
its code is in brackets at the end of the line on stderr, and [the exit status](cli.md#exit-status) says
what kind it is.`;
