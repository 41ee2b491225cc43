/**
 * Undoing an import, octet for octet.
 *
 * The file as it was is sealed here with a fresh key. What is sealed goes into the vault, and is there
 * for a day; the key lies in a file of the owner's beside the operator socket. Neither is enough alone:
 * the daemon never learns the key, so it has no route that returns a value (G3), and whoever copies this
 * machine's files has nothing without the vault's key.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { chmod, open, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { OperatorClient } from "@aivault/client/operator";
import { confirmed, requireConsent } from "./confirm.ts";
import type { Context } from "./context.ts";
import { CliError } from "./errors.ts";
import type { VaultLocation } from "./location.ts";
import { inputError } from "./secret-input.ts";

const ALGORITHM = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const DIGEST_BYTES = 32;

interface UndoNote {
  readonly id: string;
  readonly key: string;
  readonly expiresAtMs: number;
}

/**
 * Replace the file at `path`, so that it can be undone.
 *
 * @param before - What it held when it was read; borrowed.
 * @param after - What it is to hold; borrowed.
 * @returns Until when it can be undone.
 * @throws {CliError} `CLI_INPUT`: it was changed since it was read; `CLI_OUTPUT`. Then it is as it was, and
 * so is what an earlier import left to undo.
 */
export async function replaceWithUndo(
  operator: OperatorClient,
  location: VaultLocation,
  path: string,
  { before, after }: { readonly before: Buffer; readonly after: Buffer },
): Promise<number> {
  const key = randomBytes(32);
  try {
    const sealed = seal(key, path, Buffer.concat([digest(after), before]));
    const previous = readNote(location, path);
    const { id, expiresAtMs } = await operator.keepUndo(sealed);
    try {
      await writeNote(location, path, { id, key: key.toString("base64url"), expiresAtMs });
      // It was read before anybody was asked anything.
      if (!readFileSync(path).equals(before)) throw changedMeanwhile(path);
      await writeInPlace(path, after);
    } catch (error) {
      if (previous === null) rmSync(notePath(location, path), { force: true });
      else await writeNote(location, path, previous);
      await operator.forgetUndo(id).catch(() => undefined);
      throw error;
    }
    // It goes one step back: what an earlier import took out is in this one's file no more.
    if (previous !== null) await operator.forgetUndo(previous.id).catch(() => undefined);
    return expiresAtMs;
  } finally {
    key.fill(0);
  }
}

/** Put back what the last import took out of `path`. @throws {CliError} `CLI_INPUT` */
export async function undoImport(context: Context, path: string): Promise<void> {
  const { session } = context;
  const note = readNote(session.location, path);
  if (note === null) throw nothingToUndo(path);
  const operator = await session.operator();
  const sealed = await confirmed(context, (confirmable) => operator.takeUndo(note.id, confirmable));
  const key = Buffer.from(note.key, "base64url");
  const opened = unseal(key, path, sealed);
  try {
    const current = readFileSync(path);
    if (!digest(current).equals(opened.subarray(0, DIGEST_BYTES))) {
      await requireConsent(
        context,
        `${path} was changed since; what was changed in it is lost when it is put back`,
      );
    }
    await writeInPlace(path, opened.subarray(DIGEST_BYTES));
  } finally {
    key.fill(0);
    opened.fill(0);
  }
  await operator.forgetUndo(note.id);
  rmSync(notePath(session.location, path), { force: true });
}

function seal(key: Buffer, path: string, plain: Buffer): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(ALGORITHM, key, nonce).setAAD(context(path));
  const sealed = Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  plain.fill(0);
  return sealed;
}

function unseal(key: Buffer, path: string, sealed: Uint8Array): Buffer {
  try {
    const end = sealed.length - TAG_BYTES;
    const cipher = createDecipheriv(ALGORITHM, key, sealed.subarray(0, NONCE_BYTES))
      .setAAD(context(path))
      .setAuthTag(sealed.subarray(end));
    return Buffer.concat([cipher.update(sealed.subarray(NONCE_BYTES, end)), cipher.final()]);
  } catch (cause) {
    throw new CliError(
      "CLI_INPUT",
      `what is kept for ${path} does not open; nothing was changed`,
      "make the file anew from where its values came from",
      cause,
    );
  }
}

function context(path: string): Buffer {
  return Buffer.from(`aivault/import-undo/v1\0${path}`);
}

function digest(octets: Uint8Array): Buffer {
  return createHash("sha256").update(octets).digest();
}

function notePath({ operatorSocket }: VaultLocation, path: string): string {
  const name = createHash("sha256").update(path).digest("hex").slice(0, 32);
  return join(dirname(operatorSocket), `undo-${name}.json`);
}

function readNote(location: VaultLocation, path: string): UndoNote | null {
  try {
    return JSON.parse(readFileSync(notePath(location, path), "utf8")) as UndoNote;
  } catch {
    return null;
  }
}

// On disk before the file loses its values: without the key they could not be put back.
async function writeNote(location: VaultLocation, path: string, note: UndoNote): Promise<void> {
  const at = notePath(location, path);
  const directory = dirname(at);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  await writeSynced(`${at}.${process.pid}`, Buffer.from(JSON.stringify(note)));
  await rename(`${at}.${process.pid}`, at);
  const handle = await open(directory);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A new file, for the owner alone. */
async function writeSynced(path: string, octets: Uint8Array): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(octets);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** All of it or nothing, with the permissions that the file has. */
async function writeInPlace(path: string, octets: Uint8Array): Promise<void> {
  const temporary = `${path}.${process.pid}.aivault`;
  try {
    const { mode } = await stat(path);
    await writeSynced(temporary, octets);
    await chmod(temporary, mode & 0o777);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error instanceof CliError ? error : inputOrOutput(path, error);
  }
}

function inputOrOutput(path: string, error: unknown): CliError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "ENOENT") return inputError(path, error);
  return new CliError(
    "CLI_OUTPUT",
    `cannot write ${path} (${code}); it is as it was`,
    "check who owns it and its directory",
    error,
  );
}

function changedMeanwhile(path: string): CliError {
  return new CliError(
    "CLI_INPUT",
    `${path} was changed while it was imported, and is left as it is; the secrets are stored`,
    "run the same command again",
  );
}

function nothingToUndo(path: string): CliError {
  return new CliError(
    "CLI_INPUT",
    `no import of ${path} can be undone`,
    "only `secrets import --replace` can be, for a day, from the same account",
  );
}
