/**
 * Several secrets at once. Values stay octets from the file to the socket.
 */
import { readFile } from "node:fs/promises";
import { isAivaultError, type WireSecret, type WireSecretCreated } from "@aivault/client";
import type { OperatorClient } from "@aivault/client/operator";
import { list, text, wantsJson } from "../args.ts";
import type { Context } from "../context.ts";
import { type EnvEntry, parseEnvFile } from "../env-file.ts";
import { CliError, usageError } from "../errors.ts";
import { parsePair } from "../headers.ts";
import { scopeFromFlags } from "../scope-flags.ts";
import { inputError } from "../secret-input.ts";
import { counted } from "../table.ts";
import { explainProvisioning } from "./secrets.ts";

interface Imported {
  readonly created: string[];
  readonly rotated: string[];
  readonly skipped: string[];
  /** Name to the provider that claims it. */
  readonly recognised: Record<string, string>;
}

export async function runImport(context: Context): Promise<void> {
  const { args, out, session } = context;
  const path = text(args, "env-file");
  if (path === undefined && list(args, "entry").length === 0) {
    throw usageError("nothing to import", "give --env-file PATH");
  }
  const scope = scopeFromFlags(args);
  const file = path === undefined ? Buffer.alloc(0) : await readOctets(path);
  const entries = [...parseEnvFile(file), ...entriesFromFlags(context)];
  const done: Imported = { created: [], rotated: [], skipped: [], recognised: {} };
  try {
    refuseRepeats(entries);
    const operator = await session.operator({ orInit: true });
    for (const { name, value } of entries) {
      if (value.length === 0) {
        done.skipped.push(name);
        continue;
      }
      const made = await store(operator, name, value, scope);
      const isNew = "provisioning" in made;
      (isNew ? done.created : done.rotated).push(name);
      const provider = isNew ? made.provisioning.provider : made.pinnedProvider;
      if (provider !== null) done.recognised[name] = provider;
      if (isNew && provider !== null) explainProvisioning(out, made.secret, made.provisioning);
    }
  } finally {
    file.fill(0);
    for (const { value } of entries) value.fill(0);
    report(context, done);
  }
}

async function store(
  operator: OperatorClient,
  name: string,
  value: Uint8Array,
  scope: ReturnType<typeof scopeFromFlags>,
): Promise<WireSecretCreated | WireSecret> {
  try {
    return await operator.createSecret({ name, ...(scope === undefined ? {} : { scope }) }, value);
  } catch (error) {
    if (!isAivaultError(error) || error.code !== "conflict") throw error;
    return await operator.rotateSecret(name, value);
  }
}

function entriesFromFlags({ args, out }: Context): readonly EnvEntry[] {
  const given = list(args, "entry");
  if (given.length > 0) out.warn("the shell's history and the process list may keep these values");
  return given.map((pair) => {
    const [name, value] = parsePair("entry", pair);
    return { name, value: Buffer.from(value, "utf8") };
  });
}

function refuseRepeats(entries: readonly EnvEntry[]): void {
  const seen = new Set<string>();
  for (const { name } of entries) {
    if (seen.has(name))
      throw new CliError("CLI_INPUT", `\`${name}\` is given twice; nothing was stored`);
    seen.add(name);
  }
}

async function readOctets(path: string): Promise<Buffer> {
  return await readFile(path).catch((error: unknown) => {
    throw inputError(path, error);
  });
}

function report({ args, out }: Context, done: Imported): void {
  if (wantsJson(args) || !out.isTerminal) {
    out.json(done);
    return;
  }
  const unknown = [...done.created, ...done.rotated].filter((name) => !done.recognised[name]);
  if (unknown.length > 0) out.note(`of no provider we know: ${unknown.join(", ")}`);
  if (done.skipped.length > 0) out.note(`empty, not stored: ${done.skipped.join(", ")}`);
  out.answer(
    `${counted(done.created.length, "secret")} stored, ${done.rotated.length} rotated, ${done.skipped.length} skipped`,
  );
}
