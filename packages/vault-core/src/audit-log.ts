import type { JsonValue } from "./json.ts";

/** Something to record. Its members are JSON; none may hold a secret value. */
export interface AuditEvent {
  /** Dotted, past tense: `invocation.decided`, `secret.created`. */
  readonly kind: string;
  readonly requestId?: string;
  readonly [field: string]: JsonValue | undefined;
}

/** One line of the audit log. */
export interface AuditEntry {
  /** 1 for the first entry of a vault, then without gaps. */
  readonly seq: number;
  /** Unix milliseconds. */
  readonly tsMs: number;
  readonly event: AuditEvent;
  /** Base64 of HMAC-SHA256 over this entry and the `mac` of the one before it. */
  readonly mac: string;
}

/** What checking the whole log found. */
export type AuditVerification =
  | { readonly ok: true; readonly entries: number }
  | {
      readonly ok: false;
      readonly firstBrokenSeq: number;
      readonly problem: string;
      readonly entries: number;
    };

/** The append-only, keyed, chained record of a vault. Usable while the vault is unlocked. */
export interface AuditLog {
  /**
   * Records an event. Resolves when the entry survives the death of this process, or with
   * durability `disk` of the machine.
   *
   * @throws {VaultError} `VAULT_AUDIT_FAILED`: it could not be written; whoever called must not
   *   go on. `VAULT_LOCKED`.
   */
  append(event: AuditEvent): Promise<AuditEntry>;
  /** Resolves when every entry so far is on disk. */
  flush(): Promise<void>;
  /** Entries with `seq < beforeSeq` (default: all), newest first, at most `limit` (default 100). */
  read(options?: {
    readonly limit?: number;
    readonly beforeSeq?: number;
  }): Promise<readonly AuditEntry[]>;
  /** Checks every entry, and that none is missing at either end. */
  verify(): Promise<AuditVerification>;
}
