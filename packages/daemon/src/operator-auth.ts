/**
 * The operator passphrase: a second factor, so that code which runs as the vault's owner is not already
 * an operator. It opens sessions of five minutes.
 *
 * The verifier and the count of wrong passphrases are sealed in the vault, so that neither is undone by
 * restarting anything. Sessions live in this process only and end with it, or when the vault is locked.
 */

import { createHash, timingSafeEqual } from "node:crypto";
import type { Principal } from "@aivault/broker";
import { type Argon2id, DEFAULT_COSTS, type JsonValue, type Vault } from "@aivault/vault-core";
import * as z from "zod";
import { type Attempts, countFailure, NO_ATTEMPTS, waitOf } from "./backoff.ts";
import { Problem } from "./problem.ts";

export const SESSION_MS = 5 * 60_000;

/** Fewer octets than this are guessed. */
const PASSPHRASE_BYTES_MIN = 8;
const SALT_BYTES = 16;
const SESSION_BYTES = 32;
const SESSIONS_MAX = 64;

const VERIFIER = { kind: "settings", id: "operator" } as const;
const ATTEMPTS = { kind: "state", id: "operator:attempts" } as const;

const verifierSchema = z.strictObject({
  salt: z.base64(),
  memoryKib: z.number().int(),
  passes: z.number().int(),
  lanes: z.number().int(),
  key: z.base64(),
});
type Verifier = z.output<typeof verifierSchema>;

const attemptsSchema = z.strictObject({
  failures: z.number().int().nonnegative(),
  notBeforeMs: z.number().int().nonnegative(),
});

export interface OperatorAuthOptions {
  readonly vault: Vault;
  readonly now: () => number;
  readonly random: (length: number) => Uint8Array;
  readonly argon2id: Argon2id;
}

export class OperatorAuth {
  readonly #vault: Vault;
  readonly #now: () => number;
  readonly #random: (length: number) => Uint8Array;
  readonly #argon2id: Argon2id;
  /** Digest of a session to its end. */
  readonly #sessions = new Map<string, number>();
  /** One at a time: each derivation takes 64 MiB, and each failure is to be counted before the next. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: OperatorAuthOptions) {
    this.#vault = options.vault;
    this.#now = options.now;
    this.#random = options.random;
    this.#argon2id = options.argon2id;
  }

  /** Whether there is an operator passphrase. @throws {VaultError} Locked or damaged. */
  async isSet(): Promise<boolean> {
    return (await this.#vault.getDocument(VERIFIER.kind, VERIFIER.id)) !== null;
  }

  /**
   * Go on when there is no operator passphrase, or with a session of it.
   *
   * @throws {Problem} `operator_auth_required` with `session_required`.
   */
  async require(session: string | undefined): Promise<void> {
    if (!(await this.isSet())) return;
    const endMs = session === undefined ? undefined : this.#sessions.get(digestOf(session));
    if (endMs !== undefined && this.#now() < endMs) return;
    throw new Problem("operator_auth_required", "this needs an operator session", {
      reason: "session_required",
      hint: "aivault operator login",
    });
  }

  /**
   * Open a session.
   *
   * @param passphrase - Borrowed.
   * @throws {Problem} `operator_auth_required` with `passphrase_wrong`; `rate_limited`; `conflict`: none
   * is set.
   */
  login(
    passphrase: Uint8Array,
    by: Principal,
  ): Promise<{ readonly session: string; readonly expiresAtMs: number }> {
    return this.#inTurn(async () => {
      const verifier = await this.#verifier();
      if (verifier === null) throw noneSet();
      await this.#check(passphrase, verifier, by);
      const session = `avs_${Buffer.from(this.#random(SESSION_BYTES)).toString("base64url")}`;
      const expiresAtMs = this.#now() + SESSION_MS;
      await this.#vault.audit.append({ kind: "operator.login", uid: by.uid, expiresAtMs });
      this.#sessions.set(digestOf(session), expiresAtMs);
      for (const oldest of this.#sessions.keys()) {
        if (this.#sessions.size <= SESSIONS_MAX) break;
        this.#sessions.delete(oldest);
      }
      return { session, expiresAtMs };
    });
  }

  /** End a session. Ending one that is not there is no error. */
  async logout(session: string, by: Principal): Promise<void> {
    if (!this.#sessions.delete(digestOf(session))) return;
    await this.#vault.audit.append({ kind: "operator.logout", uid: by.uid });
  }

  /** End every session. */
  endSessions(): void {
    this.#sessions.clear();
  }

  /**
   * Set, change or remove the passphrase. Every session ends.
   *
   * @param current - Borrowed; null when none is set.
   * @param next - Borrowed; null to remove it.
   * @throws {Problem} As {@link login}; `invalid_request`: a new one that is too short, or nothing to do.
   */
  change(current: Uint8Array | null, next: Uint8Array | null, by: Principal): Promise<boolean> {
    return this.#inTurn(async () => {
      const verifier = await this.#verifier();
      if (verifier === null && next === null) throw noneSet();
      if (verifier !== null) await this.#check(current ?? new Uint8Array(), verifier, by);
      else if (current !== null) throw noneSet();
      if (next !== null && next.length < PASSPHRASE_BYTES_MIN) {
        throw new Problem(
          "invalid_request",
          `an operator passphrase has at least ${PASSPHRASE_BYTES_MIN} bytes`,
        );
      }
      const changed = next === null ? null : await this.#derive(next);
      const verb = changed === null ? "removed" : verifier === null ? "set" : "changed";
      // Recorded first: what cannot be recorded is not changed.
      await this.#vault.audit.append({ kind: `operator.passphrase.${verb}`, uid: by.uid });
      await this.#vault.transaction(async (tx) => {
        if (changed === null) await tx.deleteDocument(VERIFIER.kind, VERIFIER.id);
        else await tx.putDocument(VERIFIER.kind, VERIFIER.id, changed satisfies JsonValue);
      });
      this.endSessions();
      return changed !== null;
    });
  }

  async #check(passphrase: Uint8Array, verifier: Verifier, by: Principal): Promise<void> {
    const attempts = await this.#attempts();
    const waitMs = waitOf(attempts, this.#now());
    if (waitMs > 0) {
      throw new Problem("rate_limited", "too many wrong passphrases in a row", {
        retryAfterMs: waitMs,
      });
    }
    if (await this.#fits(passphrase, verifier)) {
      if (attempts.failures > 0) await this.#remember(NO_ATTEMPTS);
      return;
    }
    const failed = countFailure(attempts, this.#now());
    await this.#remember(failed);
    await this.#vault.audit.append({
      kind: "operator.login.failed",
      uid: by.uid,
      failures: failed.failures,
    });
    throw wrongPassphrase("the operator passphrase does not fit");
  }

  async #fits(passphrase: Uint8Array, { salt, key, ...costs }: Verifier): Promise<boolean> {
    if (passphrase.length === 0) return false;
    const derived = await this.#argon2id(passphrase, Buffer.from(salt, "base64"), costs);
    const expected = Buffer.from(key, "base64");
    try {
      return derived.length === expected.length && timingSafeEqual(derived, expected);
    } finally {
      derived.fill(0);
    }
  }

  async #derive(passphrase: Uint8Array): Promise<Verifier> {
    const salt = this.#random(SALT_BYTES);
    const key = await this.#argon2id(passphrase, salt, DEFAULT_COSTS);
    const verifier = {
      salt: Buffer.from(salt).toString("base64"),
      ...DEFAULT_COSTS,
      key: Buffer.from(key).toString("base64"),
    };
    key.fill(0);
    return verifier;
  }

  async #verifier(): Promise<Verifier | null> {
    const document = await this.#vault.getDocument(VERIFIER.kind, VERIFIER.id);
    if (document === null) return null;
    const result = verifierSchema.safeParse(document.value);
    if (result.success) return result.data;
    throw new Problem("vault_unavailable", "the operator passphrase is of a newer version");
  }

  async #attempts(): Promise<Attempts> {
    const document = await this.#vault.getDocument(ATTEMPTS.kind, ATTEMPTS.id);
    const result = attemptsSchema.safeParse(document?.value ?? NO_ATTEMPTS);
    // Of a newer version: somebody has failed before, as far as we can know.
    return result.success ? result.data : countFailure({ failures: 8, notBeforeMs: 0 }, 0);
  }

  async #remember(attempts: Attempts): Promise<void> {
    await this.#vault.transaction((tx) =>
      tx.putDocument(ATTEMPTS.kind, ATTEMPTS.id, { ...attempts }),
    );
  }

  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(action);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}

/** What is said of a passphrase that does not fit, be it the vault's or the operator's. */
export function wrongPassphrase(message: string): Problem {
  return new Problem("operator_auth_required", message, { reason: "passphrase_wrong" });
}

function noneSet(): Problem {
  return new Problem("conflict", "no operator passphrase is set", { hint: "aivault operator set" });
}

function digestOf(session: string): string {
  return createHash("sha256").update(session).digest("base64url");
}
