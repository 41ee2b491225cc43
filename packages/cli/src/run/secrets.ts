import type { WireProvisioning, WireSecret } from "@aivault/client";
import { isOn, list, text, wantsJson } from "../args.ts";
import type { Context } from "../context.ts";
import { CliError, usageError } from "../errors.ts";
import type { Output } from "../output.ts";
import { scopeFromFlags } from "../scope-flags.ts";
import { useSecretInput } from "../secret-input.ts";
import { scopeText, secretShape } from "../shapes.ts";
import { counted, table } from "../table.ts";

const VALUE = { flag: "value" } as const;

/** Store a secret. The value is read first, so that giving up leaves no vault behind. */
export async function runCreate(context: Context): Promise<void> {
  const { args, out, session } = context;
  const name = oneOf(context, "name", "name");
  const scope = scopeFromFlags(args);
  const aliases = list(args, "alias");
  const created = await useSecretInput(
    context,
    `value of ${name} (not shown):`,
    VALUE,
    async (value) => {
      const operator = await session.operator({ orInit: true });
      return await operator.createSecret(
        {
          name,
          ...(aliases.length === 0 ? {} : { aliases }),
          ...(scope === undefined ? {} : { scope }),
        },
        value,
      );
    },
  );
  result(context, created.secret, "stored");
  explainProvisioning(out, created.secret, created.provisioning);
}

/** List names, never values. */
export async function runList({ args, out, session }: Context): Promise<void> {
  const scope = scopeFromFlags(args);
  const operator = await session.operator();
  const secrets = [...(await operator.secrets(scope === undefined ? {} : { scope }))].sort(
    (a, b) => (a.name < b.name ? -1 : 1),
  );
  if (wantsJson(args)) {
    out.json(secrets.map(secretShape));
    return;
  }
  if (secrets.length === 0) {
    out.answer("no secrets");
    out.note("`aivault secrets create OPENAI_API_KEY` stores one");
    return;
  }
  const { bold, dim } = out.colors;
  const columns = [
    { title: "name", style: bold },
    { title: "provider" },
    { title: "scope" },
    { title: "version" },
    { title: "aliases", flexible: true as const },
    { title: "id", style: dim },
  ];
  const rows = secrets.map((secret) => [
    secret.deletedAtMs === null ? secret.name : `${secret.name} (deleted)`,
    secret.pinnedProvider ?? "-",
    scopeText(secret.scope),
    String(secret.valueVersion),
    secret.aliases.join(", ") || "-",
    secret.secretId,
  ]);
  for (const line of table(columns, rows, out.columns)) out.answer(line);
  out.note(counted(secrets.length, "secret"));
}

/** Rename, or replace the aliases. */
export async function runUpdate(context: Context): Promise<void> {
  const { args, session } = context;
  const which = whichSecret(context);
  const name = text(args, "name");
  const aliases = list(args, "alias");
  const replaces = aliases.length > 0 || isOn(args, "clear-aliases");
  if (name === undefined && !replaces) {
    throw usageError("nothing to change", "give --name, --alias or --clear-aliases");
  }
  const operator = await session.operator();
  const change = { ...(name === undefined ? {} : { name }), ...(replaces ? { aliases } : {}) };
  result(context, await operator.updateSecret(which, change), "updated");
}

/** Replace the value. */
export async function runRotate(context: Context): Promise<void> {
  const which = whichSecret(context);
  const operator = await context.session.operator();
  const secret = await useSecretInput(
    context,
    `new value of ${which} (not shown):`,
    VALUE,
    (value) => operator.rotateSecret(which, value),
  );
  result(context, secret, "rotated");
}

/** Delete the value, after asking. */
export async function runDelete(context: Context): Promise<void> {
  const { args, out, session } = context;
  const which = whichSecret(context);
  if (!isOn(args, "yes") && process.stdin.isTTY === true && out.stderr.isTTY === true) {
    const { confirm } = await import("../prompt.ts");
    // G17: says what it will do, and does it only when told.
    if (!(await confirm(`Delete the value of ${which} for good?`))) {
      throw new CliError("CLI_CANCELLED", "not deleted");
    }
  }
  const { secret, dependants } = await (await session.operator()).deleteSecret(which);
  result(context, secret, "deleted");
  if (dependants.length > 0) out.note(`without it these no longer work: ${dependants.join(", ")}`);
}

function whichSecret(context: Context): string {
  const which = oneOf(context, "secret", "id");
  return which.startsWith("vault:secret:") ? which.slice("vault:secret:".length) : which;
}

// The word and the older flag say the same thing; one of them must.
function oneOf({ args, command }: Context, positional: string, flag: string): string {
  const word = args.positionals[positional];
  const older = text(args, flag);
  if (word !== undefined && older !== undefined) {
    throw usageError(`the ${positional} is given twice, as a word and as --${flag}`);
  }
  const which = word ?? older;
  if (which === undefined || which.trim() === "") {
    const name = command.words.join(" ");
    throw usageError(`\`aivault ${name}\` needs a ${positional}`, `see \`aivault ${name} --help\``);
  }
  return which;
}

function result({ args, out }: Context, secret: WireSecret, verb: string): void {
  if (wantsJson(args) || !out.isTerminal) out.json(secretShape(secret));
  else out.answer(`${verb} ${secret.name} (${secret.secretId})`);
}

/** Say what storing a secret set up, or what is still missing. */
export function explainProvisioning(out: Output, secret: WireSecret, made: WireProvisioning): void {
  if (made.provider === null) {
    out.note(
      `${secret.name} belongs to no provider we know; \`aivault credential create\` says how to use it`,
    );
    return;
  }
  out.note(`${secret.name} is tied to ${made.provider} and goes to no other host`);
  if (made.missing.length > 0) {
    out.note(`${made.provider} also needs ${made.missing.join(", ")}; store it the same way`);
    return;
  }
  const [first] = made.capabilities;
  if (first === undefined) return;
  out.note(
    `${counted(made.capabilities.length, "capability", "capabilities")} ready; try \`aivault capability describe ${first}\``,
  );
}
