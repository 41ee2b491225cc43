import { describe, expect, it } from "vitest";
import {
  deriveHost,
  formatInternalHost,
  hostMatches,
  parseHost,
  parseHostPattern,
  parseInternalHost,
} from "./host.ts";

const invalid = expect.objectContaining({ ok: false, code: "invalid_request" });
const notAllowed = expect.objectContaining({ ok: false, reason: "host_not_allowed" });

describe("parseHost", () => {
  it.each([
    ["API.OpenAI.com", "api.openai.com"],
    ["t.co", "t.co"],
    ["r3---sn-x.example.org", "r3---sn-x.example.org"],
    ["xn--bcher-kva.example.org", "xn--bcher-kva.example.org"],
    ["XN--BCHER-KVA.example.org", "xn--bcher-kva.example.org"],
    ["xn--zca.example.org", "xn--zca.example.org"],
    // Sigma, final sigma, iota with dialytika and tonos, and dotless i are letters of their own.
    ["xn--4xa.example.org", "xn--4xa.example.org"],
    ["xn--a-0mb.example.org", "xn--a-0mb.example.org"],
    ["xn--3xa.example.org", "xn--3xa.example.org"],
    ["xn--owa.example.org", "xn--owa.example.org"],
    ["xn--cfa.example.org", "xn--cfa.example.org"],
    ["4chan.org", "4chan.org"],
    [`${"a".repeat(63)}.org`, `${"a".repeat(63)}.org`],
  ])("reads %s as %s", (text, host) => {
    expect(parseHost(text)).toEqual({ ok: true, value: host });
  });

  it.each([
    "",
    "localhost",
    "intranet",
    "a.localhost",
    "router.local",
    "db.internal",
    "x.home.arpa",
    "a.svc",
    "api.openai.com.",
    ".openai.com",
    "a..b",
    "-a.com",
    "a-.com",
    "a_b.com",
    "api.openai.com:443",
    "api.openai.com/v1",
    "user@api.openai.com",
    "api.openai.com#",
    "api.openai.com?x=",
    "api.openai.com\\.evil.test",
    "api.openai.com\r\nHost: x",
    " api.openai.com",
    "127.0.0.1",
    "2130706433",
    "0x7f.1",
    "foo.4",
    "a.0x",
    "::1",
    "[::1]",
    "bücher.example",
    "аpi.openai.com",
    "api。openai.com",
    "*.openai.com",
    "xn--.com",
    "xn--a.com",
    "xn--a-.com",
    "xn--0.com",
    "xn--zn7c.com",
    "xn--1ug.com",
    "xn--ls8h.la",
    // A letter before a symbol, one behind it, and a mark that stands first.
    "xn--a-n3p.com",
    "xn--a-m3p.com",
    // Small letters that fold to others: eta with prosgegrammeni, and Cherokee.
    "xn--org.com",
    "xn--oce.com",
    "xn--kz9a.com",
    `${"a".repeat(64)}.org`,
    `${"a.".repeat(130)}org`,
  ])("G5: refuses %j", (text) => {
    expect(parseHost(text)).toEqual(invalid);
  });
});

describe("hostMatches", () => {
  const matches = (pattern: string, host: string): boolean => {
    const parsed = parseHostPattern(pattern);
    return parsed.ok && hostMatches(parsed.value, host);
  };

  it("compares whole names, without regard to case", () => {
    expect(matches("API.openai.com", "api.OPENAI.com")).toBe(true);
    for (const host of ["x.api.openai.com", "api.openai.com.evil.test", "openai.com", "", "*"]) {
      expect(matches("api.openai.com", host)).toBe(false);
    }
  });

  it("covers every depth below a wildcard, and never its apex", () => {
    expect(matches("*.myshopify.com", "a.myshopify.com")).toBe(true);
    expect(matches("*.myshopify.com", "a.b.myshopify.com")).toBe(true);
    for (const host of [
      "myshopify.com",
      ".myshopify.com",
      "evilmyshopify.com",
      "*.myshopify.com",
    ]) {
      expect(matches("*.myshopify.com", host)).toBe(false);
    }
  });

  it.each(["*", "*.com", "**.a.com", "*a.b.com", "a.*.com", "*.*.com", "*.local", "*.1.2"])(
    "refuses the wildcard %s",
    (pattern) => {
      expect(parseHostPattern(pattern)).toEqual(invalid);
    },
  );
});

describe("deriveHost", () => {
  it.each([
    ["api.openai.com", ["api.openai.com"], "api.openai.com"],
    ["*.myshopify.com", ["shop.myshopify.com"], "shop.myshopify.com"],
    ["api.a.com", ["*.a.com"], "api.a.com"],
    ["*.a.com", ["x.a.com", "X.A.COM", "y.b.com"], "x.a.com"],
  ])("finds the one host of %s and %j", (capability, credential, host) => {
    expect(deriveHost(capability, credential)).toEqual({ ok: true, value: host });
  });

  it.each([
    ["no host in common", "api.a.com", ["api.b.com"]],
    ["no host at all", "api.a.com", []],
    ["two hosts that fit", "*.a.com", ["x.a.com", "y.a.com"]],
    ["wildcards on both sides", "*.a.com", ["*.a.com"]],
    ["a wildcard below a wildcard", "*.a.com", ["*.x.a.com"]],
  ])("G4: refuses %s", (_, capability, credential) => {
    expect(deriveHost(capability, credential)).toEqual(notAllowed);
  });

  it("refuses an entry that is no host", () => {
    expect(deriveHost("api.a.com", ["api.a.com", "api.a.com/x"])).toEqual(invalid);
    expect(deriveHost("", ["api.a.com"])).toEqual(invalid);
  });
});

describe("parseInternalHost", () => {
  it.each([
    ["build:8443", "build", 8443],
    ["Git.Internal:443", "git.internal", 443],
    ["10.0.0.7:1", "10.0.0.7", 1],
    ["[FD00::7]:65535", "fd00::7", 65_535],
  ])("reads %s", (text, host, port) => {
    expect(parseInternalHost(text)).toEqual({ ok: true, value: { host, port } });
  });

  it.each([
    "build",
    "build:",
    "build:0",
    "build:080",
    "build:65536",
    "*.a:1",
    "fd00::7:1",
    "a b:1",
    "-a:1",
    "[::1]",
    "a..b:1",
    "*:443",
    "*.internal:443",
    "10.0.0.0/8:443",
    "[fd00::/8]:443",
    "10.0.0.*:443",
    "10.0.0.1-10.0.0.9:443",
    "build:*",
    "build:1-1024",
    "build:443,443",
    "build.:443",
    "user@build:443",
    "https://build:443",
  ])("G5: refuses %s, for an exception is one host and one port", (text) => {
    expect(parseInternalHost(text)).toEqual(invalid);
  });

  it.each(["127.1:443", "2130706433:443", "0x7f.0.0.1:443", "010.0.0.1:443", "build.0x10:443"])(
    "G5: refuses %s, which a resolver reads as another address",
    (text) => {
      expect(parseInternalHost(text)).toEqual(invalid);
    },
  );

  it.each([
    "0.0.0.0:443",
    "0.1.2.3:443",
    "255.255.255.255:443",
    "224.0.0.1:443",
    "[::]:443",
    "[ff02::1]:443",
    "[::ffff:10.0.0.7]:443",
    "[64:ff9b::a00:7]:443",
    "[2002:a00:7::]:443",
    "[10.0.0.7]:443",
    "[fe80::1%25eth0]:443",
    "[:::]:443",
  ])("G5: refuses %s, which is no address of one machine", (text) => {
    expect(parseInternalHost(text)).toEqual(invalid);
  });

  it("has one spelling for each address, and reads what it writes", () => {
    for (const text of ["[FD00:0:0:0:0:0:0:7]:443", "[fd00:0::7]:443", "[fd00::7]:443"]) {
      const read = parseInternalHost(text);
      expect(read).toEqual({ ok: true, value: { host: "fd00::7", port: 443 } });
      if (read.ok) expect(formatInternalHost(read.value)).toBe("[fd00::7]:443");
    }
    expect(formatInternalHost({ host: "build.internal", port: 8443 })).toBe("build.internal:8443");
  });

  it("takes a metadata address where it is named exactly", () => {
    expect(parseInternalHost("169.254.169.254:443").ok).toBe(true);
    expect(parseInternalHost("[fd00:ec2::254]:443").ok).toBe(true);
  });
});

// Found by changing host.ts and seeing which change no test noticed (docs/testing.md).
describe("what decides about a host", () => {
  const long = (length: number) => `${"a".repeat(60)}.`.repeat(4) + "b".repeat(length - 244);

  it.each([
    "xn---tda.example",
    "xn--tda-.example",
    "xn--.example",
    "xn--a.example",
    "xn--ab-.example",
  ])("is not how a label could be read, but how it is written: %s", (host) => {
    expect(parseHost("xn--tda.example").ok).toBe(true);
    expect(parseHost(host)).toMatchObject({ code: "invalid_request" });
  });

  it("is that it has at most 253 characters", () => {
    expect(parseHost(long(253))).toEqual({ ok: true, value: long(253) });
    expect(parseHost(long(254))).toEqual(invalid);
  });

  it.each(["\u212aelvin.org", "example.\u212a.org", "a\u017f.org"])(
    "is that it is ASCII before case is folded: %s",
    (text) => {
      expect(parseHost(text)).toEqual(invalid);
      expect(hostMatches({ host: text.toLowerCase(), wildcard: false }, text)).toBe(false);
    },
  );

  it.each([
    ..."local localdomain internal intranet private corp home lan onion invalid alt".split(" "),
    ..."home.arpa svc cluster.local localhost".split(" "),
  ])("G5: is that its last labels are not `%s`", (name) => {
    expect(parseHost(name)).toEqual(invalid);
    expect(parseHost(`a.${name}`)).toEqual(invalid);
    expect(parseHost(`a${name}.org`).ok).toBe(true);
    expect(parseHost(`${name}.org`).ok).toBe(true);
  });

  it.each(["example.r2", "example.2d", "example.0x1g", "1.example", "0x7f.example"])(
    "is not that a label only begins or ends like a number: %s",
    (text) => {
      expect(parseHost(text)).toEqual({ ok: true, value: text });
    },
  );

  it.each([
    "xn--99999999",
    "xn--a",
    "xn--x-sy8h",
    "xn--dca",
    "xn--kja",
    "xn--hba",
    "xn--a-wbb",
    "xn--ab-g1t",
    "xn--zn7c",
  ])("is that its A-labels are valid ones: %s", (label) => {
    expect(parseHost(`${label}.org`)).toEqual(invalid);
  });

  it("is not that a label begins without a mark only if it has none", () => {
    // Hindi, with vowel signs and a virama inside.
    expect(parseHost("xn--j2bd4cyac6f.example.org").ok).toBe(true);
  });

  it.each([
    ["*.example.org", "example.com"],
    ["*.example.org", "example.org"],
    ["*.example.org", "a.example.org.evil.net"],
    ["*.example.org", "evilexample.org"],
    ["a.example.org", "*.example.com"],
    ["example.org", "*.example.org"],
    ["*.example.org", "*.example.org"],
    ["*.a.example.org", "*.example.org"],
  ])("G5: is that both sides name it: %s and %s do not meet", (capability, credential) => {
    expect(deriveHost(capability, [credential])).toEqual(notAllowed);
  });

  it("takes nothing around an internal host for a part of it", () => {
    for (const text of [
      "x[::1]:443",
      "https://build:443",
      "build:443x",
      "build:443\n",
      " build:1",
    ]) {
      expect(parseInternalHost(text)).toEqual(invalid);
    }
  });
});
