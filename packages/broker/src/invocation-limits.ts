import {
  EMPTY_WINDOW,
  parseRateWindow,
  RATE_WINDOW_MS,
  type RateWindow,
  reserve,
  take,
  used,
} from "@aivault/policy";
import type { Clock, JsonValue, Vault } from "@aivault/vault-core";
import type { UseLimits } from "./context.ts";
import { BrokerError } from "./errors.ts";

/** Something whose use is counted: a capability, or a token. */
export interface Counted {
  /** Tells it from every other: a capability's id, or `token:` and the token's. */
  readonly id: string;
  /** For messages: `\`openai/chat\``, `the token`. */
  readonly name: string;
  readonly limits: Pick<UseLimits, "requestsPerMinute" | "concurrency">;
}

interface State {
  /** Everything that was admitted, and what others have reserved. */
  window: RateWindow;
  /** Of the stored document; null while there is none. */
  revision: number | null;
  /** Admissions that are stored ahead and not used yet, and until when they are good. */
  reserved: number;
  reservedUntilMs: number;
  inFlight: number;
  /** Admissions so far, and how many of them are stored. */
  admitted: number;
  stored: number;
  writing: Promise<void> | null;
  /** When it was last asked for. */
  touchedMs: number;
}

/** How long admissions that were stored ahead are good. A crash costs those that were not used. */
const RESERVED_MS = 5_000;
/** The part of a minute's requests that is stored ahead at a time. */
const RESERVED_PART = 20;
const RESERVED_MAX = 256;
const WRITE_ATTEMPTS = 5;
/** As many as are kept without a look at whether they are still of use: tokens come and go. */
const STATES_MAX = 256;
/** After this no window remembers a request, and nothing reserved is good. */
const IDLE_MS = 2 * RATE_WINDOW_MS;

/**
 * Counts what capabilities and tokens are used for (G10).
 *
 * Rates survive a restart: every admission is in the vault before its request goes out. To spare a write
 * for each, a block of admissions is stored ahead and used up; what a crash leaves of it counts as used,
 * so a restart never gives anything back. A document that another broker changed meanwhile is read again
 * before it is counted on. Concurrency is not stored, since what was in flight ended with the process.
 */
export class InvocationLimits {
  readonly #vault: Vault;
  readonly #now: Clock;
  /** Called after a write that changed nothing but a count, with the revisions around it. */
  readonly #onStateWritten: (before: number, after: number) => void;
  readonly #states = new Map<string, Promise<State>>();
  /** The same, once they are there. */
  readonly #loaded = new Map<string, State>();
  #forgotAtMs = 0;

  constructor(vault: Vault, now: Clock, onStateWritten: (before: number, after: number) => void) {
    this.#vault = vault;
    this.#now = now;
    this.#onStateWritten = onStateWritten;
  }

  /**
   * Admits a request to everything that counts it, or to nothing.
   *
   * @returns What to call when the request is over, however it ended.
   * @throws {BrokerError} `rate_limited`, with the time to wait.
   */
  async enter(all: readonly Counted[]): Promise<() => void> {
    const counted = all.filter(isBounded);
    if (counted.length === 0) return NOTHING_TO_LEAVE;
    const states = await Promise.all(counted.map(({ id }) => this.#state(id)));
    const entries = counted.map((one, index) => ({ one, state: states[index] as State }));
    // From here to the last admission nothing else runs, so all are admitted or none.
    for (const { one, state } of entries) this.#check(one, state);
    const tickets = entries.flatMap(({ one, state }) => {
      state.inFlight++;
      return one.limits.requestsPerMinute === undefined
        ? []
        : [{ one, state, ticket: this.#admit(state, one.limits.requestsPerMinute) }];
    });
    let left = false;
    const leave = () => {
      if (!left) for (const { state } of entries) state.inFlight--;
      left = true;
    };
    try {
      for (const { one, state, ticket } of tickets) {
        if (ticket !== null) await this.#secure(one, state, ticket);
      }
    } catch (error) {
      leave();
      throw error;
    }
    return leave;
  }

  /** Refuses as {@link enter} would, and counts nothing. */
  async check(all: readonly Counted[]): Promise<void> {
    for (const one of all.filter(isBounded)) this.#check(one, await this.#state(one.id));
  }

  #check({ name, limits }: Counted, state: State): void {
    const { concurrency, requestsPerMinute } = limits;
    if (concurrency !== undefined && state.inFlight >= concurrency) {
      throw new BrokerError("rate_limited", `${name} allows ${counted(concurrency)} at a time`, {
        retryAfterMs: 1000,
      });
    }
    if (requestsPerMinute === undefined) return;
    const { allowed, retryAfterMs } = take(state.window, this.#now(), requestsPerMinute);
    if (allowed) return;
    throw new BrokerError(
      "rate_limited",
      `${name} allows ${counted(requestsPerMinute)} per minute`,
      { retryAfterMs },
    );
  }

  /** @returns Null when it was stored ahead, else what {@link #secure} waits for. */
  #admit(state: State, perMinute: number): number | null {
    const nowMs = this.#now();
    state.window = take(state.window, nowMs, perMinute).window;
    if (state.reserved > 0 && nowMs < state.reservedUntilMs) {
      state.reserved--;
      return null;
    }
    state.admitted++;
    return state.admitted;
  }

  /** Resolves when the admission is in the vault. Those that wait together share a write. */
  async #secure(one: Counted, state: State, ticket: number): Promise<void> {
    while (state.stored < ticket) {
      state.writing ??= this.#store(one, state).finally(() => {
        state.writing = null;
      });
      await state.writing;
      if (state.stored < ticket && state.reserved > 0 && this.#now() < state.reservedUntilMs) {
        state.reserved--;
        return;
      }
    }
  }

  #state(id: string): Promise<State> {
    const loaded = this.#loaded.get(id);
    if (loaded !== undefined) loaded.touchedMs = this.#now();
    const known = this.#states.get(id);
    if (known !== undefined) return known;
    if (this.#states.size >= STATES_MAX) this.#forgetIdle();
    const loading = this.#load(id);
    this.#states.set(id, loading);
    loading.then(
      (state) => this.#loaded.set(id, state),
      () => this.#states.delete(id),
    );
    return loading;
  }

  /** What is forgotten is read from the vault again, should it be asked for once more. */
  #forgetIdle(): void {
    const nowMs = this.#now();
    // Not each time, where all of them are of use. A clock that was put back waits no longer for it.
    if (Math.abs(nowMs - this.#forgotAtMs) < IDLE_MS) return;
    this.#forgotAtMs = nowMs;
    for (const [id, { touchedMs, inFlight, writing }] of this.#loaded) {
      if (inFlight > 0 || writing !== null || Math.abs(nowMs - touchedMs) < IDLE_MS) continue;
      this.#loaded.delete(id);
      this.#states.delete(id);
    }
  }

  /** How many things are remembered, for a look at what a process keeps. */
  get size(): number {
    return this.#states.size;
  }

  async #load(id: string): Promise<State> {
    const document = await this.#vault.getDocument("state", stateId(id));
    return {
      window: document === null ? EMPTY_WINDOW : readWindow(document.value, id),
      revision: document?.revision ?? null,
      reserved: 0,
      reservedUntilMs: 0,
      inFlight: 0,
      admitted: 0,
      stored: 0,
      writing: null,
      touchedMs: this.#now(),
    };
  }

  async #store({ id, name, limits }: Counted, state: State): Promise<void> {
    const perMinute = limits.requestsPerMinute ?? 0;
    for (let attempt = 1; ; attempt++) {
      const before = this.#vault.status().revision;
      const nowMs = this.#now();
      const covered = state.admitted;
      const left = perMinute - used(state.window, nowMs);
      const block = Math.max(
        0,
        Math.min(Math.floor(perMinute / RESERVED_PART), left, RESERVED_MAX),
      );
      // What was stored ahead before is given up: it is not in the window that is stored now.
      state.reserved = 0;
      const untilMs = (Math.floor(nowMs / 1000) + RESERVED_MS / 1000) * 1000;
      const value = block === 0 ? state.window : reserve(state.window, untilMs, block);
      const found = await this.#vault.transaction(async (tx) => {
        const document = await tx.getDocument("state", stateId(id));
        if ((document?.revision ?? null) !== state.revision) return { document, written: false };
        return {
          document: await tx.putDocument("state", stateId(id), toJson(value)),
          written: true,
        };
      });
      state.revision = found.document?.revision ?? null;
      if (found.written) {
        state.stored = covered;
        state.reserved = block;
        state.reservedUntilMs = untilMs;
        this.#onStateWritten(before, this.#vault.status().revision);
        return;
      }
      // Another broker counted too. What it stored holds everything that was stored here before.
      const waiting = state.admitted - state.stored;
      state.window = found.document === null ? EMPTY_WINDOW : readWindow(found.document.value, id);
      const over = used(state.window, nowMs) + waiting > perMinute;
      state.window = reserve(state.window, nowMs, waiting);
      if (!over && attempt < WRITE_ATTEMPTS) continue;
      throw new BrokerError("rate_limited", `${name} allows ${counted(perMinute)} per minute`, {
        retryAfterMs: 1000,
      });
    }
  }
}

const NOTHING_TO_LEAVE = (): void => {};

function isBounded({ limits }: Counted): boolean {
  return limits.requestsPerMinute !== undefined || limits.concurrency !== undefined;
}

function readWindow(value: JsonValue, id: string): RateWindow {
  const window = parseRateWindow(value);
  if (window.ok) return window.value;
  throw new BrokerError("vault_unavailable", `the stored rate of \`${id}\` is damaged`);
}

function toJson({ slot, counts }: RateWindow): JsonValue {
  return { slot, counts: [...counts] };
}

function stateId(id: string): string {
  return `rate:${id}`;
}

function counted(requests: number): string {
  return requests === 1 ? "1 request" : `${requests} requests`;
}
