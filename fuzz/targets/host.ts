import { BlockList, isIP } from "node:net";
import {
  classifyAddress,
  hostMatches,
  parseEndpointUrl,
  parseHost,
  parseHostPattern,
} from "@aivault/policy";
import { corpusCases, short } from "../corpora.ts";
import { mutateText } from "../mutate.ts";
import { demand, kindOf, type Target } from "../target.ts";

const TOKENS = [
  ..."* *. . .. - -- xn-- : :443 :8443 @ / // \\ # ? % [ ] :: ::1 ::ffff: 127.0.0.1 0x7f 0177 2130706433".split(
    " ",
  ),
  ..."localhost .local .internal example.com a b https:// HTTPS:// user@ \u3002 \uff0e \u00df \u0130 \u200b é".split(
    " ",
  ),
  ..."10.0.0.1 169.254.169.254 2001:db8:: 64:ff9b:: fe80::1 %25eth0 2606:4700::1111 8.8.8.8".split(
    " ",
  ),
];

// One for each family: a list with both reads IPv4 addresses as mapped ones too.
const PRIVATE = { 4: new BlockList(), 6: new BlockList() };
for (const [net, bits] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["224.0.0.0", 3],
] as const) {
  PRIVATE[4].addSubnet(net, bits, "ipv4");
}
for (const [net, bits] of [
  ["::", 8],
  ["64:ff9b::", 16],
  ["fc00::", 7],
  ["fe80::", 10],
  ["ff00::", 8],
  ["2001::", 23],
  ["2002::", 16],
] as const) {
  PRIVATE[6].addSubnet(net, bits, "ipv6");
}

/** Host names, wildcards, URLs of operators, and addresses, against Node's own readings. */
export const hostTarget: Target<string> = {
  name: "host",
  seeds: short(
    corpusCases("ssrf").flatMap(({ input }) => [
      input.pattern,
      input.host,
      input.address,
      input.url,
    ]),
  ),
  mutate: (random, input, pool) =>
    mutateText(random, input, [random.pick(pool), random.pick(pool)], TOKENS).slice(0, 300),
  check(input) {
    const address = classifyAddress(input);
    if (address.public) {
      const family = isIP(input);
      demand(family !== 0, "what is no address is a public one");
      const refused = family === 6 ? PRIVATE[6].check(input, "ipv6") : PRIVATE[4].check(input);
      demand(!refused, "a private address is public");
    }
    const url = parseEndpointUrl(input, ["*.example.com", "example.com", "*.com"]);
    if (url.ok) {
      const read = new URL(input);
      demand(
        read.protocol === "https:" && read.hostname === url.value.host,
        "another host is read",
      );
      demand(read.port === "" && read.username === "" && read.password === "", "a user or a port");
      demand(read.pathname === url.value.path, "another path is read");
    }
    const pattern = parseHostPattern(input);
    if (!pattern.ok) return `${address.public} ${url.ok} ${kindOf(pattern.message)}`;
    const { host, wildcard } = pattern.value;
    const name = parseHost(host);
    demand(name.ok && name.value === host, "a host is not a fixed point");
    demand(new URL(`https://${host}/`).hostname === host, "a URL parser reads another host");
    demand(isIP(host) === 0, "an address is taken for a name");
    demand(
      hostMatches(pattern.value, host) !== wildcard,
      "a wildcard covers its apex, or a host not itself",
    );
    demand(!hostMatches(pattern.value, `evil${host}`), "covers a name that only ends alike");
    demand(!hostMatches(pattern.value, `${host}.evil.com`), "covers a name that only begins alike");
    const fits = host.length < 252;
    const below = hostMatches(pattern.value, `a.${host}`);
    demand(below === (wildcard && fits), "a name below is read wrongly");
    return `${address.public} ${url.ok} host ${wildcard} ${host.includes("xn--")} ${host.split(".").length}`;
  },
};
