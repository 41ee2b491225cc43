/** Backups: the daemon makes one, which has the vault; it is written here, with our own rights. */
import { constants } from "node:fs";
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { wantsJson } from "../args.ts";
import type { Context } from "../context.ts";
import { CliError } from "../errors.ts";
import { withProgress } from "../progress.ts";
import { useSecretInput } from "../secret-input.ts";

const NEW_PASSPHRASE = { flag: "passphrase", twice: true } as const;

/** Write a backup: complete under its name, or not there at all. */
export async function runBackupCreate(context: Context): Promise<void> {
  const { out, session } = context;
  const path = resolve(context.args.positionals["file"] as string);
  await refuseExisting(path);
  const operator = await session.operator();
  const question = "passphrase of the backup (not shown):";
  const bytes = await useSecretInput(context, question, NEW_PASSPHRASE, (passphrase) =>
    withProgress(out, "writing the backup", async () =>
      writeComplete(path, await operator.backup(passphrase, context.signal)),
    ),
  );
  answer(context, { path, bytes }, `${path}: ${bytes} bytes; only its passphrase opens it`);
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
