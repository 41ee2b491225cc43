import { decodePercent } from "./percent.ts";
import { type Denial, forbid, invalid } from "./result.ts";

/**
 * What one path segment may not be, whatever rule it stands under (G7).
 *
 * The list is of what some server is known to read as a separator or as a step up: after decoding, after
 * cutting `;params` (Tomcat, Jetty), after dropping white space, controls and invisible characters, and
 * after Unicode compatibility mapping (NFKC), which some frameworks apply to paths.
 */

const DOT = 0x2e;
const SEMICOLON = 0x3b;

const CONTROL = /\p{Cc}/u;
const ENCODED_AGAIN = /%(?:[0-9A-Fa-f]{2}|[uU][0-9A-Fa-f]{4})/;
// U+2044 2215 2216 29F5 29F8 29F9 FE68 FF0F FF3C.
const SLASH_LOOK_ALIKE = /[\u2044\u2215\u2216\u29f5\u29f8\u29f9\ufe68\uff0f\uff3c]/;
const INVISIBLE = /[\s\p{Default_Ignorable_Code_Point}\p{Cc}]+/gu;
// U+3002 is what UTS 46 and NFKC make of the ideographic and half-width full stops.
const ONLY_DOTS = /^[.\u3002]+$/;
// UAX #15 §13, Stream-Safe: ordering a longer run of marks costs the square of its length.
const MANY_MARKS = /\p{M}{31}/u;
const ASCII = /^\p{ASCII}*$/u;

/** Check the segment of `path` from `start` to `end`, which contains no percent-encoding. */
export function checkPlainSegment(path: string, start: number, end: number): Denial | null {
  // What is not ASCII, or is a control or blank, was refused as a character: only dots are left to see.
  let at = start;
  while (at < end && path.charCodeAt(at) === DOT) at++;
  if (at === start) return null;
  return at === end || path.charCodeAt(at) === SEMICOLON ? dotSegment() : null;
}

/**
 * Check a segment that contains percent-encoding.
 *
 * @param segment - Every `%` is followed by two hex digits.
 * @param encodedSlash - Accept `%2F`; the parts it separates are then checked like segments.
 * @returns null, or why the segment is refused.
 */
export function checkEscapedSegment(segment: string, encodedSlash: boolean): Denial | null {
  const decoded = decodePercent(segment);
  if (decoded === null) return notUtf8();
  if (CONTROL.test(decoded)) return invalid("the path contains an encoded control character");
  if (ENCODED_AGAIN.test(decoded)) {
    return traversal("the path is percent-encoded twice (`%25` followed by two hex digits)");
  }
  if (decoded.includes("\\") || SLASH_LOOK_ALIKE.test(decoded)) return encodedSeparator();
  if (MANY_MARKS.test(decoded)) return invalid("the path stacks more than 30 combining marks");
  // NFKC changes no ASCII character.
  const folded = ASCII.test(decoded) ? decoded : decoded.normalize("NFKC");
  if (folded !== decoded) {
    if (ENCODED_AGAIN.test(folded)) return traversal("the path contains a look-alike of `%`");
    if (folded.includes("\\") || count(folded, "/") !== count(decoded, "/")) {
      return encodedSeparator();
    }
  }
  if (!encodedSlash) {
    if (decoded.includes("/")) return encodedSeparator();
    return isDotSegment(folded) ? dotSegment() : null;
  }
  const parts = folded.split("/");
  if (parts.length > 1 && parts.includes("")) {
    return traversal("an encoded `/` stands at the end of a segment or beside another one");
  }
  return parts.some(isDotSegment) ? dotSegment() : null;
}

/** The denial of percent-encoded bytes that are not UTF-8. */
export function notUtf8(): Denial {
  return invalid("the percent-encoded bytes of the path are not valid UTF-8");
}

function isDotSegment(text: string): boolean {
  const semicolon = text.indexOf(";");
  const name = semicolon === -1 ? text : text.slice(0, semicolon);
  return ONLY_DOTS.test(name.replace(INVISIBLE, ""));
}

/** One more than there are. */
function count(text: string, letter: string): number {
  return text.split(letter).length;
}

function dotSegment(): Denial {
  return traversal("the path contains a segment of dots, plain or disguised");
}

function encodedSeparator(): Denial {
  return traversal("the path contains a backslash, an encoded `/`, or a look-alike of one");
}

function traversal(what: string): Denial {
  return forbid("path_traversal", `${what}; send the path without it`);
}
