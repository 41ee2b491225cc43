import { unicastAddress } from "./address.ts";
import { decodePunycode, encodePunycode } from "./punycode.ts";
import { accept, forbid, invalid, listChoices, quote, type Result } from "./result.ts";

/**
 * Host names as operators and the registry state them (G5). Callers never state one.
 *
 * A host is compared, connected to and put on the wire as the same string: lower-case ASCII labels, no
 * port, no trailing dot, no address. What a URL parser would repair is refused instead.
 */

const HOST_CHARS_MAX = 253;
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
// WHATWG URL, "ends in a number": such a host is read as an IPv4 address.
const NUMBER_LABEL = /^(?:[0-9]+|0x[0-9a-f]*)$/;

/** Never public names: RFC 6761, 6762, 7686, 8375, 9476, ICANN's `internal`, and usual private ones. */
const SPECIAL_SUFFIXES: readonly string[] = [
  "localhost",
  "local",
  "localdomain",
  "internal",
  "intranet",
  "private",
  "corp",
  "home",
  "lan",
  "onion",
  "invalid",
  "alt",
  "home.arpa",
  "svc",
];

/**
 * Read a host name.
 *
 * @param text - Case is folded; nothing else is repaired.
 * @returns The canonical name: two labels or more, lower-case, valid A-labels.
 */
export function parseHost(text: string): Result<string> {
  if (text.length === 0 || text.length > HOST_CHARS_MAX) {
    return invalid(`a host name has 1 to ${HOST_CHARS_MAX} characters`);
  }
  if (!/^\p{ASCII}*$/u.test(text)) {
    return invalid(`the host ${quote(text)} is not ASCII; write it with its xn-- labels`);
  }
  if (text.includes(":")) {
    return invalid(
      `the host ${quote(text)} must be a name without port; addresses are not accepted`,
    );
  }
  const host = text.toLowerCase();
  const labels = host.split(".");
  for (const label of labels) {
    if (!LABEL.test(label)) {
      return invalid(
        `the host ${quote(text)} is not a host name: labels are letters, digits and inner hyphens`,
      );
    }
    if (label.startsWith("xn--") && !isALabel(label)) {
      return invalid(`the label ${quote(label)} is not a valid internationalized label`);
    }
  }
  if (NUMBER_LABEL.test(labels.at(-1) as string)) {
    return invalid(`the host ${quote(text)} is an address; use the provider's host name`);
  }
  if (labels.length < 2) {
    return invalid(`the host ${quote(text)} has one label; public names have two or more`);
  }
  const special = SPECIAL_SUFFIXES.find((name) => host === name || host.endsWith(`.${name}`));
  if (special !== undefined) {
    return invalid(
      `the host ${quote(text)} is a special-use name (\`${special}\`), not a public one`,
    );
  }
  return accept(host);
}

/** A label is an A-label when its U-label is in normal form and encodes back to it (RFC 5890 §2.3.2.1). */
function isALabel(label: string): boolean {
  const points = decodePunycode(label.slice(4));
  // One of ASCII alone would end in a hyphen, and was refused for it.
  if (points === null || `xn--${encodePunycode(points)}` !== label) return false;
  const text = String.fromCodePoint(...points);
  if (text.normalize("NFKC") !== text || !isFolded(text)) return false;
  return ALLOWED.test(text) && !/^\p{M}|\p{Default_Ignorable_Code_Point}/u.test(text);
}

// Their capitals are written as others; IDNA 2008 keeps the letters (RFC 5892 section 2.6), and U+0131 folds
// in no language but Turkish.
const OWN_LETTERS = /[\u00df\u03c2\u0131]/g;
// The only letters that fold to their capitals.
const CHEROKEE_SMALL = /[\u13f8-\u13fd\uab70-\uabbf]/;

/**
 * Stable under case folding and NFKC (RFC 5892 section 2.2): what is not, a resolver may look up as another
 * name. JavaScript has no case folding; through capitals and back is the same for all other letters.
 */
function isFolded(text: string): boolean {
  const letters = text.replaceAll(OWN_LETTERS, "");
  // One by one: `toLowerCase` makes another letter of a sigma that ends a word.
  const folded = Array.from(letters, (letter) => letter.toUpperCase().toLowerCase()).join("");
  return folded.normalize("NFKC") === letters && !CHEROKEE_SMALL.test(text);
}

// In substance the PVALID of RFC 5892: letters, marks and digits. Symbols, emoji included, are no
// part of IDNA 2008.
const ALLOWED = /^[\p{Ll}\p{Lo}\p{Lm}\p{M}\p{Nd}\u00b7\u0375\u05f3\u05f4\u30fb-]+$/u;

/** A host, or every name below one. */
export interface HostPattern {
  /** Without `*.`. */
  readonly host: string;
  /** True for `*.host`: any number of labels in front of it, and never the host itself. */
  readonly wildcard: boolean;
}

/**
 * Read a host, or a wildcard: one leading `*.` with two labels or more behind it.
 *
 * `*.example.org` matches at any depth below, and never `example.org` itself.
 */
export function parseHostPattern(text: string): Result<HostPattern> {
  const wildcard = text.startsWith("*.");
  const host = parseHost(wildcard ? text.slice(2) : text);
  return host.ok ? accept({ host: host.value, wildcard }) : host;
}

/**
 * Whether a pattern covers a host. What is not a host name, in whatever way, is covered by nothing.
 *
 * @param host - Any text.
 */
export function hostMatches(pattern: HostPattern, host: string): boolean {
  const parsed = parseHost(host);
  if (!parsed.ok) return false;
  return pattern.wildcard
    ? parsed.value.endsWith(`.${pattern.host}`)
    : parsed.value === pattern.host;
}

/**
 * The one host a request goes to (G4, G5): where what the capability may reach and where the credential
 * may go meet.
 *
 * @param capabilityHost - A host or wildcard.
 * @param credentialHosts - Hosts or wildcards.
 * @returns The host, or `host_not_allowed` when there is none or more than one.
 */
export function deriveHost(
  capabilityHost: string,
  credentialHosts: readonly string[],
): Result<string> {
  const capability = parseHostPattern(capabilityHost);
  if (!capability.ok) return capability;
  const hosts = new Set<string>();
  for (const text of credentialHosts) {
    const credential = parseHostPattern(text);
    if (!credential.ok) return credential;
    const host = meet(capability.value, credential.value);
    if (host !== null) hosts.add(host);
  }
  const [host, ...others] = hosts;
  if (host === undefined) {
    return forbid(
      "host_not_allowed",
      `the credential may not go to ${quote(capabilityHost)}; its hosts: ${listChoices(credentialHosts)}`,
    );
  }
  if (others.length > 0) {
    return forbid(
      "host_not_allowed",
      `more than one host fits ${quote(capabilityHost)}: ${listChoices([...hosts])}; name one in the credential`,
    );
  }
  return accept(host);
}

/** The host both patterns name, or null when there is none or it is not a single one. */
function meet(a: HostPattern, b: HostPattern): string | null {
  if (!a.wildcard) return hostMatches(b, a.host) ? a.host : null;
  if (!b.wildcard) return hostMatches(a, b.host) ? b.host : null;
  return null;
}

/** An operator's exception for a host that is not public: exactly this host and this port. */
export interface InternalHost {
  /** A name of one label or more, lower-case, or an IP address; IPv6 without brackets. */
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
}

/**
 * Read an operator's exception (`build.internal:8443`, `10.0.0.7:443`, `[fd00::7]:443`).
 *
 * The port must be written: an exception admits one service, not a machine. There is no wildcard and no
 * range. Such a host is exempt from the rules for names and addresses, and from nothing else.
 *
 * @returns The exception with its address in canonical form, so that one service has one spelling.
 */
export function parseInternalHost(text: string): Result<InternalHost> {
  const parts = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([0-9a-zA-Z.-]{1,253})):([1-9][0-9]{0,4})$/.exec(
    text,
  );
  const port = Number(parts?.[3]);
  const host = readInternalName(parts?.[1] ?? null, parts?.[2]?.toLowerCase() ?? "");
  if (host === null || port > 65_535) {
    return invalid(
      `${quote(text)} is not an internal host: write \`host:port\` or \`[address]:port\`, one host and one port`,
    );
  }
  return accept({ host, port });
}

/** An exception as it is written; {@link parseInternalHost} reads it back. */
export function formatInternalHost({ host, port }: InternalHost): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function readInternalName(bracketed: string | null, name: string): string | null {
  if (bracketed !== null) {
    return bracketed.includes(":") ? unicastAddress(bracketed) : null;
  }
  const labels = name.split(".");
  // `127.1` and `2130706433` are addresses to a resolver, and would be other texts than what is compared.
  if (NUMBER_LABEL.test(labels.at(-1) as string)) return unicastAddress(name);
  return labels.every((label) => LABEL.test(label)) ? name : null;
}
