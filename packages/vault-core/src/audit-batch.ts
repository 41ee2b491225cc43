import type { AuditEntry } from "./audit-entry.ts";
import { encodeUtf8 } from "./bytes.ts";
import type { VaultError } from "./errors.ts";

/** Entries that are written together, and those who wait to hear that they were. */
export class AuditBatch {
  #lines = "";
  readonly #waiting: Waiting[] = [];

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** @returns Settles with {@link succeed} or {@link fail}. */
  add(entry: AuditEntry, line: string): Promise<AuditEntry> {
    this.#lines += line;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ entry, resolve, reject });
    });
  }

  /** The lines in order. */
  bytes(): Uint8Array {
    return encodeUtf8(this.#lines);
  }

  succeed(): void {
    for (const { entry, resolve } of this.#waiting) resolve(entry);
  }

  fail(error: VaultError): void {
    for (const { reject } of this.#waiting) reject(error);
  }
}

interface Waiting {
  readonly entry: AuditEntry;
  readonly resolve: (entry: AuditEntry) => void;
  readonly reject: (error: VaultError) => void;
}
