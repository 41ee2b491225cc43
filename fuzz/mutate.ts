import type { Random } from "./random.ts";

/** A longer text says nothing new, and every check costs more. */
const CHARS_MAX = 4_096;

/**
 * Change a text in one to six places.
 *
 * @param pool - Other texts, to take pieces from.
 * @param tokens - Pieces that mean something to the code under test.
 */
export function mutateText(
  random: Random,
  text: string,
  pool: readonly string[],
  tokens: readonly string[],
): string {
  let mutated = text;
  for (let left = 1 + random.below(6); left > 0; left--) {
    mutated = mutateOnce(random, mutated, pool, tokens);
  }
  return mutated.length > CHARS_MAX ? mutated.slice(0, CHARS_MAX) : mutated;
}

function mutateOnce(
  random: Random,
  text: string,
  pool: readonly string[],
  tokens: readonly string[],
): string {
  const at = random.below(text.length + 1);
  const length = 1 + random.below(8);
  const before = text.slice(0, at);
  switch (random.below(10)) {
    case 0:
      return before + text.slice(at + length);
    case 1:
      return before + text.slice(at, at + length) + text.slice(at);
    case 2:
    case 3:
      return before + random.pick(tokens) + text.slice(at);
    case 4:
      return before + random.pick(tokens) + text.slice(at + length);
    case 5: {
      const other = random.pick(pool);
      const from = random.below(other.length + 1);
      return before + other.slice(from, from + 1 + random.below(32)) + text.slice(at);
    }
    case 6:
      return before + escaped(random, text.charAt(at)) + text.slice(at + 1);
    case 7:
      return before + swapCase(text.charAt(at)) + text.slice(at + 1);
    case 8:
      return before + anyCharacter(random) + text.slice(at + 1);
    default:
      return before + random.pick(pool).slice(0, CHARS_MAX);
  }
}

function swapCase(character: string): string {
  const lower = character.toLowerCase();
  return lower === character ? character.toUpperCase() : lower;
}

/** A character in some spelling that a decoder would undo. */
function escaped(random: Random, character: string): string {
  if (character === "") return "%";
  const code = character.charCodeAt(0);
  const hex = code.toString(16).padStart(2, "0");
  return random.pick([
    `%${hex}`,
    `%${hex.toUpperCase()}`,
    `%25${hex}`,
    `\\u${hex.padStart(4, "0")}`,
    `\\x${hex}`,
    `&#${code};`,
    `&#x${hex}`,
    [...Buffer.from(character, "utf8")].map((byte) => `%${byte.toString(16)}`).join(""),
  ]);
}

function anyCharacter(random: Random): string {
  const range = random.pick([0x20, 0x80, 0x100, 0x3000, 0x10000, 0x110000]);
  const point = random.below(range);
  return point >= 0xd800 && point < 0xe000
    ? String.fromCharCode(point)
    : String.fromCodePoint(point);
}
