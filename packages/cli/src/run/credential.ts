import type { WireNewCredential } from "@aivault/client";
import { isAivaultError } from "@aivault/client";
import { list, type ParsedArgs, text, wantsJson } from "../args.ts";
import { authFromFlags } from "../auth-flags.ts";
import type { Context } from "../context.ts";
import { usageError } from "../errors.ts";
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
  if (text(args, "max-policy-mode") !== undefined) {
    throw usageError(
      "--max-policy-mode is of database credentials, which this version does not have",
      "leave it out; a capability's methods and paths say what may be done",
    );
  }
  const secrets = secretsFromFlags(args);
  const hosts = list(args, "host");
  const auth = authFromFlags(args, Object.keys(secrets));
  const scope = scopeFromFlags(args);
  return {
    id: args.positionals["id"] as string,
    provider: text(args, "provider") as string,
    secrets,
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
