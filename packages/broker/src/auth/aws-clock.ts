/** AWS refuses signatures whose date is further off than this; S3 than three times as much. */
const SKEW_MS = 300_000;

/**
 * Tells from a refusal whether our clock was the reason, by the date in its head.
 *
 * @param offsetMs - What was added to our clock for the signature that was refused.
 * @returns What to add instead, in milliseconds; null when the date was close enough.
 * @see RFC 9110 section 6.6.1
 */
export function clockOffset(
  head: {
    readonly status: number;
    readonly headers: readonly (readonly [name: string, value: string])[];
  },
  nowMs: number,
  offsetMs: number,
): number | null {
  if (head.status !== 400 && head.status !== 403) return null;
  const dates = head.headers.flatMap(([name, value]) =>
    name.toLowerCase() === "date" ? [value] : [],
  );
  const [date, second] = dates;
  if (date === undefined || second !== undefined || !IMF_FIXDATE.test(date)) return null;
  const theirs = Date.parse(date);
  if (!Number.isFinite(theirs)) return null;
  const wanted = theirs - nowMs;
  return Math.abs(wanted - offsetMs) < SKEW_MS ? null : wanted;
}

const IMF_FIXDATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;
