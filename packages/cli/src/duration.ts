/** Lengths of time as people write them. */
import { usageError } from "./errors.ts";

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/**
 * `90s`, `15m`, `12h`, `7d`, or plain milliseconds, as milliseconds.
 *
 * @throws {CliError} `CLI_USAGE`
 */
export function parseDuration(what: string, text: string): number {
  const [, digits = "", unit = "ms"] = /^(\d{1,12})(ms|s|m|h|d)?$/.exec(text) ?? [];
  if (digits === "") throw usageError(`${what} is a time such as 90s, 15m, 12h or 7d`);
  return Number(digits) * (UNIT_MS[unit] as number);
}

/** Milliseconds in the largest unit that divides them. */
export function durationText(ms: number): string {
  const [unit, size] = Object.entries(UNIT_MS).findLast(
    ([, each]) => ms % each === 0 && ms > 0,
  ) ?? ["ms", 1];
  return `${ms / size}${unit}`;
}
