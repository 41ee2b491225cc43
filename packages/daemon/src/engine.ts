/** Vault, broker, tokens and upstream: what a daemon holds, and the order in which it comes and goes. */

import { isDeepStrictEqual } from "node:util";
import {
  Broker,
  createUndiciUpstream,
  type LookUp,
  type QuarantinedDocument,
  type UndiciUpstream,
  type Upstream,
} from "@aivault/broker";
import type { WireMasterRotated } from "@aivault/client/protocol";
import { isVaultError, type KeyProviderConfig, type Vault } from "@aivault/vault-core";
import { systemArgon2id, systemRandom } from "@aivault/vault-core/node";
import type { Logger } from "pino";
import { countFailure, NO_ATTEMPTS, waitOf } from "./backoff.ts";
import { type DevelopmentOverrides, readDevelopmentOverrides } from "./development.ts";
import { passphraseProvider, storedKeyProvider } from "./key-provider.ts";
import { OAuthLogins } from "./oauth/logins.ts";
import { OperatorAuth } from "./operator-auth.ts";
import type { VaultPaths } from "./paths.ts";
import { Problem } from "./problem.ts";
import { ProviderCatalog } from "./provider-catalog.ts";
import { type RotateMasterOptions, rotateMaster } from "./rotate-master.ts";
import {
  changeSettings,
  type DaemonSettings,
  DEFAULT_SETTINGS,
  internalServices,
  readSettings,
} from "./settings.ts";
import { Nonces } from "./signatures/nonces.ts";
import { readClock, writeClock } from "./tokens/clock-record.ts";
import { type PutBack, TokenClock } from "./tokens/token-clock.ts";
import { TokenStore } from "./tokens/token-store.ts";
import { TokenStreams } from "./tokens/token-streams.ts";
import { dropExpiredUndo } from "./undo-routes.ts";
import { unfinishedInvocations, unknownOutcome } from "./unfinished.ts";

export interface EngineOptions {
  readonly vault: Vault;
  readonly paths: VaultPaths;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  readonly log: Logger;
  /** How names of providers are found; default: by the system, in this process. */
  readonly lookUp?: LookUp;
  /** Abort what is running, and resolve when it has ended and is recorded. */
  readonly abortRunning: () => Promise<void>;
  /** Invocations whose outcome is not on record yet. */
  readonly invocationsRunning: () => number;
}

/** Failures after which the key before a rotation is worth trying. */
const KEY_FAILURES: ReadonlySet<string> = new Set(["VAULT_KEY_UNAVAILABLE", "VAULT_KEY_MISMATCH"]);

/** How often the audit log is vouched for, and what is older than its keeping time dropped. */
const HOUR_MS = 60 * 60_000;
const DAY_MS = 24 * HOUR_MS;

type Activation = "daemon.started" | "vault.unlocked";

export class Engine {
  readonly #options: EngineOptions;
  readonly #vault: Vault;
  readonly nonces: Nonces;
  /** By which tokens, operator sessions and logins end. */
  readonly clock = new TokenClock(
    Date.now,
    () => performance.now(),
    (putBack) => {
      this.#putBack = putBack;
      // Whoever asked for the time may be in the middle of a transaction.
      setImmediate(() => void this.#keepClock());
    },
  );
  readonly streams = new TokenStreams(() => this.clock.now());
  readonly tokens: TokenStore;
  readonly operators: OperatorAuth;
  readonly providers: ProviderCatalog;
  readonly logins: OAuthLogins;
  #broker: Broker | null = null;
  #upstream: UndiciUpstream | null = null;
  #overrides: DevelopmentOverrides | null = null;
  #settings: DaemonSettings = DEFAULT_SETTINGS;
  #locking = false;
  /** Settings, providers and clock are known, and that the vault is unlocked is on record. */
  #active = false;
  #unlocking: Promise<unknown> = Promise.resolve();
  #attempts = NO_ATTEMPTS;
  #rotating = false;
  /** What is still to be kept of it. */
  #putBack: PutBack | null = null;
  #idleTimer: NodeJS.Timeout | undefined;
  #upkeepTimer: NodeJS.Timeout | undefined;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#vault = options.vault;
    const now = () => this.clock.now();
    this.tokens = new TokenStore({
      vault: options.vault,
      now,
      random: systemRandom,
      onRevoked: (tokenId) => this.streams.revoke(tokenId),
      onStateWritten: (before, after) => this.#broker?.stateWritten(before, after),
    });
    this.nonces = new Nonces({
      vault: options.vault,
      onStateWritten: (before, after) => this.#broker?.stateWritten(before, after),
    });
    this.providers = new ProviderCatalog(options.vault, options.log);
    this.logins = new OAuthLogins({
      vault: options.vault,
      broker: () => this.broker(),
      upstream: () => this.#openUpstream(),
      now,
      random: systemRandom,
      version: options.version,
    });
    this.operators = new OperatorAuth({
      vault: options.vault,
      now,
      random: systemRandom,
      argon2id: systemArgon2id,
    });
  }

  /** @throws {Problem} `vault_locked`. */
  broker(): Broker {
    this.requireUnlocked();
    if (this.#broker === null) throw lockedProblem();
    return this.#broker;
  }

  #openUpstream(): Upstream {
    this.requireUnlocked();
    if (this.#upstream === null) throw lockedProblem();
    return this.#upstream;
  }

  /** Nothing is served: also while the vault is being locked, and until all that unlocking takes is done. */
  get locked(): boolean {
    return !this.#active || this.#locking || this.#vault.locked;
  }

  /** @throws {Problem} `vault_locked`. */
  requireUnlocked(): void {
    if (this.locked) throw lockedProblem();
    this.#idleTimer?.refresh();
  }

  /** Invocations whose outcome is not on record yet. */
  get invocationsRunning(): number {
    return this.#options.invocationsRunning();
  }

  /** A development vault's override; false as long as the vault has not been unlocked. */
  get allowsRemoteClients(): boolean {
    return this.#overrides?.allowRemoteClients ?? false;
  }

  get settings(): DaemonSettings {
    return this.#settings;
  }

  /** What operators made and is not used, and why; null while the vault is locked. To look is no use of it. */
  async setAside(): Promise<readonly QuarantinedDocument[] | null> {
    if (this.#locking || this.#vault.status().locked) return null;
    return (await this.#broker?.quarantined()) ?? null;
  }

  async changeSettings(change: Partial<DaemonSettings>): Promise<DaemonSettings> {
    this.requireUnlocked();
    this.#useSettings(await changeSettings(this.#vault, change));
    this.#armIdleTimer();
    if (change.auditRetentionDays !== undefined) await this.#dropOldAudit();
    return this.#settings;
  }

  /** Whoever decides and whoever connects see the same internal services. */
  #useSettings(settings: DaemonSettings): void {
    const services = internalServices(settings);
    const isNew = !isDeepStrictEqual(services, internalServices(this.#settings));
    this.#settings = settings;
    if (!isNew) return;
    this.#broker?.allowInternal(services);
    this.#upstream?.allowInternal(services);
  }

  /**
   * G12: entries of the audit log show the wall clock. Once it was put back, the newest of them no longer tells
   * the next process what time it has been.
   */
  async #keepClock(): Promise<void> {
    const putBack = this.#putBack;
    if (putBack === null || this.#vault.status().locked) return;
    try {
      await writeClock(this.#vault, putBack, (before, after) => {
        this.#broker?.stateWritten(before, after);
      });
      if (this.#putBack === putBack) this.#putBack = null;
    } catch (error) {
      this.#options.log.error({ err: error }, "that the clock was put back could not be kept");
    }
  }

  /** Each hour: a checkpoint that anyone can check, and nothing older than is wanted. */
  async #upkeep(): Promise<void> {
    if (this.#locking || this.#vault.status().locked) return;
    try {
      await this.#vault.audit.checkpoint();
    } catch (error) {
      this.#options.log.error({ err: error }, "the audit log could not be vouched for");
    }
    await this.#dropOld();
  }

  /** Drop what has been kept for its time. Never fails: there is a next time. */
  async #dropOld(): Promise<void> {
    try {
      await this.#dropOldAudit();
      await dropExpiredUndo(this.#vault, Date.now());
      await this.tokens.dropEnded();
    } catch (error) {
      this.#options.log.error({ err: error }, "what is too old could not be dropped");
    }
  }

  async #dropOldAudit(): Promise<void> {
    const { auditRetentionDays } = this.#settings;
    if (auditRetentionDays === null) return;
    await this.#vault.dropAuditBefore(Date.now() - auditRetentionDays * DAY_MS);
  }

  /** Read again what is set in the vault. A locked vault reads it when it is unlocked. */
  async reload(): Promise<void> {
    if (this.#locking || this.#vault.status().locked) return;
    this.#useSettings(await readSettings(this.#vault));
    await this.providers.load();
    await this.#vault.audit.append({ kind: "settings.reloaded" });
    this.#armIdleTimer();
  }

  /** Unlock a vault whose key needs nobody; leave a passphrase vault locked. */
  async start(): Promise<void> {
    const { env, log } = this.#options;
    // The flag is not authenticated yet, but enough to refuse early what would be refused later.
    readDevelopmentOverrides(env, this.#vault.status().dev);
    if (await this.#unlockUnattended()) await this.#activate("daemon.started");
    else log.info("the vault is locked; `aivault unlock` opens it");
  }

  /**
   * Unlock by the key providers that need nobody. While a rotation is not confirmed there are two.
   *
   * @returns False when the vault waits for a passphrase.
   * @throws {VaultError} Of the preferred provider, when none of them opens the vault.
   */
  async #unlockUnattended(): Promise<boolean> {
    let failure: unknown = null;
    for (const config of this.#keyProviders) {
      const provider = storedKeyProvider(config, this.#options.env);
      if (provider === null) continue;
      try {
        await this.#vault.unlock(provider);
        return true;
      } catch (error) {
        if (!isVaultError(error) || !KEY_FAILURES.has(error.code)) throw error;
        failure ??= error;
      }
    }
    if (this.#acceptsPassphrase || failure === null) return false;
    throw failure;
  }

  /** The vault's key provider, and while a rotation is not confirmed the one before. */
  get #keyProviders(): readonly KeyProviderConfig[] {
    const { keyProvider, previousKeyProvider } = this.#vault.status();
    return previousKeyProvider === null ? [keyProvider] : [keyProvider, previousKeyProvider];
  }

  get #acceptsPassphrase(): boolean {
    return this.#keyProviders.some(({ kind }) => kind === "passphrase");
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
    if (passphrase === null) {
      if (!(await this.#unlockUnattended())) {
        throw new Problem("invalid_request", "this vault is unlocked with its passphrase");
      }
    } else {
      await this.#unlockWith(passphrase);
    }
    await this.#activate("vault.unlocked");
    this.#attempts = NO_ATTEMPTS;
  }

  async #unlockWith(passphrase: Uint8Array): Promise<void> {
    if (!this.#acceptsPassphrase) {
      throw new Problem("invalid_request", "this vault's key does not come from a passphrase");
    }
    const waitMs = waitOf(this.#attempts, Date.now());
    if (waitMs > 0) {
      throw new Problem("rate_limited", "too many wrong passphrases in a row", {
        retryAfterMs: waitMs,
      });
    }
    try {
      await this.#vault.unlock(passphraseProvider(passphrase));
    } catch (error) {
      if (isVaultError(error) && error.code === "VAULT_KEY_MISMATCH") {
        this.#attempts = countFailure(this.#attempts, Date.now());
        const { failures } = this.#attempts;
        this.#options.log.warn({ failures }, "a passphrase did not fit");
      }
      throw error;
    }
  }

  /**
   * Replace the master key; one rotation at a time.
   *
   * @throws As {@link rotateMaster}; {Problem} `conflict`: another is under way.
   */
  async rotateMaster(
    options: Pick<RotateMasterOptions, "to" | "passphrase" | "key">,
  ): Promise<WireMasterRotated> {
    this.requireUnlocked();
    if (this.#rotating) throw new Problem("conflict", "a rotation of the master key is under way");
    this.#rotating = true;
    try {
      const { env, paths } = this.#options;
      return await rotateMaster({ ...options, vault: this.#vault, env, paths });
    } finally {
      this.#rotating = false;
    }
  }

  /** After the vault has authenticated itself: only now its development flag means anything. */
  async #activate(kind: Activation): Promise<void> {
    const { env, lookUp, version } = this.#options;
    try {
      this.#overrides = readDevelopmentOverrides(env, this.#vault.status().dev);
      if (this.#broker === null) {
        this.#upstream = createUndiciUpstream({
          ...upstreamOptions(this.#overrides),
          ...(lookUp === undefined ? {} : { lookUp }),
        });
        this.#broker = new Broker({
          vault: this.#vault,
          registry: this.providers,
          upstream: this.#upstream,
          now: Date.now,
          random: systemRandom,
          version,
        });
      }
      this.#useSettings(await readSettings(this.#vault));
      await this.providers.load();
      // A clock that was put back since must not make what has ended begin again.
      const [newest] = await this.#vault.audit.read({ limit: 1 });
      this.clock.notBefore(newest?.tsMs ?? 0);
      this.clock.notBefore(await readClock(this.#vault, Date.now()));
      this.clock.now();
      await this.#keepClock();
      // Before this activation is on record: killed in between, the next one looks again.
      for (const decided of await unfinishedInvocations(this.#vault.audit)) {
        await this.#vault.audit.append(unknownOutcome(decided));
      }
      // G18: what cannot be recorded does not happen, and that includes being unlocked. Wrong
      // passphrases could not be recorded when they came: a locked vault has no audit log.
      await this.#vault.audit.append({
        kind,
        version,
        pid: process.pid,
        failedAttempts: this.#attempts.failures,
      });
      this.#active = true;
      clearInterval(this.#upkeepTimer);
      this.#upkeepTimer = setInterval(() => void this.#upkeep(), HOUR_MS).unref();
      // A vault that is never open for an hour has nothing too old in it either.
      await this.#dropOld();
      this.#armIdleTimer();
    } catch (error) {
      this.#active = false;
      this.#vault.lock();
      throw error;
    }
  }

  /** Refuse what is new, end what is running, record it, and forget the KEK. */
  async lock(cause: "operator" | "idle"): Promise<void> {
    if (this.#vault.status().locked || this.#locking) return;
    clearTimeout(this.#idleTimer);
    this.#idleTimer = undefined;
    this.#locking = true;
    // Until it is activated again: the vault itself is open some moments before that.
    this.#active = false;
    try {
      await this.#options.abortRunning();
      await this.#vault.audit.append({ kind: "vault.locked", cause, ...this.#leftBehind() });
      await this.#vault.audit.checkpoint();
      await this.#vault.audit.flush();
    } finally {
      // G19, G23: whatever happened above, the KEK goes.
      this.operators.endSessions();
      this.logins.forgetAll();
      this.#vault.lock();
      this.#locking = false;
    }
  }

  /** Close everything. Does not fail: what could not be completed is logged. */
  async stop(): Promise<void> {
    const { log } = this.#options;
    clearTimeout(this.#idleTimer);
    this.#idleTimer = undefined;
    clearInterval(this.#upkeepTimer);
    await this.#unlocking;
    this.logins.forgetAll();
    try {
      if (!this.#vault.status().locked) {
        const pid = process.pid;
        await this.#vault.audit.append({ kind: "daemon.stopped", pid, ...this.#leftBehind() });
        await this.#vault.audit.checkpoint();
        await this.#vault.audit.flush();
      }
    } catch (error) {
      log.error({ err: error }, "the audit log could not be completed");
    }
    await this.#upstream?.close();
    await this.#vault.close();
  }

  #leftBehind(): { readonly unfinished: number } {
    return { unfinished: this.#options.invocationsRunning() };
  }

  #armIdleTimer(): void {
    clearTimeout(this.#idleTimer);
    this.#idleTimer = undefined;
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
