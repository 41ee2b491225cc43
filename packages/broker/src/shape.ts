import { BrokerError } from "./errors.ts";

// Documents come out of the vault authenticated, but an older or newer version may have written them,
// and operators write their own: they are read strictly, member by member (W-C2).

/** A complaint about a document or an operator's input; `what` names the place. */
export function invalidShape(what: string, expected: string): BrokerError {
  return new BrokerError("invalid_request", `${what} must be ${expected}`);
}

/**
 * The members of a JSON object.
 *
 * @param known - Every member it may have.
 * @throws {BrokerError} `invalid_request`: it is no object, or has another member.
 */
export function readMembers(
  json: unknown,
  what: string,
  known: readonly string[],
): ReadonlyMap<string, unknown> {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw invalidShape(what, "an object");
  }
  const members = new Map(Object.entries(json).filter(([, value]) => value !== undefined));
  for (const name of members.keys()) {
    if (!known.includes(name)) {
      throw new BrokerError(
        "invalid_request",
        `${what} has an unknown member; known: ${known.join(", ")}`,
      );
    }
  }
  return members;
}

/** A string of 1 to `charsMax` printable characters. */
export function readString(json: unknown, what: string, charsMax = 1024): string {
  if (typeof json !== "string" || json === "" || json.length > charsMax || CONTROL.test(json)) {
    throw invalidShape(what, `text of 1 to ${charsMax} printable characters`);
  }
  return json;
}

const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/u;

/** One of some strings. */
export function readChoice<T extends string>(
  json: unknown,
  what: string,
  choices: readonly T[],
): T {
  const choice = choices.find((known) => known === json);
  if (choice === undefined) throw invalidShape(what, `one of ${choices.join(", ")}`);
  return choice;
}

/** An array, its items read one by one. */
export function readArray<T>(
  json: unknown,
  what: string,
  readItem: (item: unknown, what: string) => T,
): readonly T[] {
  if (!Array.isArray(json) || json.length > ITEMS_MAX) throw invalidShape(what, "an array");
  return json.map((item, index) => readItem(item, `${what}[${index}]`));
}

const ITEMS_MAX = 1000;

/** A whole number of at least `min`. */
export function readCount(json: unknown, what: string, min = 0): number {
  if (!Number.isSafeInteger(json) || (json as number) < min) {
    throw invalidShape(what, `a whole number of at least ${min}`);
  }
  return json as number;
}

/** An object whose members are all strings. */
export function readStringRecord(json: unknown, what: string): Readonly<Record<string, string>> {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw invalidShape(what, "an object");
  }
  return Object.fromEntries(
    Object.entries(json).map(([name, value]) => {
      if (!PLACEHOLDER.test(name)) throw invalidShape(`a name in ${what}`, "a placeholder");
      return [name, readString(value, `${what}.${name}`)];
    }),
  );
}

/** What may stand between double braces. */
export const PLACEHOLDER = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;
