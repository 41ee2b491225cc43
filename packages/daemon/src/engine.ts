/** Vault, broker, tokens and upstream: what a daemon holds, and the order in which it comes and goes. */

import { Broker, createUndiciUpstream, type Upstream } from "@aivault/broker";
import { builtinRegistry } from "@aivault/registry";
import { isVaultError, type Vault } from "@aivault/vault-core";
import { systemRandom } from "@aivault/vault-core/node";
import type { Logger } from "pino";
import { type DevelopmentOverrides, readDevelopmentOverrides } from "./development.ts";
import { passphraseProvider, storedKeyProvider } from "./key-provider.ts";
import { Problem } from "./problem.ts";
import { changeSettings, type DaemonSettings, DEFAULT_SETTINGS, readSettings } from "./settings.ts";
import { TokenStore } from "./tokens/token-store.ts";
import { TokenStreams } from "./tokens/token-streams.ts";

export interface EngineOptions {
  readonly vault: Vault;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  readonly log: Logger;
  /** Abort what is running, and resolve when it has ended and is recorded. */
  readonly abortRunning: () => Promise<void>;
}

/** Wrong passphrases in a row after which one has to wait, and for how long at most. */
const FREE_ATTEMPTS = 3;
const BACKOFF_MS_MAX = 30_000;

type Activation = "daemon.started" | "vault.unlocked";

export class Engine {
  readonly #options: EngineOptions;
  readonly #vault: Vault;
  readonly streams = new TokenStreams(Date.now);
  readonly tokens: TokenStore;
  #broker: Broker | null = null;
  #upstream: Upstream | null = null;
  #overrides: DevelopmentOverrides | null = null;
  #settings: DaemonSettings = DEFAULT_SETTINGS;
  #locking = false;
  #unlocking: Promise<unknown> = Promise.resolve();
  #failedUnlocks = 0;
  #nextUnlockAtMs = 0;
  #idleTimer: NodeJS.Timeout | undefined;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#vault = options.vault;
    this.tokens = new TokenStore({
      vault: options.vault,
      now: Date.now,
      random: systemRandom,
      onRevoked: (tokenId) => this.streams.revoke(tokenId),
    });
  }

  /** @throws {Problem} `vault_locked`. */
  broker(): Broker {
    this.requireUnlocked();
    if (this.#broker === null) throw lockedProblem();
    return this.#broker;
  }

  /** @throws {Problem} `vault_locked`. */
  requireUnlocked(): void {
    if (this.#locking || this.#vault.status().locked) throw lockedProblem();
    this.#armIdleTimer();
  }

  /** A development vault's override; false as long as the vault has not been unlocked. */
  get allowsRemoteClients(): boolean {
    return this.#overrides?.allowRemoteClients ?? false;
  }

  get settings(): DaemonSettings {
    return this.#settings;
  }

  async changeSettings(change: Partial<DaemonSettings>): Promise<DaemonSettings> {
    this.requireUnlocked();
    this.#settings = await changeSettings(this.#vault, change);
    this.#armIdleTimer();
    return this.#settings;
  }

  /** Unlock a vault whose key needs nobody; leave a passphrase vault locked. */
  async start(): Promise<void> {
    const { env, log } = this.#options;
    const { keyProvider, dev } = this.#vault.status();
    const provider = storedKeyProvider(keyProvider, env);
    if (provider === null) {
      // The flag is not authenticated yet, but enough to refuse early what would be refused later.
      readDevelopmentOverrides(env, dev);
      log.info("the vault is locked; `aivault unlock` opens it");
      return;
    }
    await this.#vault.unlock(provider);
    await this.#activate("daemon.started");
  }

  /**
   * Unlock with a passphrase, or with null by asking the vault's own key provider.
   *
   * One at a time: each derivation takes 64 MiB. After a few wrong ones in a row one has to wait.
   *
   * @param passphrase - UTF-8 octets, borrowed.
   * @throws {Problem} `invalid_request`: needed and missing, or not needed and there; `rate_limited`.
   */
  unlock(passphrase: Uint8Array | null): Promise<void> {
    const attempt = this.#unlocking.then(() => this.#unlock(passphrase));
    this.#unlocking = attempt.catch(() => undefined);
    return attempt;
  }

  async #unlock(passphrase: Uint8Array | null): Promise<void> {
    if (!this.#vault.status().locked) return;
    const stored = storedKeyProvider(this.#vault.status().keyProvider, this.#options.env);
    if (stored === null && passphrase === null) {
      throw new Problem("invalid_request", "this vault is unlocked with its passphrase");
    }
    if (stored !== null && passphrase !== null) {
      throw new Problem("invalid_request", "this vault's key does not come from a passphrase");
    }
    const waitMs = this.#nextUnlockAtMs - Date.now();
    if (waitMs > 0) {
      throw new Problem("rate_limited", "too many wrong passphrases in a row", {
        retryAfterMs: waitMs,
      });
    }
    try {
      await this.#vault.unlock(stored ?? passphraseProvider(passphrase ?? new Uint8Array()));
    } catch (error) {
      if (isVaultError(error) && error.code === "VAULT_KEY_MISMATCH") this.#countFailure();
      throw error;
    }
    await this.#activate("vault.unlocked");
    this.#failedUnlocks = 0;
  }

  #countFailure(): void {
    this.#failedUnlocks += 1;
    const { log } = this.#options;
    log.warn({ attempts: this.#failedUnlocks }, "a passphrase did not fit");
    const over = this.#failedUnlocks - FREE_ATTEMPTS;
    if (over > 0) this.#nextUnlockAtMs = Date.now() + Math.min(2 ** over * 500, BACKOFF_MS_MAX);
  }

  /** After the vault has authenticated itself: only now its development flag means anything. */
  async #activate(kind: Activation): Promise<void> {
    const { env, version } = this.#options;
    try {
      this.#overrides = readDevelopmentOverrides(env, this.#vault.status().dev);
      if (this.#broker === null) {
        this.#upstream = createUndiciUpstream(upstreamOptions(this.#overrides));
        this.#broker = new Broker({
          vault: this.#vault,
          registry: builtinRegistry(),
          upstream: this.#upstream,
          now: Date.now,
          random: systemRandom,
          version,
        });
      }
      this.#settings = await readSettings(this.#vault);
      // G18: what cannot be recorded does not happen, and that includes being unlocked. Wrong
      // passphrases could not be recorded when they came: a locked vault has no audit log.
      await this.#vault.audit.append({
        kind,
        version,
        pid: process.pid,
        failedAttempts: this.#failedUnlocks,
      });
      this.#armIdleTimer();
    } catch (error) {
      this.#vault.lock();
      throw error;
    }
  }

  /** Refuse what is new, end what is running, record it, and forget the KEK. */
  async lock(cause: "operator" | "idle"): Promise<void> {
    if (this.#vault.status().locked || this.#locking) return;
    clearTimeout(this.#idleTimer);
    this.#locking = true;
    try {
      await this.#options.abortRunning();
      await this.#vault.audit.append({ kind: "vault.locked", cause });
      await this.#vault.audit.flush();
    } finally {
      // G19, G23: whatever happened above, the KEK goes.
      this.#vault.lock();
      this.#locking = false;
    }
  }

  /** Close everything. Does not fail: what could not be completed is logged. */
  async stop(): Promise<void> {
    const { log } = this.#options;
    clearTimeout(this.#idleTimer);
    await this.#unlocking;
    try {
      if (!this.#vault.status().locked) {
        await this.#vault.audit.append({ kind: "daemon.stopped", pid: process.pid });
        await this.#vault.audit.flush();
      }
    } catch (error) {
      log.error({ err: error }, "the audit log could not be completed");
    }
    await this.#upstream?.close();
    await this.#vault.close();
  }

  #armIdleTimer(): void {
    clearTimeout(this.#idleTimer);
    const { lockAfterIdleMs } = this.#settings;
    if (lockAfterIdleMs === null) return;
    this.#idleTimer = setTimeout(
      () => {
        this.lock("idle").catch((error: unknown) => {
          this.#options.log.error({ err: error }, "locking was not recorded");
        });
      },
      Math.min(lockAfterIdleMs, 2 ** 31 - 1),
    ).unref();
  }
}

function upstreamOptions(overrides: DevelopmentOverrides | null) {
  if (overrides === null) return {};
  const { ca, resolve, allowNonDefaultPorts, http1Only, allowHttpLocal } = overrides;
  return { ca, resolve, allowNonDefaultPorts, http1Only, allowHttpLocal };
}

function lockedProblem(): Problem {
  return new Problem("vault_locked", "the vault is locked", { hint: "aivault unlock" });
}
