/**
 * Backups. The daemon makes one, which has the vault; it is written here, with our own rights. One is
 * read in this process, since there may be no vault.
 */
import { constants } from "node:fs";
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { KeyProviderChoice } from "@aivault/daemon";
import { isOn, wantsJson } from "../args.ts";
import { requireConsent } from "../confirm.ts";
import type { Context } from "../context.ts";
import { isListening } from "../daemon-process.ts";
import { CliError } from "../errors.ts";
import { keyProviderChoice, type ProviderChoice } from "../key-provider-flags.ts";
import { withProgress } from "../progress.ts";
import { inputError, type SecretKind, useSecretInput } from "../secret-input.ts";

const QUESTION = "passphrase of the backup (not shown):";
const NEW_PASSPHRASE: SecretKind = { flag: "passphrase", twice: true };
const PASSPHRASE: SecretKind = { flag: "passphrase" };
const NEXT: SecretKind = { flag: "new-passphrase", what: "passphrase of the vault", twice: true };

/** Write a backup: complete under its name, or not there at all. */
export async function runBackupCreate(context: Context): Promise<void> {
  const { out, session } = context;
  const path = resolve(context.args.positionals["file"] as string);
  await refuseExisting(path);
  const operator = await session.operator();
  const bytes = await useSecretInput(context, QUESTION, NEW_PASSPHRASE, (passphrase) =>
    withProgress(out, "writing the backup", async () =>
      writeComplete(path, await operator.backup(passphrase, context.signal)),
    ),
  );
  answer(context, { path, bytes }, `${path}: ${bytes} bytes; only its passphrase opens it`);
}

export async function runBackupVerify(context: Context): Promise<void> {
  const path = await readablePath(context);
  const { verifyBackup } = await import("@aivault/daemon");
  const found = await useSecretInput(context, QUESTION, PASSPHRASE, (passphrase) =>
    withProgress(context.out, "reading the backup", () => verifyBackup({ file: path, passphrase })),
  );
  answer(context, { path, ok: true, ...found }, `${path} is whole, and this passphrase opens it`);
  warnAboutDamage(context, found);
}

export async function runBackupRestore(context: Context): Promise<void> {
  const { args, env, out, session } = context;
  const path = await readablePath(context);
  const { root } = session.location;
  const overwrite = isOn(args, "overwrite");
  const choice = keyProviderChoice(args, NEXT.flag);
  await requirePlace(context, path, overwrite);
  const { resolvePaths, restoreBackup } = await import("@aivault/daemon");
  const restored = await useSecretInput(context, QUESTION, PASSPHRASE, (passphrase) =>
    withKeyProvider(context, choice, (keyProvider) =>
      withProgress(out, "restoring the vault", () =>
        restoreBackup({
          paths: resolvePaths(env, process.platform),
          file: path,
          passphrase,
          keyProvider,
          overwrite,
          env,
        }),
      ),
    ),
  );
  answer(context, { restored: true, rootDir: root, ...restored }, `restored the vault to ${root}`);
  warnAboutDamage(context, restored);
  out.note("`aivault status` says how it is");
}

function warnAboutDamage(
  { out }: Context,
  { skipped, auditProblem }: { skipped: readonly string[]; auditProblem: string | null },
): void {
  if (skipped.length > 0) {
    out.warn(`damaged when the backup was made, and not in it: ${skipped.join(", ")}`);
  }
  if (auditProblem !== null) {
    out.warn(`the audit log was damaged when the backup was made: ${auditProblem}`);
  }
}

/** Make sure that a vault may be put where this one is to go. */
async function requirePlace(context: Context, path: string, overwrite: boolean): Promise<void> {
  const { root, operatorSocket } = context.session.location;
  const exists = await context.session.hasVault();
  if (exists && !overwrite) {
    throw new CliError(
      "CLI_VAULT_EXISTS",
      `there is a vault at ${root} already; nothing was changed`,
      "--overwrite moves it aside; AIVAULT_DIR names another place",
    );
  }
  if (await isListening(operatorSocket)) {
    throw new CliError(
      "CLI_VAULT_EXISTS",
      "a daemon has the vault open; nothing was changed",
      "`aivault stop` ends it",
    );
  }
  if (exists) {
    const says = `the vault at ${root} is moved aside, and the one in ${path} takes its place`;
    await requireConsent(context, says);
  }
}

function withKeyProvider<T>(
  context: Context,
  choice: ProviderChoice,
  use: (provider: KeyProviderChoice) => Promise<T>,
): Promise<T> {
  if (choice.kind !== "passphrase") return use(choice);
  return useSecretInput(
    context,
    "passphrase of the restored vault (not shown):",
    NEXT,
    (passphrase) => use({ kind: "passphrase", passphrase }),
  );
}

function answer({ args, out }: Context, json: Record<string, unknown>, text: string): void {
  if (wantsJson(args) || !out.isTerminal) out.json(json);
  else out.answer(text);
}

async function refuseExisting(path: string): Promise<void> {
  const there = await stat(path).catch(() => null);
  if (there !== null)
    throw new CliError("CLI_OUTPUT", `${path} is there already`, "choose another");
}

async function readablePath({ args }: Context): Promise<string> {
  const path = resolve(args.positionals["file"] as string);
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(
    (error: unknown) => {
      throw inputError(path, error);
    },
  );
  await file.close();
  return path;
}

async function writeComplete(path: string, chunks: AsyncIterable<Uint8Array>): Promise<number> {
  const temporary = `${path}.${process.pid}.part`;
  let bytes = 0;
  let file: FileHandle | undefined;
  try {
    file = await open(temporary, "wx", 0o600);
    for await (const chunk of chunks) {
      await file.writeFile(chunk);
      bytes += chunk.length;
    }
    await file.sync();
    await file.close();
    file = undefined;
    await refuseExisting(path);
    await rename(temporary, path);
    await syncDirectory(dirname(path));
    return bytes;
  } catch (error) {
    await file?.close();
    await rm(temporary, { force: true });
    if (!isSystemError(error)) throw error;
    throw new CliError("CLI_OUTPUT", `cannot write ${path} (${error.code})`, null, error);
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, constants.O_RDONLY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error;
}
