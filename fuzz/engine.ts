import { createHash } from "node:crypto";
import { type Random, seeded } from "./random.ts";
import type { AnyTarget } from "./target.ts";

/** An input for which something does not hold. */
export interface Found {
  readonly target: string;
  readonly what: string;
  readonly input: unknown;
  /** Why it still holds; absent once it is mended. */
  readonly open?: string;
}

/** What came of fuzzing one target. */
export interface Fuzzed {
  readonly target: string;
  readonly executions: number;
  /** Inputs with an answer of their own kind, seeds included. */
  readonly corpus: readonly unknown[];
  readonly found: readonly Found[];
}

/** An answer takes less than this; what takes longer is tried again, in case the machine was busy. */
const SLOW_MS = 250;
/** Findings of one target; the ones that follow are mostly the same. */
const FOUND_MAX = 20;
/** Every so many executions an input is blown up, to see that time grows with length and no faster. */
const GROWTH_EVERY = 400;
const GROWTH_CHARS = 12_000;
const GROWTH_FACTOR = 4;

/**
 * Mutate and try inputs for a time. Inputs that get a new kind of answer are kept and mutated further.
 *
 * @param kept - Inputs of former runs.
 * @param millis - Of work of this process; a busy machine makes a run longer, not poorer.
 * @param seed - Makes the same choices again, as far as the time allows.
 */
export function fuzz(
  target: AnyTarget,
  kept: readonly unknown[],
  millis: number,
  seed: number,
): Fuzzed {
  const random = seeded(seed);
  const corpus: unknown[] = [];
  const kinds = new Set<string>();
  const found = new Map<string, Found>();
  let executions = 0;
  const report = (what: string, input: unknown): void => {
    if (found.size < FOUND_MAX && !found.has(what))
      found.set(what, { target: target.name, what, input });
  };
  const tryOut = (input: unknown, isSeed: boolean): void => {
    executions++;
    const startedAtMs = cpuMs();
    const { kind, what } = attempt(target, input);
    if (cpuMs() - startedAtMs > SLOW_MS && fastest(target, input, 3) > SLOW_MS) {
      report(`takes more than ${SLOW_MS} ms`, input);
    }
    if (what !== null) report(what, input);
    if (isSeed || !kinds.has(kind)) corpus.push(input);
    kinds.add(kind);
  };
  for (const input of [...target.seeds, ...kept]) tryOut(input, true);
  const endsAtMs = cpuMs() + millis;
  for (let round = 1; cpuMs() < endsAtMs; round++) {
    const input = target.mutate(random, random.pick(corpus), corpus);
    tryOut(input, false);
    if (round % GROWTH_EVERY === 0) {
      const blown = growth(random, target, input);
      executions += 2;
      if (blown !== null) report("takes more than linear time", blown);
    }
  }
  return { target: target.name, executions, corpus, found: [...found.values()] };
}

/** Try one input. */
export function attempt(
  target: AnyTarget,
  input: unknown,
): { readonly kind: string; readonly what: string | null } {
  try {
    return { kind: target.check(input), what: null };
  } catch (error) {
    const { name, message } = error instanceof Error ? error : { name: "", message: String(error) };
    const what = name === "Error" ? message : `throws ${name}: ${message.slice(0, 200)}`;
    return { kind: `finding: ${what.replaceAll(/".*"/gs, "")}`, what };
  }
}

/** Milliseconds this process has worked: those in which others did are no fault of the input. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

function fastest(target: AnyTarget, input: unknown, times: number): number {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < times; i++) {
    const startedAtMs = cpuMs();
    attempt(target, input);
    best = Math.min(best, cpuMs() - startedAtMs);
  }
  return best;
}

/** An input that takes far more than four times as long when it is four times as long; or null. */
function growth(random: Random, target: AnyTarget, input: unknown): unknown {
  const shape = random.below(2 ** 31);
  const short = blowUp(seeded(shape), input, GROWTH_CHARS);
  const long = blowUp(seeded(shape), input, GROWTH_CHARS * GROWTH_FACTOR);
  if (short === null || long === null) return null;
  const ratio = (): number => fastest(target, long, 3) / Math.max(fastest(target, short, 3), 2);
  // Twice, since a machine that is busy once is no finding.
  return ratio() > GROWTH_FACTOR * 3 && ratio() > GROWTH_FACTOR * 3 ? long : null;
}

/** Repeat a piece of the first longer text in an input until it has so many characters. */
function blowUp(random: Random, input: unknown, chars: number): unknown {
  if (typeof input === "string") {
    if (input === "") return null;
    const from = random.below(input.length);
    const piece = input.slice(from, from + 1 + random.below(12));
    const times = Math.ceil(chars / piece.length);
    return input.slice(0, from) + piece.repeat(times) + input.slice(from);
  }
  if (typeof input !== "object" || input === null || Array.isArray(input)) return null;
  const members = input as Readonly<Record<string, unknown>>;
  for (const name of ["path", "text"]) {
    const blown = typeof members[name] === "string" ? blowUp(random, members[name], chars) : null;
    // Cut byte by byte, a long text would be measured by its cuts.
    if (blown !== null) return { ...members, [name]: blown };
  }
  return null;
}

/** A name for a finding that is the same each time it is found. */
export function nameOf({ target, input }: Found): string {
  const digest = createHash("sha256").update(JSON.stringify(input)).digest("hex");
  return `${target}-${digest.slice(0, 12)}`;
}
