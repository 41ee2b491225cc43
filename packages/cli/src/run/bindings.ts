import type { WireBinding, WireNewBinding, WireScope } from "@aivault/client";
import { text, wantsJson } from "../args.ts";
import type { Context } from "../context.ts";
import { usageError } from "../errors.ts";
import { scopeFromFlags } from "../scope-flags.ts";
import { bindingShape, scopeText } from "../shapes.ts";
import { counted, table } from "../table.ts";
import { capabilityOf } from "./capability-policy.ts";
import { secretName } from "./credential.ts";

export async function runBind(context: Context): Promise<void> {
  const { args, out, session } = context;
  const made = await (await session.operator()).createBinding(newBinding(context));
  if (wantsJson(args) || !out.isTerminal) out.json(bindingShape(made));
  else out.answer(`made binding ${made.id}: ${bindingText(made)}`);
}

/** Remove a binding. One that is not there is not an error, as older scripts expect. */
export async function runUnbind(context: Context): Promise<void> {
  const { args, out, session } = context;
  const operator = await session.operator();
  const id = args.positionals["binding"];
  if (id === undefined && text(args, "capability") === undefined) {
    throw usageError(
      "say which binding: by its id, or with --capability",
      "`aivault capability bindings` lists them",
    );
  }
  const found = (await operator.bindings()).filter((binding) =>
    id === undefined ? isExactly(context, binding) : binding.id === id,
  );
  if (found.length > 1) {
    throw usageError(
      `several bindings fit: ${found.map((binding) => binding.id).join(", ")}`,
      "name one by its id",
    );
  }
  const [binding] = found;
  if (binding !== undefined) await operator.deleteBinding(binding.id);
  if (wantsJson(args) || !out.isTerminal) {
    out.json({
      removed: binding !== undefined,
      id: binding?.id ?? id ?? null,
      path: session.location.root,
    });
  } else out.answer(binding === undefined ? "there was no such binding" : `removed ${binding.id}`);
}

export async function runList(context: Context): Promise<void> {
  const { args, out, session } = context;
  const scope = scopeFromFlags(args);
  const capability = text(args, "capability");
  const consumer = text(args, "consumer");
  const bindings = (await (await session.operator()).bindings())
    .filter(
      (binding) =>
        (capability === undefined || binding.capability === capability) &&
        (consumer === undefined || binding.consumer === consumer) &&
        (scope === undefined || scopeText(binding.scope) === scopeText(scope)),
    )
    .sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
  if (wantsJson(args)) {
    out.json(bindings.map(bindingShape));
    return;
  }
  if (bindings.length === 0) {
    out.answer("no bindings");
    out.note(
      "without one, the only credential that fits is used; see `aivault capability bind --help`",
    );
    return;
  }
  const columns = [
    { title: "capability", style: out.colors.bold },
    { title: "uses" },
    { title: "scope" },
    { title: "consumer" },
    { title: "id", style: out.colors.dim, flexible: true as const },
  ];
  const rows = bindings.map((binding) => [
    binding.capability,
    usesText(binding),
    scopeText(binding.scope),
    binding.consumer ?? "everybody",
    binding.id,
  ]);
  for (const line of table(columns, rows, out.columns)) out.answer(line);
  out.note(counted(bindings.length, "binding"));
}

function newBinding(context: Context): WireNewBinding {
  const { args } = context;
  const credential = text(args, "credential");
  const secret = text(args, "secret-ref");
  if (credential === undefined && secret === undefined) {
    throw usageError("a binding needs --credential or --secret-ref");
  }
  const scope = scopeFromFlags(args);
  const consumer = text(args, "consumer");
  return {
    capability: capabilityOf(context),
    ...(credential === undefined ? {} : { credential }),
    ...(secret === undefined ? {} : { secret: secretName(secret) }),
    ...(scope === undefined ? {} : { scope }),
    ...(consumer === undefined ? {} : { consumer }),
  };
}

// As the flags were given when it was made: no scope is global, no consumer is everybody.
function isExactly({ args }: Context, binding: WireBinding): boolean {
  const scope: WireScope = scopeFromFlags(args) ?? { kind: "global" };
  return (
    binding.capability === text(args, "capability") &&
    binding.consumer === (text(args, "consumer") ?? null) &&
    scopeText(binding.scope) === scopeText(scope)
  );
}

function bindingText(binding: WireBinding): string {
  return `${binding.capability} uses ${usesText(binding)}, ${scopeText(binding.scope)}, for ${binding.consumer ?? "everybody"}`;
}

function usesText({ credential, secretId }: WireBinding): string {
  return credential ?? `vault:secret:${secretId ?? ""}`;
}

function sortKey(binding: WireBinding): string {
  return [binding.capability, scopeText(binding.scope), binding.consumer ?? "", binding.id].join(
    "\0",
  );
}
