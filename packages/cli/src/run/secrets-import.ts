/**
 * Several secrets at once. Values stay octets from the file to the socket.
 */
import { readFile, realpath } from "node:fs/promises";
import {
  isAivaultError,
  type WireClaim,
  type WireScope,
  type WireSecret,
  type WireSecretCreated,
} from "@aivault/client";
import type { OperatorClient } from "@aivault/client/operator";
import { isOn, list, text, wantsJson } from "../args.ts";
import { canAsk } from "../confirm.ts";
import type { Context } from "../context.ts";
import { type EnvEntry, parseEnvFile } from "../env-file.ts";
import { PLAIN_PLACEHOLDER, withPlaceholders } from "../env-placeholders.ts";
import { CliError, usageError } from "../errors.ts";
import { parsePair } from "../headers.ts";
import { scopeFromFlags } from "../scope-flags.ts";
import { inputError } from "../secret-input.ts";
import { counted, table } from "../table.ts";
import { explainProvisioning } from "./secrets.ts";

interface Imported {
  readonly created: string[];
  readonly rotated: string[];
  /** Empty, or a placeholder already. */
  readonly skipped: string[];
  /** Name to the provider that claims it. */
  readonly recognised: Record<string, string>;
  /** Not stored: no provider claims them, and they were not wanted. */
  left: readonly string[];
  /** Their values in the file are placeholders now. */
  replaced: readonly string[];
  undoUntilMs: number | null;
}

type Claims = ReadonlyMap<string, WireClaim>;

export async function runImport(context: Context): Promise<void> {
  const { args, session } = context;
  const path = text(args, "env-file");
  if (isOn(args, "undo")) return await undo(context, path);
  if (path === undefined && list(args, "entry").length === 0) {
    throw usageError("nothing to import", "give --env-file PATH");
  }
  const file = path === undefined ? Buffer.alloc(0) : await readOctets(path);
  const entries = [...parseEnvFile(file), ...entriesFromFlags(context)];
  const done: Imported = {
    created: [],
    rotated: [],
    skipped: [],
    recognised: {},
    left: [],
    replaced: [],
    undoUntilMs: null,
  };
  try {
    refuseRepeats(entries);
    const operator = await session.operator({ orInit: true });
    const claims = await claimsOf(operator, entries);
    const wanted = await choose(context, entries, claims, done);
    for (const entry of wanted) await store(context, operator, entry, done);
    if (path !== undefined) await offerReplacing(context, operator, path, file, claims, done);
  } finally {
    file.fill(0);
    for (const { value } of entries) value.fill(0);
    report(context, done);
  }
}

async function undo(context: Context, path: string | undefined): Promise<void> {
  const { args, out } = context;
  if (path === undefined) {
    throw usageError("--undo does not say what", "name the file to put back with --env-file PATH");
  }
  const real = await realpathOf(path);
  const { undoImport } = await import("../import-undo.ts");
  await undoImport(context, real);
  if (wantsJson(args) || !out.isTerminal) out.json({ undone: true, path: real });
  else out.answer(`${path} is as it was`);
  out.note("the secrets stay stored; `aivault secrets delete NAME` deletes one");
}

async function claimsOf(operator: OperatorClient, entries: readonly EnvEntry[]): Promise<Claims> {
  const claims = await operator.claims(entries.map(({ name }) => name));
  return new Map(claims.map((claim) => [claim.name, claim]));
}

/** Which entries to store. Says what was recognised before anything is. */
async function choose(
  context: Context,
  entries: readonly EnvEntry[],
  claims: Claims,
  done: Imported,
): Promise<readonly EnvEntry[]> {
  const { args, out } = context;
  const isLeftOut = ({ name, value }: EnvEntry) =>
    value.length === 0 || isPlaceholder(value, claims.get(name));
  done.skipped.push(...entries.filter(isLeftOut).map(({ name }) => name));
  const full = entries.filter((entry) => !isLeftOut(entry));
  const others = full.filter(({ name }) => !claims.has(name));
  if (out.isTerminal && !wantsJson(args)) showFound(context, full, claims);
  if (others.length === 0 || isOn(args, "all")) return full;
  if (!isOn(args, "recognised")) {
    if (!out.isTerminal || !canAsk(out) || isOn(args, "yes")) return full;
    const { confirm } = await import("../prompt.ts");
    const names = counted(others.length, "name");
    if (await confirm(`Store the ${names} of no known provider too?`)) return full;
  }
  done.left = others.map(({ name }) => name);
  return full.filter(({ name }) => claims.has(name));
}

function showFound({ out }: Context, entries: readonly EnvEntry[], claims: Claims): void {
  if (entries.length === 0) return;
  const columns = [
    { title: "name", style: out.colors.bold },
    { title: "provider" },
    { title: "what it is", flexible: true as const },
  ];
  const rows = entries.map(({ name, value }) => {
    const claim = claims.get(name);
    if (claim === undefined) return [name, "-", "of no provider we know"];
    const odd = !claim.opaque && !looksLike(value, claim) ? " (does not look like one)" : "";
    return [name, claim.provider, claim.description + odd];
  });
  for (const line of table(columns, rows, out.columns)) out.answer(line);
}

function looksLike(value: Uint8Array, { pattern }: WireClaim): boolean {
  // The value is a string for a moment, which JavaScript cannot wipe; the reference goes with it.
  return new RegExp(pattern, "u").test(Buffer.from(value).toString("utf8"));
}

// Storing what an earlier import put in its place would destroy the real value.
function isPlaceholder(value: Buffer, claim: WireClaim | undefined): boolean {
  return [PLAIN_PLACEHOLDER, claim?.example].some(
    (text) => text !== undefined && value.equals(Buffer.from(text)),
  );
}

async function store(
  { args, out }: Context,
  operator: OperatorClient,
  { name, value }: EnvEntry,
  done: Imported,
): Promise<void> {
  const made = await createOrRotate(operator, name, value, scopeFromFlags(args));
  const isNew = "provisioning" in made;
  (isNew ? done.created : done.rotated).push(name);
  const provider = isNew ? made.provisioning.provider : made.pinnedProvider;
  if (provider !== null) done.recognised[name] = provider;
  if (isNew && provider !== null) explainProvisioning(out, made.secret, made.provisioning);
}

async function createOrRotate(
  operator: OperatorClient,
  name: string,
  value: Uint8Array,
  scope: WireScope | undefined,
): Promise<WireSecretCreated | WireSecret> {
  try {
    return await operator.createSecret({ name, ...(scope === undefined ? {} : { scope }) }, value);
  } catch (error) {
    if (!isAivaultError(error) || error.code !== "conflict") throw error;
    const there = scope === undefined ? name : await idWithin(operator, name, scope);
    if (there === null) throw error;
    return await operator.rotateSecret(there, value);
  }
}

// By its name alone the daemon finds the global secret, which is another one.
async function idWithin(
  operator: OperatorClient,
  name: string,
  scope: WireScope,
): Promise<string | null> {
  const secrets = await operator.secrets({ scope });
  const found = secrets.find((secret) => secret.name === name || secret.aliases.includes(name));
  return found?.secretId ?? null;
}

/** Put look-alikes in the file, if that is wanted. */
async function offerReplacing(
  { args, out, session }: Context,
  operator: OperatorClient,
  path: string,
  file: Buffer,
  claims: Claims,
  done: Imported,
): Promise<void> {
  const places = parseAgain(file);
  const stored = new Set([...done.created, ...done.rotated]);
  const names = places.map(({ name }) => name).filter((name) => stored.has(name));
  if (names.length === 0) return;
  if (!isOn(args, "replace")) {
    if (!out.isTerminal || wantsJson(args) || !canAsk(out) || isOn(args, "yes")) return;
    const { confirm } = await import("../prompt.ts");
    const question = `Replace the stored values in ${path} by placeholders? It can be undone for a day.`;
    if (!(await confirm(question))) return;
  }
  const placeholders = new Map(
    names.map((name) => [name, claims.get(name)?.example ?? PLAIN_PLACEHOLDER]),
  );
  const after = withPlaceholders(file, places, placeholders);
  try {
    const { replaceWithUndo } = await import("../import-undo.ts");
    const real = await realpathOf(path);
    done.undoUntilMs = await replaceWithUndo(operator, session.location, real, {
      before: file,
      after,
    });
  } finally {
    // Values that were not stored are in it still.
    after.fill(0);
  }
  done.replaced = names;
}

// For the places alone.
function parseAgain(file: Buffer): readonly EnvEntry[] {
  const entries = parseEnvFile(file);
  for (const { value } of entries) value.fill(0);
  return entries;
}

function entriesFromFlags({ args, out }: Context): readonly EnvEntry[] {
  const given = list(args, "entry");
  if (given.length > 0) out.warn("the shell's history and the process list may keep these values");
  return given.map((pair) => {
    const [name, value] = parsePair("entry", pair);
    return { name, value: Buffer.from(value, "utf8"), start: 0, end: 0 };
  });
}

function refuseRepeats(entries: readonly EnvEntry[]): void {
  const seen = new Set<string>();
  for (const { name } of entries) {
    if (seen.has(name))
      throw new CliError("CLI_INPUT", `\`${name}\` is given twice; nothing was stored`, "keep one");
    seen.add(name);
  }
}

async function readOctets(path: string): Promise<Buffer> {
  return await readFile(path).catch((error: unknown) => {
    throw inputError(path, error);
  });
}

// A link stays one: what it leads to is what is changed.
async function realpathOf(path: string): Promise<string> {
  return await realpath(path).catch((error: unknown) => {
    throw inputError(path, error);
  });
}

function report({ args, out }: Context, done: Imported): void {
  if (wantsJson(args) || !out.isTerminal) {
    out.json(done);
    return;
  }
  if (done.skipped.length > 0) {
    out.note(`empty or placeholders, not stored: ${done.skipped.join(", ")}`);
  }
  out.answer(
    `${counted(done.created.length, "secret")} stored, ${done.rotated.length} rotated, ${done.skipped.length + done.left.length} left`,
  );
  if (done.undoUntilMs === null) return;
  const until = new Date(done.undoUntilMs).toLocaleString();
  out.note(`the file has placeholders now; until ${until} this puts the values back:`);
  out.note(`aivault secrets import --undo --env-file ${text(args, "env-file")}`);
}
