/**
 * Patterns over capability ids, as tokens and bindings name them: `*` stands for any run of characters
 * but `/`, and `*` alone for every id.
 */

const PATTERN = /^[A-Za-z0-9._/*-]{1,256}$/;
const STARS_MAX = 8;

/** True for a pattern that is worth storing. */
export function isCapabilityPattern(pattern: string): boolean {
  return PATTERN.test(pattern) && pattern.split("*").length <= STARS_MAX + 1;
}

/**
 * Match a capability id against a pattern, in time linear in their lengths for each `*`.
 *
 * A star never matches `/`: what is granted for one provider's names does not reach into another's.
 */
export function matchesCapability(pattern: string, id: string): boolean {
  if (pattern === "*") return true;
  const [head = "", ...rest] = pattern.split("*");
  if (!id.startsWith(head)) return false;
  let position = head.length;
  for (const [index, piece] of rest.entries()) {
    const isLast = index === rest.length - 1;
    const found = isLast
      ? Math.max(position, id.length - piece.length)
      : id.indexOf(piece, position);
    if (found < 0 || !id.startsWith(piece, found)) return false;
    if (id.slice(position, found).includes("/")) return false;
    position = found + piece.length;
  }
  return position === id.length;
}
