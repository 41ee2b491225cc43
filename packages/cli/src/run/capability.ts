import {
  isAivaultError,
  type WireCapability,
  type WireNewCapability,
  type WirePathRule,
} from "@aivault/client";
import type { OperatorClient } from "@aivault/client/operator";
import { isOn, list, text, wantsJson } from "../args.ts";
import type { Context } from "../context.ts";
import { CliError, usageError } from "../errors.ts";
import { parsePair } from "../headers.ts";
import type { Output } from "../output.ts";
import { capabilityShape } from "../shapes.ts";
import { counted, table } from "../table.ts";
import { wrap } from "../wrap.ts";
import { callText, describeShape } from "./describe.ts";

/** What may be invoked, and for an operator also what could be. An agent may ask too. */
export async function runList(context: Context): Promise<void> {
  const { args, out, session } = context;
  const provider = text(args, "provider");
  const all = (await known(context)).filter(
    (capability) =>
      (provider === undefined || capability.provider === provider) &&
      (capability.ready || !isOn(args, "ready")),
  );
  if (wantsJson(args)) {
    const own = all.filter(({ origin }) => origin === "operator");
    const registry = all.filter(({ origin }) => origin === "registry");
    out.json({
      capabilities: own.map(capabilityShape),
      registryCapabilities: registry.map(capabilityShape),
      policies: [],
      path: session.location.root,
    });
    return;
  }
  const ready = all.filter((capability) => capability.ready);
  const missing = all.filter((capability) => !capability.ready);
  if (ready.length > 0) printReady(out, ready);
  if (ready.length > 0 && missing.length > 0) out.answer("");
  if (missing.length > 0) printMissing(out, missing);
  if (all.length === 0) {
    out.answer(provider === undefined ? "no capabilities" : `no capabilities of ${provider}`);
  }
  if (ready.length > 0) {
    const count = counted(ready.length, "capability", "capabilities");
    out.note(`${count} ready; \`aivault capability describe ID\` says how to call one`);
  } else {
    out.note(
      "none is ready yet; `aivault secrets create NAME` with the name of a provider's key makes its own so",
    );
  }
}

async function known(context: Context): Promise<readonly WireCapability[]> {
  try {
    return await context.session.asEither((client) => client.capabilities());
  } catch (error) {
    const { isNoVaultYet, offeredCapabilities } = await import("../offered.ts");
    if (await isNoVaultYet(context, error)) return await offeredCapabilities(context);
    throw error;
  }
}

function printReady(out: Output, capabilities: readonly WireCapability[]): void {
  const { bold } = out.colors;
  out.answer(bold("Ready"));
  const columns = [
    { title: "id", style: bold },
    { title: "risk" },
    { title: "methods" },
    { title: "what it is for", flexible: true as const },
  ];
  const rows = capabilities.map(({ id, risk, rules, description }) => [
    id,
    risk,
    [...new Set(rules.flatMap(({ methods }) => methods))].join(","),
    description,
  ]);
  for (const line of table(columns, rows, out.columns - 2)) out.answer(`  ${line}`);
}

// More than this many providers are shown by name only: their keys' names would fill screens.
const DETAILED_MAX = 12;

function printMissing(out: Output, capabilities: readonly WireCapability[]): void {
  const providers = [...new Set(capabilities.map(({ provider }) => provider))].sort();
  out.answer(out.colors.bold("Available with another secret"));
  if (providers.length <= DETAILED_MAX) {
    for (const line of missingLines(capabilities)) out.answer(`  ${line}`);
    return;
  }
  const width = Math.min(100, out.columns) - 2;
  for (const line of wrap(providers.join(", "), width)) out.answer(`  ${line}`);
  out.note(
    `${providers.length} more providers; \`aivault capability list --provider NAME\` says what one needs`,
  );
}

function missingLines(capabilities: readonly WireCapability[]): readonly string[] {
  const byProvider = new Map<string, { count: number; missing: readonly string[] }>();
  for (const { provider, missing } of capabilities) {
    const count = (byProvider.get(provider)?.count ?? 0) + 1;
    byProvider.set(provider, { count, missing });
  }
  const width = Math.max(...[...byProvider.keys()].map((provider) => provider.length));
  return [...byProvider].flatMap(([provider, { count, missing }]) =>
    missing.map((name, index) => {
      const head = index === 0 ? provider.padEnd(width) : " ".repeat(width);
      const tail = index === 0 ? `  (${counted(count, "capability", "capabilities")})` : "";
      return `${head}  aivault secrets create ${name}${tail}`;
    }),
  );
}

export async function runDescribe(context: Context): Promise<void> {
  const { args, out } = context;
  const capability = await describe(context, args.positionals["id"] as string);
  if (wantsJson(args) || !out.isTerminal) {
    out.json(describeShape(capability));
    return;
  }
  for (const line of callText(capability, out.colors)) out.answer(line);
}

async function describe(context: Context, id: string): Promise<WireCapability> {
  try {
    return await context.session.asCaller((client) => client.describe(id));
  } catch (error) {
    const { isNoVaultYet, offeredCapabilities } = await import("../offered.ts");
    if (!(await isNoVaultYet(context, error))) throw error;
    const found = (await offeredCapabilities(context)).find((capability) => capability.id === id);
    if (found !== undefined) return found;
    throw new CliError(
      "CLI_INPUT",
      `the registry has no capability \`${id}\``,
      "`aivault capability list` shows what there is",
    );
  }
}

export async function runCreate(context: Context): Promise<void> {
  const { args, out, session } = context;
  requireOneHost(args);
  const operator = await session.operator({ orInit: true });
  const created = await operator.createCapability(await newCapability(context, operator));
  if (wantsJson(args) || !out.isTerminal) out.json(capabilityShape(created));
  else out.answer(`made capability ${created.id}`);
  if (!created.ready)
    out.note("no credential serves it yet; see `aivault credential create --help`");
}

/** Delete a capability. One that is not there is not an error, as older scripts expect. */
export async function runDelete({ args, out, session }: Context): Promise<void> {
  const id = args.positionals["id"] as string;
  const removed = await (await session.operator()).deleteCapability(id).then(
    () => true,
    (error: unknown) => {
      if (isAivaultError(error) && error.code === "capability_not_found") return false;
      throw error;
    },
  );
  if (wantsJson(args) || !out.isTerminal)
    out.json({ removedCapability: removed, removedPolicy: false, id });
  else out.answer(removed ? `deleted capability ${id}` : `there was no capability ${id}`);
}

function requireOneHost(args: Context["args"]): void {
  if (list(args, "host").length > 1) throw usageError("a capability has exactly one host");
  if (text(args, "provider") === undefined && text(args, "credential") === undefined) {
    throw usageError("a capability needs --provider or --credential");
  }
  if (list(args, "host").length === 0 && text(args, "credential") === undefined) {
    throw usageError("a capability needs --host, or --credential to take it from");
  }
}

async function newCapability(
  { args }: Context,
  operator: OperatorClient,
): Promise<WireNewCapability> {
  const { provider, host } = await target(args, operator);
  const methods = list(args, "method").map((method) => method.toUpperCase());
  const match = (text(args, "match") ?? "prefix") as "prefix" | "exact" | "pattern";
  const description = text(args, "description");
  const risk = text(args, "risk") as WireNewCapability["risk"];
  return {
    id: args.positionals["id"] as string,
    provider,
    host,
    rules: list(args, "path").map((path) => ({ methods, match, path, ...constraints(args) })),
    ...(description === undefined ? {} : { description }),
    ...(risk === undefined ? {} : { risk }),
  };
}

/** What the flags demand of a request besides its method and path. */
function constraints(args: Context["args"]): Pick<WirePathRule, "query" | "encodedSlash"> {
  const required = list(args, "require-query").map((pair) => parsePair("require-query", pair));
  const forbidden = list(args, "forbid-query");
  const allowed = list(args, "allow-query");
  const query = {
    ...(required.length === 0 ? {} : { required: Object.fromEntries(required) }),
    ...(forbidden.length === 0 ? {} : { forbidden }),
    ...(allowed.length === 0 ? {} : { allowed }),
  };
  return {
    ...(Object.keys(query).length === 0 ? {} : { query }),
    ...(isOn(args, "encoded-slash") ? { encodedSlash: true } : {}),
  };
}

async function target(
  args: Context["args"],
  operator: OperatorClient,
): Promise<{ provider: string; host: string }> {
  const [host] = list(args, "host");
  const id = text(args, "credential");
  const provider = text(args, "provider");
  if (id === undefined) return { provider: provider as string, host: host as string };
  const credential = (await operator.credentials()).find((one) => one.id === id);
  if (credential === undefined) {
    throw usageError(`there is no credential \`${id}\``, "`aivault credential list` shows them");
  }
  const [only, ...more] = credential.hosts;
  if (host === undefined && (only === undefined || more.length > 0)) {
    throw usageError(`say which --host: \`${id}\` has ${credential.hosts.join(", ") || "none"}`);
  }
  return { provider: provider ?? credential.provider, host: host ?? (only as string) };
}
