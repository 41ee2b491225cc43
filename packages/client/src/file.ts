/**
 * Files to upload, opened in this process with the caller's own rights: the daemon never opens a
 * file because someone named its path (G22).
 */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { AivaultError } from "./errors.ts";

const CHUNK_BYTES = 64 * 1024;

/** An open file. Reading it to the end, or ending the iteration early, closes it. */
export interface OpenFile {
  readonly bytes: number;
  readonly body: AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

/**
 * Open a regular file for reading.
 *
 * @throws {AivaultError} `CLIENT_FILE_UNREADABLE`: missing, not permitted, or not a regular file.
 */
export async function openFile(path: string): Promise<OpenFile> {
  // O_NONBLOCK: opening a FIFO without a writer would otherwise never return.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(
    (error: unknown) => {
      throw unreadable(path, error);
    },
  );
  const stat = await file.stat();
  if (!stat.isFile()) {
    await file.close();
    throw unreadable(path, undefined, "not a regular file");
  }
  async function* read(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (;;) {
        const { bytesRead, buffer } = await file.read(
          Buffer.allocUnsafe(CHUNK_BYTES),
          0,
          CHUNK_BYTES,
          null,
        );
        if (bytesRead === 0) return;
        yield buffer.subarray(0, bytesRead);
      }
    } finally {
      await file.close();
    }
  }
  return { bytes: stat.size, body: read(), close: () => file.close() };
}

function unreadable(path: string, cause: unknown, why = reasonOf(cause)): AivaultError {
  return new AivaultError("CLIENT_FILE_UNREADABLE", `cannot read \`${path}\`: ${why}`, { cause });
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return (
    { ENOENT: "no such file", EACCES: "permission denied", EISDIR: "is a directory" }[code] ?? code
  );
}
