import { isAivaultError, type WireProvider, type WireProviders } from "@aivault/client";
import { text, wantsJson } from "../args.ts";
import { confirmed } from "../confirm.ts";
import type { Context } from "../context.ts";
import { CliError } from "../errors.ts";
import { counted, table } from "../table.ts";
import { readTextInput } from "../text-input.ts";

export async function runList(context: Context): Promise<void> {
  const { args, out, session } = context;
  const { items, registryDigest } = await known(context);
  if (wantsJson(args)) {
    out.json({ providers: items, registryDigest, path: session.location.root });
    return;
  }
  const columns = [
    { title: "id", style: out.colors.bold },
    { title: "name" },
    { title: "category" },
    { title: "hosts", flexible: true as const },
    { title: "from" },
  ];
  const rows = items.map((provider) => [
    provider.id,
    provider.name,
    provider.category,
    out.isTerminal ? hostsText(provider.hosts) : provider.hosts.join(", "),
    provider.origin === "registry" ? "built in" : "yours",
  ]);
  for (const line of table(columns, rows, out.columns)) out.answer(line);
  const digest =
    registryDigest === null ? "" : `; built-in definitions ${registryDigest.slice(0, 16)}…`;
  out.note(`${counted(items.length, "provider")}${digest}`);
}

const HOSTS_SHOWN = 2;

// Some providers have fifteen, and a cell that is cut off says neither which nor how many.
function hostsText(hosts: readonly string[]): string {
  const more = hosts.length - HOSTS_SHOWN;
  return [...hosts.slice(0, HOSTS_SHOWN), ...(more > 0 ? [`+${more}`] : [])].join(", ");
}

async function known(
  context: Context,
): Promise<{ items: WireProviders["items"]; registryDigest: string | null }> {
  try {
    return await (await context.session.operator()).providers();
  } catch (error) {
    const { isNoVaultYet, offeredProviders } = await import("../offered.ts");
    if (!(await isNoVaultYet(context, error))) throw error;
    return { items: await offeredProviders(context), registryDigest: null };
  }
}

export async function runDescribe(context: Context): Promise<void> {
  const id = context.args.positionals["id"] as string;
  context.out.json(await describe(context, id));
}

async function describe(context: Context, id: string): Promise<WireProvider> {
  try {
    return await (await context.session.operator()).provider(id);
  } catch (error) {
    const { isNoVaultYet, offeredProviders } = await import("../offered.ts");
    if (!(await isNoVaultYet(context, error))) throw error;
    const found = (await offeredProviders(context)).find((provider) => provider.id === id);
    if (found !== undefined) return found;
    throw new CliError(
      "CLI_INPUT",
      `the registry has no provider \`${id}\``,
      "`aivault provider list` shows what there is",
    );
  }
}

export async function runAdd(context: Context): Promise<void> {
  const definition = await readDefinition(context.args.positionals["file"] as string);
  report(context, await (await context.session.operator({ orInit: true })).addProvider(definition));
}

/** `provider install ID --from PATH`, as older scripts say it. */
export async function runInstall(context: Context): Promise<void> {
  const { args, session } = context;
  const id = args.positionals["id"] as string;
  const definition = await readDefinition(text(args, "from") as string);
  if ((definition as { id?: unknown } | null)?.id !== id) {
    throw new CliError("CLI_INPUT", `the definition is not that of \`${id}\`; nothing was added`);
  }
  report(context, await (await session.operator({ orInit: true })).addProvider(definition));
}

/** A provider that is there is enabled. */
export async function runEnable(context: Context): Promise<void> {
  const { args, out, session } = context;
  const provider = await (await session.operator()).provider(args.positionals["id"] as string);
  if (wantsJson(args) || !out.isTerminal) out.json({ enabled: true, provider });
  else out.answer(`${provider.id} may be used`);
}

/** Nobody may be left to think that this did something. */
export async function runDisable({ args }: Context): Promise<void> {
  const id = args.positionals["id"] as string;
  throw new CliError(
    "CLI_NOT_AVAILABLE",
    "providers are not switched off; nothing was changed",
    `without a credential none can be used: \`aivault credential list\`, then delete those of ${id}`,
  );
}

/** Remove a provider. One that is not there is not an error, as older scripts expect. */
export async function runRemove(context: Context): Promise<void> {
  const { args, out, session } = context;
  const id = args.positionals["id"] as string;
  const operator = await session.operator();
  const removed = await confirmed(context, (confirmable) =>
    operator.removeProvider(id, confirmable),
  ).then(
    () => true,
    (error: unknown) => {
      if (isAivaultError(error) && error.code === "not_found") return false;
      throw error;
    },
  );
  if (wantsJson(args) || !out.isTerminal) out.json({ removed, id });
  else out.answer(removed ? `removed ${id}` : `you have no provider ${id}`);
}

function report({ args, out }: Context, provider: WireProvider): void {
  if (wantsJson(args) || !out.isTerminal) out.json({ installed: true, enabled: true, provider });
  else out.answer(`added ${provider.id} for ${provider.hosts.join(", ")}`);
}

async function readDefinition(path: string): Promise<unknown> {
  const definition = await readTextInput(path);
  try {
    return JSON.parse(definition) as unknown;
  } catch (cause) {
    throw new CliError("CLI_INPUT", `\`${path}\` is not JSON; nothing was added`, null, cause);
  }
}
