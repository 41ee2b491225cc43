import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { link, unlink } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { KEY_BYTES } from "../aead.ts";
import { type RandomBytes, wipe } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { formatKeyText, type KeyProvider, parseKeyText } from "../key-provider.ts";
import {
  makeDirectories,
  readAt,
  renameDurably,
  syncDirectory,
  systemCode,
  writeNewFile,
} from "./file-system.ts";
import { collectSiblings, forgetSibling, temporarySibling } from "./temporary-sibling.ts";

const KEY_TEXT_BYTES_MAX = 4096;

function unavailable(message: string, cause?: unknown): VaultError {
  return new VaultError("VAULT_KEY_UNAVAILABLE", message, { cause });
}

/**
 * A KEK in a file of its own, readable by its owner alone: base64 of 32 bytes, or 64 hexadecimal
 * digits.
 *
 * A file that exists is never replaced, whatever it holds (W-B7). Missing directories above it are
 * made with mode 0700; existing ones are left as they are. A rotation keeps the new key in
 * `<path>.next` until the vault depends on it.
 */
export function fileKeyProvider(path: string): KeyProvider {
  const file = resolve(path);
  const next = `${file}.next`;
  return {
    config: { kind: "file", path: file },
    async create(random) {
      try {
        // G20: a vault must not outlive, on disk, the name of the file that opens it.
        await makeDirectories(dirname(file));
      } catch (cause) {
        throw unavailable(
          `cannot make the directory of key file ${file} (${systemCode(cause)})`,
          cause,
        );
      }
      collectTemporaries(file);
      const existing = readKeyFile(file);
      if (existing !== null) {
        await syncKeyDirectory(file);
        return existing;
      }
      const key = random(KEY_BYTES);
      if (await writeKeyFile(file, key, "new")) return key;
      wipe(key);
      return requireKeyFile(file);
    },
    async obtain() {
      return requireKeyFile(file);
    },
    async stage(random: RandomBytes) {
      collectTemporaries(file);
      const key = random(KEY_BYTES);
      await writeKeyFile(next, key, "replace");
      return key;
    },
    async obtainStaged() {
      return readKeyFile(next);
    },
    async discardStaged() {
      collectTemporaries(file);
      try {
        await unlink(next);
        await syncDirectory(dirname(next));
      } catch (cause) {
        if (systemCode(cause) === "ENOENT") return;
        throw unavailable(`cannot remove ${next} (${systemCode(cause)})`, cause);
      }
    },
    async promote() {
      const staged = readKeyFile(next);
      if (staged === null) return;
      wipe(staged);
      try {
        await renameDurably(next, file);
      } catch (cause) {
        throw unavailable(`cannot put ${next} in place of ${file} (${systemCode(cause)})`, cause);
      }
    },
  };
}

/**
 * A KEK in an environment variable: for containers whose orchestrator injects secrets that way. The
 * variable stays readable to the process for as long as it lives, and this provider cannot change
 * it.
 *
 * @param environment - Borrowed; read at each call.
 */
export function environmentKeyProvider(
  variable: string,
  environment: Readonly<Record<string, string | undefined>>,
): KeyProvider {
  const read = async (): Promise<Uint8Array> => {
    const text = environment[variable];
    if (text === undefined || text === "") {
      throw unavailable(
        `environment variable \`${variable}\` is not set; it must hold the vault's key`,
      );
    }
    const bytes = Buffer.from(text, "latin1");
    try {
      const key = parseKeyText(bytes);
      if (key !== null) return key;
    } finally {
      wipe(bytes);
    }
    throw unavailable(
      `environment variable \`${variable}\` does not hold a key: base64 of 32 bytes, or 64 hexadecimal digits`,
    );
  };
  return { config: { kind: "env", variable }, create: read, obtain: read };
}

function requireKeyFile(path: string): Uint8Array {
  const key = readKeyFile(path);
  if (key !== null) return key;
  throw unavailable(
    `key file ${path} is missing; without it the vault cannot be opened, restore it from where you keep a copy`,
  );
}

/** The key, or null when there is no file. Anything else that is there is an error. */
function readKeyFile(path: string): Uint8Array | null {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  let descriptor: number;
  try {
    descriptor = openSync(path, flags);
  } catch (cause) {
    const code = systemCode(cause);
    if (code === "ENOENT") return null;
    if (code === "ELOOP")
      throw unavailable(`key file ${path} is a symbolic link; name the file itself`, cause);
    throw unavailable(`key file ${path} cannot be read (${code})`, cause);
  }
  let text: Uint8Array | null = null;
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw unavailable(`key file ${path} is not a plain file`);
    const uid = process.geteuid?.();
    if (uid !== undefined && stats.uid !== uid) {
      throw unavailable(`key file ${path} belongs to user ${stats.uid}, not to user ${uid}`);
    }
    if (process.platform !== "win32" && (stats.mode & 0o077) !== 0) {
      throw unavailable(
        `key file ${path} can be read by other users; run \`chmod 600 ${path}\`, and rotate the master key if they may have`,
      );
    }
    text = readAt(descriptor, 0, Math.min(stats.size, KEY_TEXT_BYTES_MAX));
    const key = stats.size <= KEY_TEXT_BYTES_MAX ? parseKeyText(text) : null;
    if (key === null) {
      throw unavailable(
        `key file ${path} does not hold a key (base64 of 32 bytes, or 64 hexadecimal digits); it was left as it is`,
      );
    }
    return key;
  } finally {
    wipe(text);
    closeSync(descriptor);
  }
}

/** Removes what processes that died while writing this key file or its staged sibling left: it may hold a key. */
function collectTemporaries(file: string): void {
  collectSiblings(file, `${file}.next`);
}

/** A name that is there may have been linked by a process that died before it was on disk. */
async function syncKeyDirectory(file: string): Promise<void> {
  try {
    await syncDirectory(dirname(file));
  } catch {
    // A key in a directory that cannot be opened, or on a read-only disk, was not put there by us.
  }
}

/** Writes a complete key file, or none. @returns False when `mode` is "new" and a file exists. */
async function writeKeyFile(
  path: string,
  key: Uint8Array,
  mode: "new" | "replace",
): Promise<boolean> {
  const text = formatKeyText(key);
  const temporary = temporarySibling(path, "tmp");
  try {
    await writeNewFile(temporary, text);
    if (mode === "replace") {
      await renameDurably(temporary, path);
      return true;
    }
    try {
      // Unlike rename, link fails when the name is taken.
      await link(temporary, path);
    } catch (cause) {
      if (systemCode(cause) === "EEXIST") return false;
      throw cause;
    } finally {
      await unlink(temporary).catch((cause: unknown) => {
        if (systemCode(cause) !== "ENOENT") throw cause;
      });
    }
    await syncDirectory(dirname(path));
    return true;
  } catch (cause) {
    throw unavailable(`key file ${path} cannot be written (${systemCode(cause)})`, cause);
  } finally {
    forgetSibling(temporary);
    wipe(text);
  }
}
