import { EMPTY_WINDOW, parseRateWindow, type RateWindow, take } from "@aivault/policy";
import type { Clock, JsonValue, Vault } from "@aivault/vault-core";
import type { CapabilityPolicy } from "./capability-policy.ts";
import { BrokerError } from "./errors.ts";

interface State {
  window: RateWindow;
  inFlight: number;
  /** The write that is under way, and the one that will follow it. */
  writing: Promise<void> | null;
  queued: Promise<void> | null;
}

/**
 * Counts what capabilities are used for (G10).
 *
 * Rates survive a restart: an admission is in the vault before the request goes out. Requests that are
 * admitted together share a write. Concurrency is not stored, since what was in flight ended with the
 * process.
 */
export class InvocationLimits {
  readonly #vault: Vault;
  readonly #now: Clock;
  /** Called after a write that changed nothing but a count, with the revisions around it. */
  readonly #onStateWritten: (before: number, after: number) => void;
  readonly #states = new Map<string, Promise<State>>();

  constructor(vault: Vault, now: Clock, onStateWritten: (before: number, after: number) => void) {
    this.#vault = vault;
    this.#now = now;
    this.#onStateWritten = onStateWritten;
  }

  /**
   * Admits a request to a capability.
   *
   * @returns What to call when the request is over, however it ended.
   * @throws {BrokerError} `rate_limited`, with the time to wait.
   */
  async enter(capabilityId: string, policy: CapabilityPolicy): Promise<() => void> {
    const { requestsPerMinute, concurrency } = policy;
    if (requestsPerMinute === undefined && concurrency === undefined) return () => {};
    const state = await this.#state(capabilityId);
    if (concurrency !== undefined && state.inFlight >= concurrency) {
      throw new BrokerError(
        "rate_limited",
        `\`${capabilityId}\` allows ${concurrency} requests at a time`,
        { retryAfterMs: 1000 },
      );
    }
    if (requestsPerMinute !== undefined) {
      const taken = take(state.window, this.#now(), requestsPerMinute);
      state.window = taken.window;
      if (!taken.allowed) {
        throw new BrokerError(
          "rate_limited",
          `\`${capabilityId}\` allows ${requestsPerMinute} requests per minute`,
          { retryAfterMs: taken.retryAfterMs },
        );
      }
    }
    state.inFlight++;
    let left = false;
    const leave = () => {
      if (!left) state.inFlight--;
      left = true;
    };
    try {
      if (requestsPerMinute !== undefined) await this.#write(capabilityId, state);
    } catch (error) {
      leave();
      throw error;
    }
    return leave;
  }

  #state(capabilityId: string): Promise<State> {
    const known = this.#states.get(capabilityId);
    if (known !== undefined) return known;
    const loading = this.#load(capabilityId);
    this.#states.set(capabilityId, loading);
    loading.catch(() => this.#states.delete(capabilityId));
    return loading;
  }

  async #load(capabilityId: string): Promise<State> {
    const document = await this.#vault.getDocument("state", stateId(capabilityId));
    const window = document === null ? null : parseRateWindow(document.value);
    if (window !== null && !window.ok) {
      throw new BrokerError(
        "vault_unavailable",
        `the stored rate of \`${capabilityId}\` is damaged`,
      );
    }
    return { window: window?.value ?? EMPTY_WINDOW, inFlight: 0, writing: null, queued: null };
  }

  /** Resolves when the present window is stored: with the write that begins next, if one is under way. */
  #write(capabilityId: string, state: State): Promise<void> {
    if (state.writing === null) {
      state.writing = this.#store(capabilityId, state).finally(() => {
        state.writing = null;
      });
      return state.writing;
    }
    state.queued ??= state.writing
      .catch(() => {})
      .then(() => {
        state.queued = null;
        return this.#write(capabilityId, state);
      });
    return state.queued;
  }

  async #store(capabilityId: string, state: State): Promise<void> {
    const before = this.#vault.status().revision;
    const value = { ...state.window } as unknown as JsonValue;
    await this.#vault.transaction((tx) => tx.putDocument("state", stateId(capabilityId), value));
    this.#onStateWritten(before, this.#vault.status().revision);
  }
}

function stateId(capabilityId: string): string {
  return `rate:${capabilityId}`;
}
