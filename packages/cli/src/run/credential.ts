import type { WireAuthScheme, WireNewCredential } from "@aivault/client";
import { isAivaultError } from "@aivault/client";
import { list, type ParsedArgs, text, wantsJson } from "../args.ts";
import type { Context } from "../context.ts";
import { CliError, usageError } from "../errors.ts";
import { parsePair } from "../headers.ts";
import { scopeFromFlags } from "../scope-flags.ts";
import { credentialShape, scopeText } from "../shapes.ts";
import { counted, table } from "../table.ts";

export async function runList({ args, out, session }: Context): Promise<void> {
  const credentials = await (await session.operator()).credentials();
  if (wantsJson(args)) {
    out.json({ credentials: credentials.map(credentialShape), path: session.location.root });
    return;
  }
  if (credentials.length === 0) {
    out.answer("no credentials");
    out.note(
      "`aivault secrets create OPENAI_API_KEY` makes one; see also `aivault credential create --help`",
    );
    return;
  }
  const columns = [
    { title: "id", style: out.colors.bold },
    { title: "provider" },
    { title: "auth" },
    { title: "hosts", flexible: true as const },
    { title: "scope" },
    { title: "made by" },
  ];
  const rows = credentials.map((credential) => [
    credential.id,
    credential.provider,
    credential.auth.strategy,
    credential.hosts.join(", "),
    scopeText(credential.scope),
    credential.origin,
  ]);
  for (const line of table(columns, rows, out.columns)) out.answer(line);
  out.note(counted(credentials.length, "credential"));
}

export async function runCreate(context: Context): Promise<void> {
  const { args, out, session } = context;
  const credential = newCredential(args);
  const created = await (await session.operator({ orInit: true })).createCredential(credential);
  if (wantsJson(args) || !out.isTerminal) out.json(credentialShape(created));
  else out.answer(`made credential ${created.id} for ${created.hosts.join(", ")}`);
}

/** Delete a credential. One that is not there is not an error, as older scripts expect. */
export async function runDelete({ args, out, session }: Context): Promise<void> {
  const id = args.positionals["id"] as string;
  const removed = await (await session.operator()).deleteCredential(id).then(
    () => true,
    (error: unknown) => {
      if (isAivaultError(error) && error.code === "credential_not_found") return false;
      throw error;
    },
  );
  if (wantsJson(args) || !out.isTerminal) out.json({ removed, id });
  else out.answer(removed ? `deleted credential ${id}` : `there was no credential ${id}`);
}

function newCredential(args: ParsedArgs): WireNewCredential {
  const auth = authFromFlags(args);
  const hosts = list(args, "host");
  const scope = scopeFromFlags(args);
  return {
    id: args.positionals["id"] as string,
    provider: text(args, "provider") as string,
    secrets: secretsFromFlags(args),
    ...(auth === null ? {} : { auth }),
    ...(hosts.length === 0 ? {} : { hosts }),
    ...(scope === undefined ? {} : { scope }),
  };
}

function secretsFromFlags(args: ParsedArgs): Record<string, string> {
  const one = text(args, "secret-ref");
  const several = list(args, "secret").map((pair) => parsePair("secret", pair));
  if (one === undefined && several.length === 0) {
    throw usageError("a credential needs --secret-ref", "`aivault secrets list` shows the names");
  }
  if (one !== undefined) return { secret: secretName(one) };
  return Object.fromEntries(several.map(([placeholder, name]) => [placeholder, secretName(name)]));
}

/** The secret that a reference names: its id behind `vault:secret:`, else the reference itself. */
export function secretName(ref: string): string {
  return ref.startsWith("vault:secret:") ? ref.slice("vault:secret:".length) : ref;
}

// Which flags go with which scheme; a flag of another scheme is a mistake, not a no-op.
const SCHEME_FLAGS: Readonly<Record<string, readonly string[]>> = {
  header: ["header-name", "value-template"],
  query: ["query-param"],
  path: ["path-prefix-template"],
  basic: ["basic-username", "basic-password"],
  "multi-header": ["auth-header"],
  "multi-query": ["auth-query"],
};

/** The scheme that the flags describe; null leaves it to the registry. */
export function authFromFlags(args: ParsedArgs): WireAuthScheme | null {
  const strategy = text(args, "auth");
  for (const [scheme, flags] of Object.entries(SCHEME_FLAGS)) {
    const stray = flags.find((flag) => scheme !== strategy && args.flags[flag] !== undefined);
    if (stray !== undefined) throw usageError(`--${stray} goes with --auth ${scheme}`);
  }
  if (strategy === undefined) return null;
  const named = (flag: string) =>
    list(args, flag).map((pair) => {
      const [name, template] = parsePair(flag, pair);
      return { name, template };
    });
  switch (strategy) {
    case "header":
      return {
        strategy,
        name: text(args, "header-name") ?? "authorization",
        template: text(args, "value-template") ?? "Bearer {{secret}}",
      };
    case "query":
      return { strategy, name: text(args, "query-param") ?? "api_key", template: "{{secret}}" };
    case "path":
      return { strategy, template: text(args, "path-prefix-template") ?? "/bot{{secret}}" };
    case "basic":
      return {
        strategy,
        username: text(args, "basic-username") ?? "{{username}}",
        password: text(args, "basic-password") ?? "{{password}}",
      };
    case "multi-header":
      return { strategy, headers: requireSome("auth-header", named("auth-header")) };
    case "multi-query":
      return { strategy, params: requireSome("auth-query", named("auth-query")) };
    default:
      throw new CliError("CLI_NOT_AVAILABLE", `this version has no scheme ${strategy}`);
  }
}

function requireSome<T>(flag: string, values: readonly T[]): readonly T[] {
  if (values.length === 0) throw usageError(`this scheme needs --${flag}`);
  return values;
}
