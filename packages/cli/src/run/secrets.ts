import { isAivaultError, type WireProvisioning, type WireSecret } from "@aivault/client";
import type { OperatorClient } from "@aivault/client/operator";
import { isOn, list, text, wantsJson } from "../args.ts";
import { confirmed } from "../confirm.ts";
import type { Context } from "../context.ts";
import { usageError } from "../errors.ts";
import { EXIT } from "../exit-status.ts";
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
  const filter = {
    ...(scope === undefined ? {} : { scope }),
    ...(isOn(args, "deleted") ? { includeDeleted: true } : {}),
  };
  const secrets = [...(await operator.secrets(filter))].sort((a, b) => (a.name < b.name ? -1 : 1));
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

/** Delete the value, after saying what will no longer work and asking. */
export async function runDelete(context: Context): Promise<void> {
  const { out, session } = context;
  const which = whichSecret(context);
  const operator = await session.operator();
  const { secret, dependants } = await confirmed(context, (confirmable) =>
    operator.deleteSecret(which, confirmable),
  );
  result(context, secret, "deleted");
  if (dependants.length > 0) out.note(`without it these no longer work: ${dependants.join(", ")}`);
}

/** Remove what a deleted secret left. */
export async function runPurge(context: Context): Promise<void> {
  const { args, out, session } = context;
  const which = whichSecret(context);
  const operator = await session.operator();
  const purge = (id: string) =>
    confirmed(context, (confirmable) => operator.purgeSecret(id, confirmable));
  await purge(which).catch(async (error: unknown) => {
    if (!isAivaultError(error) || error.code !== "secret_not_found") throw error;
    const id = await idOfDeleted(operator, which);
    if (id === null) throw error;
    await purge(id);
  });
  if (wantsJson(args) || !out.isTerminal) out.json({ purged: true, secret: which });
  else out.answer(`purged ${which}`);
}

// The daemon finds a deleted secret by its id alone, since its name may have been given anew.
async function idOfDeleted(operator: OperatorClient, name: string): Promise<string | null> {
  const deleted = (await operator.secrets({ includeDeleted: true })).filter(
    (secret) => secret.name === name && secret.deletedAtMs !== null,
  );
  const [only, second] = deleted;
  if (second !== undefined) {
    throw usageError(
      `${deleted.length} deleted secrets are called ${name}`,
      "name one by its id; `aivault secrets list --deleted` shows them",
    );
  }
  return only?.secretId ?? null;
}

/** Ask the provider whether it takes the key. */
export async function runVerify(context: Context): Promise<number> {
  const { args, out, session } = context;
  const which = whichSecret(context);
  const verified = await (await session.operator()).verifySecret(which);
  const { ok, provider, status, method, url } = verified;
  if (wantsJson(args) || !out.isTerminal) out.json(verified);
  else
    out.answer(
      `${provider} ${ok ? "takes" : "does not take"} ${which}: ${status} to ${method} ${url}`,
    );
  if (!ok) out.note(`\`aivault secrets rotate ${which}\` gives it a new value`);
  return ok ? EXIT.done : EXIT.failed;
}

export async function runAttach(context: Context): Promise<void> {
  const which = whichSecret(context);
  const operator = await context.session.operator();
  result(context, await operator.attachSecret(which, groupOf(context)), "attached");
}

export async function runDetach(context: Context): Promise<void> {
  const which = whichSecret(context);
  const operator = await context.session.operator();
  result(context, await operator.detachSecret(which, groupOf(context)), "detached");
}

function groupOf({ args }: Context): { workspaceId: string; groupId: string } {
  return {
    workspaceId: text(args, "workspace-id") as string,
    groupId: text(args, "group-id") as string,
  };
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
