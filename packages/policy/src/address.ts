import ipaddr from "ipaddr.js";
import { accept, forbid, quote, type Result } from "./result.ts";

/** What an address is, as far as connecting to it with a credential goes. */
export type AddressClass =
  | { readonly public: true }
  /** `why` is a short class name: `loopback`, `private`, `embedded IPv4`. */
  | { readonly public: false; readonly why: string };

const PUBLIC: AddressClass = { public: true };

function blocked(why: string): AddressClass {
  return { public: false, why };
}

/** IPv6 that ipaddr.js calls unicast, or names otherwise than it should be refused here. */
const IPV6_REFUSED: readonly (readonly [why: string, range: string])[] = [
  ["embedded IPv4", "::/96"],
  ["embedded IPv4", "::ffff:0:0/96"],
  ["embedded IPv4", "::ffff:0:0:0/96"],
  ["embedded IPv4", "64:ff9b::/96"],
  ["NAT64", "64:ff9b:1::/48"],
  // IETF protocol assignments: Teredo (2001::/32), benchmarking, ORCHID, and what is yet to come.
  ["IETF protocol assignment", "2001::/23"],
  ["documentation", "2001:db8::/32"],
  ["embedded IPv4", "2002::/16"],
  ["documentation", "3fff::/20"],
];

const IPV6_RANGES = IPV6_REFUSED.map(([why, range]) => ({
  why,
  cidr: ipaddr.IPv6.parseCIDR(range),
}));
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR("2000::/3");

/** IPv4 that ipaddr.js does not name. */
const IPV4_REFUSED: readonly (readonly [why: string, range: string])[] = [
  // Azure's platform address for metadata, DNS and health: public space, answered by the host itself.
  ["metadata", "168.63.129.16/32"],
];

const IPV4_RANGES = IPV4_REFUSED.map(([why, range]) => ({
  why,
  cidr: ipaddr.IPv4.parseCIDR(range),
}));

/**
 * Classify one address as a resolver returns it.
 *
 * G5: allow-list. IPv4 outside every special-purpose range of RFC 6890; IPv6 only inside 2000::/3 and
 * outside the ranges above. Every form that embeds an IPv4 address is refused, whatever it embeds: there
 * is no telling which machine translates it. What is not an address is refused.
 *
 * @param address - Four decimal octets without leading zeros, or RFC 4291 text without zone or brackets.
 */
export function classifyAddress(address: string): AddressClass {
  if (ipaddr.IPv4.isValidFourPartDecimal(address)) return classifyIpv4(ipaddr.IPv4.parse(address));
  if (address.length > 45 || address.includes("%") || !ipaddr.IPv6.isValid(address)) {
    return blocked("not an IP address");
  }
  return classifyIpv6(ipaddr.IPv6.parse(address));
}

function classifyIpv4(ip: ipaddr.IPv4): AddressClass {
  for (const { why, cidr } of IPV4_RANGES) if (ip.match(cidr)) return blocked(why);
  const range = ip.range();
  return range === "unicast" ? PUBLIC : blocked(RANGE_NAMES[range] ?? range);
}

function classifyIpv6(ip: ipaddr.IPv6): AddressClass {
  const range = ip.range();
  // Loopback and unspecified lie inside ::/96; their own name says more.
  if (range === "loopback" || range === "unspecified") return blocked(range);
  for (const { why, cidr } of IPV6_RANGES) if (ip.match(cidr)) return blocked(why);
  if (range !== "unicast") return blocked(RANGE_NAMES[range] ?? range);
  return ip.match(GLOBAL_UNICAST) ? PUBLIC : blocked("reserved");
}

const SHARED = "shared (carrier-grade NAT)";

const RANGE_NAMES: Readonly<Record<string, string>> = {
  linkLocal: "link-local",
  uniqueLocal: "private",
  carrierGradeNat: SHARED,
  as112: "AS112",
  as112v6: "AS112",
  deprecatedSiteLocal: "private",
};

/**
 * Check every address of an answer before the first connection.
 *
 * One bad address refuses the whole answer: a name that also points inside is not to be trusted with a
 * credential. The socket must then go to one of the returned addresses, without another look-up.
 *
 * @param addresses - All that the resolver returned for the name.
 * @param allowed - Addresses an operator has allowed exactly; compared in canonical form.
 * @returns The addresses in the order given, or `address_blocked`.
 */
export function checkAddresses(
  addresses: readonly string[],
  allowed: readonly string[],
): Result<readonly string[]> {
  if (addresses.length === 0) {
    return forbid(
      "address_blocked",
      "the host has no address; check its spelling and the resolver",
    );
  }
  const exceptions = new Set(allowed.map(canonicalAddress));
  for (const address of addresses) {
    const found = classifyAddress(address);
    if (found.public) continue;
    const canonical = canonicalAddress(address);
    if (canonical !== null && exceptions.has(canonical)) continue;
    return forbid(
      "address_blocked",
      `the host resolves to ${quote(address)} (${found.why}); an operator can allow an exact internal host`,
    );
  }
  return accept(addresses);
}

/** Where clouds answer whoever asks from inside with that machine's own credentials. */
const METADATA: readonly string[] = [
  // Everything link-local: AWS, Azure, Google Cloud, DigitalOcean, Oracle, and ECS's own address.
  "169.254.0.0/16",
  "fe80::/10",
  "100.100.100.200/32", // Alibaba Cloud
  "168.63.129.16/32", // Azure's platform address
  "192.0.0.192/32", // Oracle Cloud
  "fd00:ec2::/32", // AWS
  "fd20:ce::254/128", // Google Cloud
];

const METADATA_RANGES = METADATA.map((range) => ipaddr.parseCIDR(range));

/**
 * Check the addresses of a host that an operator allowed although it is internal.
 *
 * A name vouches for what such services live on: loopback, private, shared and public addresses. It does
 * not vouch for link-local and metadata addresses, nor for those that embed another, since whoever answers
 * for the name would choose them. An exception that is itself an address admits that address and no other.
 *
 * @param addresses - All that the resolver returned, or the host itself.
 * @param host - As the exception names it.
 * @returns The addresses in the order given, or `address_blocked`.
 */
export function checkInternalAddresses(
  addresses: readonly string[],
  host: string,
): Result<readonly string[]> {
  const own = canonicalAddress(host);
  const bad = addresses.find((address) => {
    const canonical = canonicalAddress(address);
    if (canonical === null) return true;
    return own === null ? !isServiceAddress(address) : canonical !== own;
  });
  if (bad === undefined && addresses.length > 0) return accept(addresses);
  return forbid(
    "address_blocked",
    bad === undefined
      ? "the internal host has no address; check its spelling and the resolver"
      : `the internal host resolves to ${quote(bad)}, for which a name cannot vouch; an operator can allow exactly that address`,
  );
}

/** What services inside a network live on, besides public addresses. */
const SERVICE_CLASSES: ReadonlySet<string> = new Set(["loopback", "private", SHARED]);
/** What else one machine can have as its address. */
const SINGLE_CLASSES: ReadonlySet<string> = new Set(["link-local", "metadata", "reserved"]);

function isServiceAddress(address: string): boolean {
  const ip = ipaddr.parse(address);
  const isMetadata = METADATA_RANGES.some(
    ([range, bits]) => range.kind() === ip.kind() && ip.match(range, bits),
  );
  const found = classifyAddress(address);
  return !isMetadata && (found.public || SERVICE_CLASSES.has(found.why));
}

/**
 * The canonical text of an address of one machine, or null: any (0.0.0.0), broadcast and multicast
 * addresses are none, and one that embeds another leads to a machine by way of a third.
 */
export function unicastAddress(text: string): string | null {
  const address = canonicalAddress(text);
  if (address === null) return null;
  const found = classifyAddress(address);
  const isOne = found.public || SERVICE_CLASSES.has(found.why) || SINGLE_CLASSES.has(found.why);
  return isOne ? address : null;
}

/** One text per address, or null: `FD00:0::7` and `fd00::7` are the same exception. */
function canonicalAddress(address: string): string | null {
  if (ipaddr.IPv4.isValidFourPartDecimal(address)) return ipaddr.IPv4.parse(address).toString();
  if (address.includes("%") || !ipaddr.IPv6.isValid(address)) return null;
  return ipaddr.IPv6.parse(address).toRFC5952String();
}
