/**
 * Names of providers, asked for in a process of their own (docs/decisions/0006).
 *
 * Only the system knows all its sources of names, and it can only be asked by a call that blocks and cannot
 * be called off. Here such a call holds a thread of a process that can be killed, and none that the vault's
 * files need or that the daemon's end waits for.
 */

import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { LookUp } from "@aivault/broker";

/** To the process. */
export interface Question {
  readonly host: string;
}

/** From it, in any order: each name is asked for once at a time. */
export interface Answer {
  readonly host: string;
  readonly addresses: readonly string[];
  /** Of the system, `ENOTFOUND` for example; null when there are addresses. */
  readonly code: string | null;
}

export interface NameProcessOptions {
  /** The module to run. Default: the one that is built beside this one. */
  readonly program?: URL;
  /** Milliseconds, on a clock that is never put back. */
  readonly now?: () => number;
}

/** libuv gives half of its threads to look-ups, so that 64 run at a time. */
const THREADS = 128;
/** A look-up that takes longer is late: whoever asked first has given up by now. It may still come. */
const LATE_MS = 5_000;
/** With so many of them late, the process is given up, before no thread is left for names that do not hang. */
const LATE_MAX = 32;
/** Nobody waits on for a look-up that takes longer than this. The system's own patience ends before it. */
const LOST_MS = 60_000;

interface Asked {
  readonly promise: Promise<readonly string[]>;
  readonly resolve: (addresses: readonly string[]) => void;
  readonly reject: (error: Error) => void;
  readonly askedMs: number;
  isRepeated: boolean;
}

/** Starts its process when it is needed first, and again whenever that has died. */
export class NameProcess {
  readonly #program: URL;
  readonly #now: () => number;
  readonly #asked = new Map<string, Asked>();
  #child: ChildProcess | null = null;
  #closed = false;

  constructor(options: NameProcessOptions = {}) {
    this.#program = options.program ?? new URL("./names.js", import.meta.url);
    this.#now = options.now ?? (() => performance.now());
  }

  /** Whoever asks for a name that is being asked for gets the same answer. */
  readonly lookUp: LookUp = (host) => {
    if (this.#closed) return Promise.reject(failure("ECANCELLED"));
    this.#replaceIfStuck(host);
    const known = this.#asked.get(host);
    if (known !== undefined) return known.promise;
    const { promise, resolve, reject } = withResolvers<readonly string[]>();
    this.#asked.set(host, {
      promise,
      resolve,
      reject,
      askedMs: this.#now(),
      isRepeated: false,
    });
    this.#send(host);
    return promise;
  };

  /** Kill the process; who still waits is told so. */
  close(): void {
    this.#closed = true;
    this.#kill();
    for (const host of [...this.#asked.keys()]) this.#fail(host, "ECANCELLED");
  }

  #replaceIfStuck(host: string): void {
    const nowMs = this.#now();
    const ages = [...this.#asked.values()].map(({ askedMs }) => nowMs - askedMs);
    const isLost = nowMs - (this.#asked.get(host)?.askedMs ?? nowMs) > LOST_MS;
    if (!isLost && ages.filter((ageMs) => ageMs > LATE_MS).length < LATE_MAX) return;
    this.#kill();
    for (const [name, { askedMs }] of [...this.#asked]) {
      if (nowMs - askedMs > LATE_MS) this.#fail(name, "ETIMEOUT");
      else this.#send(name);
    }
  }

  #send(host: string): void {
    this.#child ??= this.#start();
    const question: Question = { host };
    // A failure to send is a process that has ended, and that is told by its end.
    this.#child.send(question, () => undefined);
  }

  #start(): ChildProcess {
    const child = fork(fileURLToPath(this.#program), {
      cwd: "/",
      // G24: nothing of ours, and nothing that would change how names are found.
      env: { UV_THREADPOOL_SIZE: String(THREADS) },
      execArgv: [],
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    child.on("message", (message) => {
      if (child === this.#child) this.#answer(message as Answer);
    });
    child.once("error", () => this.#ended(child)).once("exit", () => this.#ended(child));
    // It does not keep the daemon.
    child.unref();
    child.channel?.unref();
    return child;
  }

  #answer({ host, addresses, code }: Answer): void {
    const asked = this.#asked.get(host);
    if (code !== null || addresses.length === 0) {
      this.#fail(host, code ?? "ENODATA");
      return;
    }
    this.#asked.delete(host);
    asked?.resolve(addresses);
  }

  #fail(host: string, code: string): void {
    const asked = this.#asked.get(host);
    this.#asked.delete(host);
    asked?.reject(failure(code));
  }

  /** It died by itself: what was asked is asked once more, and then given up. */
  #ended(child: ChildProcess): void {
    if (child !== this.#child) return;
    this.#child = null;
    for (const [host, asked] of [...this.#asked]) {
      if (asked.isRepeated) this.#fail(host, "EAI_FAIL");
      else {
        asked.isRepeated = true;
        this.#send(host);
      }
    }
  }

  #kill(): void {
    const child = this.#child;
    this.#child = null;
    child?.kill("SIGKILL");
  }
}

function failure(code: string): Error {
  return Object.assign(new Error(`the name was not found (${code})`), { code });
}

function withResolvers<T>() {
  let settle: { resolve(value: T): void; reject(error: Error): void } | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  // Everybody may have given up before it is settled.
  promise.catch(() => undefined);
  return {
    promise,
    resolve: (value: T) => settle?.resolve(value),
    reject: (error: Error) => settle?.reject(error),
  };
}
