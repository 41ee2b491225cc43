import type { Random } from "./random.ts";

/**
 * Something that is fuzzed. Inputs are JSON, so that a finding can be kept as a file; bytes are strings
 * of Latin-1 characters.
 */
export interface Target<Input> {
  readonly name: string;
  readonly seeds: readonly Input[];
  mutate(random: Random, input: Input, pool: readonly Input[]): Input;
  /**
   * Try an input.
   *
   * @returns What kind of answer it got: an input with a new one is kept and mutated further.
   * @throws {Finding} An oracle does not hold. Any other exception is a finding too.
   */
  check(input: Input): string;
}

/** A target whose inputs are nobody else's business. */
export type AnyTarget = Target<unknown>;

/** What should never be. */
export class Finding extends Error {}

/** State what always holds. */
export function demand(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Finding(otherwise);
}

/** The kind of a message: without what it quotes and counts. */
export function kindOf(message: string): string {
  return message.replaceAll(/`[^`]*`/g, "`").replaceAll(/[0-9]+/g, "0");
}
