/**
 * HTTP message signatures, RFC 9421: what one says, and the text it is over. Pure.
 *
 * Of the grammar (RFC 8941) only the form that serialisation gives is read, and of components only what a
 * caller of ours can need: another way to write the same is refused instead of understood twice.
 */

/** A request as its sender saw it. */
export interface SignedMessage {
  readonly method: string;
  /** Value of `host`. */
  readonly authority: string;
  /** The target without its query, octets as they came. */
  readonly path: string;
  /** Without `?`. */
  readonly query: string;
  /** Names and values alternating, as they came. */
  readonly rawHeaders: readonly string[];
}

/** What `signature-input` and `signature` say together. */
export interface Signature {
  /** Component names in order: `@method`, `content-type`. */
  readonly components: readonly string[];
  /** Unix time in seconds. */
  readonly created: number;
  /** Unix time in seconds; null for none. */
  readonly expires: number | null;
  readonly nonce: string | null;
  readonly keyId: string | null;
  readonly algorithm: string | null;
  /** The member of `signature-input` as it came, without its label: it is itself signed. */
  readonly parameters: string;
  readonly octets: Uint8Array;
}

const COMPONENT = `"(?:@[a-z-]+|[a-z0-9!#$%&'*+.^_\`|~-]+)"`;
const INPUT = new RegExp(
  `^([a-z*][a-z0-9_.*-]*)=(\\((?:${COMPONENT}(?: ${COMPONENT})*)?\\)((?:;[a-z]+=(?:[0-9]{1,15}|"[\\x20\\x21\\x23-\\x5b\\x5d-\\x7e]*"))*))$`,
);
const VALUE = /^([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/]+={0,2}):$/;

/**
 * Read one signature.
 *
 * @param input - Value of `signature-input`.
 * @param value - Value of `signature`.
 * @returns null when it is malformed, has two values of a parameter, no `created`, or is not alone.
 */
export function parseSignature(input: string, value: string): Signature | null {
  const [, label, parameters, tail] = INPUT.exec(input) ?? [];
  const [, valueLabel, base64] = VALUE.exec(value) ?? [];
  if (label === undefined || parameters === undefined || label !== valueLabel) return null;
  const octets = Buffer.from(base64 ?? "", "base64");
  if (octets.toString("base64") !== base64) return null;
  const list = parameters.slice(1, parameters.indexOf(")"));
  const components = list === "" ? [] : list.split(" ").map((item) => item.slice(1, -1));
  if (new Set(components).size !== components.length) return null;
  const members = new Map<string, string>();
  for (const [, name = "", text = ""] of (tail ?? "").matchAll(/;([a-z]+)=([0-9]+|"[^"]*")/g)) {
    if (members.has(name)) return null;
    members.set(name, text);
  }
  const created = numberOf(members.get("created"));
  const expires = members.has("expires") ? numberOf(members.get("expires")) : null;
  if (created === null || (members.has("expires") && expires === null)) return null;
  return {
    components,
    created,
    expires,
    nonce: textOf(members.get("nonce")),
    keyId: textOf(members.get("keyid")),
    algorithm: textOf(members.get("alg")),
    parameters,
    octets,
  };
}

function numberOf(text: string | undefined): number | null {
  return text !== undefined && /^[0-9]+$/.test(text) ? Number(text) : null;
}

function textOf(text: string | undefined): string | null {
  return text?.startsWith('"') ? text.slice(1, -1) : null;
}

/**
 * The signature base, RFC 9421 section 2.5.
 *
 * @returns null when a component is not in the message, or is none that we know.
 */
export function signatureBase(message: SignedMessage, signature: Signature): string | null {
  const lines: string[] = [];
  for (const name of signature.components) {
    const value = componentOf(message, name);
    if (value === null) return null;
    lines.push(`"${name}": ${value}`);
  }
  lines.push(`"@signature-params": ${signature.parameters}`);
  return lines.join("\n");
}

function componentOf(message: SignedMessage, name: string): string | null {
  switch (name) {
    case "@method":
      return message.method;
    case "@authority":
      return message.authority.toLowerCase();
    case "@path":
      return message.path === "" ? "/" : message.path;
    case "@query":
      return `?${message.query}`;
    default:
      return name.startsWith("@") ? null : fieldOf(message, name);
  }
}

/** Section 2.1: all lines of the field, trimmed, in order. */
function fieldOf({ rawHeaders }: SignedMessage, name: string): string | null {
  const values: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.toLowerCase() === name) values.push((rawHeaders[i + 1] ?? "").trim());
  }
  return values.length === 0 ? null : values.join(", ");
}
