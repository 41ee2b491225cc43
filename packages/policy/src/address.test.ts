import { describe, expect, it } from "vitest";
import {
  checkAddresses,
  checkInternalAddresses,
  classifyAddress,
  unicastAddress,
} from "./address.ts";

const blocked = expect.objectContaining({ ok: false, reason: "address_blocked" });

// The first and the last address of each range, with the public neighbours where there are some.
const IPV4_BLOCKED: readonly (readonly [first: string, last: string])[] = [
  ["0.0.0.0", "0.255.255.255"],
  ["10.0.0.0", "10.255.255.255"],
  ["100.64.0.0", "100.127.255.255"],
  ["127.0.0.0", "127.255.255.255"],
  ["169.254.0.0", "169.254.255.255"],
  ["172.16.0.0", "172.31.255.255"],
  ["192.0.0.0", "192.0.0.255"],
  ["192.0.2.0", "192.0.2.255"],
  ["192.88.99.0", "192.88.99.255"],
  ["192.168.0.0", "192.168.255.255"],
  ["198.18.0.0", "198.19.255.255"],
  ["198.51.100.0", "198.51.100.255"],
  ["203.0.113.0", "203.0.113.255"],
  ["224.0.0.0", "239.255.255.255"],
  ["240.0.0.0", "255.255.255.255"],
  ["168.63.129.16", "168.63.129.16"],
];

function neighbour(address: string, step: 1 | -1): string | null {
  const value = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0) + step;
  if (value < 0 || value > 0xffffffff) return null;
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join(".");
}

describe("classifyAddress", () => {
  it.each(IPV4_BLOCKED)("G5: blocks %s to %s and nothing beside it", (first, last) => {
    expect(classifyAddress(first)).toMatchObject({ public: false });
    expect(classifyAddress(last)).toMatchObject({ public: false });
    const inOther = (address: string | null) =>
      address === null ||
      ["223.255.255.255", "224.0.0.0", "239.255.255.255", "240.0.0.0"].includes(address);
    for (const address of [neighbour(first, -1), neighbour(last, 1)]) {
      if (address !== null && !inOther(address)) {
        expect([address, classifyAddress(address)]).toEqual([address, { public: true }]);
      }
    }
  });

  it.each([
    "::",
    "::1",
    "::8.8.8.8",
    "::ffff:8.8.8.8",
    "::ffff:0:808:808",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "100::1",
    "1fff::1",
    "2001::1",
    "2001:1ff:ffff::",
    "2001:db8::1",
    "2002:808:808::1",
    "2620:4f:8000::1",
    "3fff::1",
    "3fff:fff:ffff::",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fdff::1",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "fd00:ec2::254",
  ])("G5: blocks %s", (address) => {
    expect(classifyAddress(address)).toMatchObject({ public: false });
  });

  it.each([
    "2000::1",
    "2001:200::1",
    "2001:db7::1",
    "2001:db9::1",
    "2003::1",
    "2606:4700::1111",
    "3ffe::1",
  ])("lets %s through", (address) => {
    expect(classifyAddress(address)).toEqual({ public: true });
  });

  it.each([
    "",
    "8.8.8",
    "8.8.8.8.",
    "08.8.8.8",
    "8.8.8.010",
    "0x8.8.8.8",
    "134744072",
    "8.8.8.8/32",
    " 8.8.8.8",
    "8.8.8.8\n",
    "[2606::1]",
    "2606::1%eth0",
    "2606::1::2",
    "api.openai.com",
    "２.8.8.8",
    ":".repeat(100_000),
  ])("blocks %j, which is not an address", (address) => {
    expect(classifyAddress(address)).toEqual({ public: false, why: "not an IP address" });
  });
});

describe("what an address is called", () => {
  it.each([
    ["127.0.0.1", "loopback"],
    ["10.0.0.1", "private"],
    ["169.254.169.254", "link-local"],
    ["100.64.0.1", "shared (carrier-grade NAT)"],
    ["168.63.129.16", "metadata"],
    ["192.88.99.1", "reserved"],
    ["192.31.196.1", "AS112"],
    ["192.175.48.1", "AS112"],
    ["224.0.0.1", "multicast"],
    ["255.255.255.255", "broadcast"],
    ["0.0.0.0", "unspecified"],
    ["240.0.0.1", "reserved"],
    ["::", "unspecified"],
    ["::1", "loopback"],
    ["::2", "embedded IPv4"],
    ["::7f00:1", "embedded IPv4"],
    ["::ffff:127.0.0.1", "embedded IPv4"],
    ["::ffff:0:7f00:1", "embedded IPv4"],
    ["64:ff9b::7f00:1", "embedded IPv4"],
    ["64:ff9b:1::7f00:1", "NAT64"],
    ["2002:7f00:1::", "embedded IPv4"],
    ["2001::1", "IETF protocol assignment"],
    ["2001:2::1", "IETF protocol assignment"],
    ["2001:10::1", "IETF protocol assignment"],
    ["2001:1ff::", "IETF protocol assignment"],
    ["2001:db8::1", "documentation"],
    ["3fff:0fff::1", "documentation"],
    ["2620:4f:8000::1", "AS112"],
    ["fc00::1", "private"],
    ["fec0::1", "private"],
    ["fe80::1", "link-local"],
    ["ff02::1", "multicast"],
    ["100::1", "discard"],
    ["4000::1", "reserved"],
    ["1fff:ffff::1", "reserved"],
  ])("G5: %s is %s", (address, why) => {
    expect(classifyAddress(address)).toEqual({ public: false, why });
  });

  it("G5: is judged by where each refused range begins and ends", () => {
    for (const [first, last] of [
      ["64:ff9b::", "64:ff9b::ffff:ffff"],
      ["64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"],
      ["2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"],
      ["2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"],
      ["2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
      ["3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"],
    ] as const) {
      expect(classifyAddress(first)).toMatchObject({ public: false });
      expect(classifyAddress(last)).toMatchObject({ public: false });
    }
    for (const address of [
      "2000::",
      "2001:200::",
      "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff",
      "2001:db9::",
      "2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
      "2003::",
      "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
      "3fff:1000::",
      "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
      "168.63.129.17",
      "168.63.129.15",
    ]) {
      expect([address, classifyAddress(address)]).toEqual([address, { public: true }]);
    }
  });

  it("is read from no more text than an address has", () => {
    const longest = "2606:4700:0000:0000:0000:0000:0000:1111";
    expect(classifyAddress(longest)).toEqual({ public: true });
    // The longest text of an address: six groups, then four decimal octets.
    expect(classifyAddress("2606:4700:0000:0000:0000:0000:255.255.255.255")).toEqual({
      public: true,
    });
    expect(classifyAddress(`0${longest}${"0".repeat(8)}`)).toEqual({
      public: false,
      why: "not an IP address",
    });
  });
});

describe("checkAddresses", () => {
  it("G5: refuses the whole answer for one bad address, and an empty answer", () => {
    expect(checkAddresses(["8.8.8.8", "2606:4700::1111"], [])).toEqual({
      ok: true,
      value: ["8.8.8.8", "2606:4700::1111"],
    });
    expect(checkAddresses(["8.8.8.8", "127.0.0.1"], [])).toEqual(blocked);
    expect(checkAddresses([], [])).toEqual(blocked);
  });

  it("accepts exactly the addresses an operator allowed", () => {
    expect(checkAddresses(["10.0.0.7"], ["10.0.0.7"]).ok).toBe(true);
    expect(checkAddresses(["fd00::7"], ["FD00:0:0::7"]).ok).toBe(true);
    expect(checkAddresses(["10.0.0.8"], ["10.0.0.7"])).toEqual(blocked);
    expect(checkAddresses(["10.0.0.7"], ["10.0.0.0/8"])).toEqual(blocked);
    expect(checkAddresses(["nonsense"], ["nonsense"])).toEqual(blocked);
    expect(checkAddresses(["nonsense"], ["10.0.0.7"])).toEqual(blocked);
    expect(checkAddresses(["fe80::1%eth0"], ["fe80::1%eth0", "fe80::1"])).toEqual(blocked);
    expect(checkAddresses(["::ffff:10.0.0.7"], ["10.0.0.7"])).toEqual(blocked);
    expect(checkAddresses(["10.0.0.7"], ["::ffff:10.0.0.7"])).toEqual(blocked);
    expect(checkAddresses(["fd00::8"], ["fd00::7"])).toEqual(blocked);
    expect(checkAddresses(["10.0.0.7", "fd00::7", "8.8.8.8"], ["10.0.0.7", "fd00::7"]).ok).toBe(
      true,
    );
    expect(checkAddresses(["10.0.0.7", "10.0.0.8"], ["10.0.0.7"])).toEqual(blocked);
    expect(checkAddresses(["127.0.0.1"], ["not an address"])).toEqual(blocked);
  });

  it("says which address is in the way, and what it is", () => {
    const message = (addresses: string[]) => {
      const checked = checkAddresses(addresses, []);
      return checked.ok ? null : checked.message;
    };
    expect(message([])).toBe("the host has no address; check its spelling and the resolver");
    expect(message(["8.8.8.8", "fd00::7"])).toBe(
      "the host resolves to `fd00::7` (private); an operator can allow an exact internal host",
    );
  });
});

describe("checkInternalAddresses", () => {
  const accepts = (addresses: readonly string[], host: string) =>
    checkInternalAddresses(addresses, host).ok;

  it.each(["127.0.0.1", "::1", "10.0.0.7", "192.168.1.4", "100.64.0.9", "fd12::7", "8.8.8.8"])(
    "lets a name that an operator allowed lead to %s",
    (address) => {
      expect(accepts([address], "build.internal")).toBe(true);
    },
  );

  it.each([
    ..."169.254.169.254 169.254.170.2 fe80::1 100.100.100.200 168.63.129.16 192.0.0.192".split(" "),
    ..."fd00:ec2::254 fd20:ce::254 0.0.0.0 :: 224.0.0.1 255.255.255.255 ff02::1".split(" "),
    ..."::ffff:10.0.0.7 64:ff9b::a00:7 2002:a00:7:: ::7f00:1 240.0.0.1 nonsense".split(" "),
  ])("G5: does not let such a name lead to %s", (address) => {
    expect(checkInternalAddresses([address], "build.internal")).toEqual(blocked);
    expect(checkInternalAddresses(["10.0.0.7", address], "build.internal")).toEqual(blocked);
  });

  it("G5: admits a metadata address only where the exception is that address", () => {
    expect(accepts(["169.254.169.254"], "169.254.169.254")).toBe(true);
    expect(accepts(["FD00:ec2:0::254"], "fd00:ec2::254")).toBe(true);
    expect(checkInternalAddresses(["169.254.169.253"], "169.254.169.254")).toEqual(blocked);
    expect(checkInternalAddresses(["10.0.0.8"], "10.0.0.7")).toEqual(blocked);
  });

  it("refuses an empty answer", () => {
    expect(checkInternalAddresses([], "build.internal")).toEqual(blocked);
  });
});

describe("unicastAddress", () => {
  it.each([
    ["8.8.8.8", "8.8.8.8"],
    ["127.0.0.1", "127.0.0.1"],
    ["10.0.0.7", "10.0.0.7"],
    ["100.64.0.1", "100.64.0.1"],
    ["169.254.169.254", "169.254.169.254"],
    ["168.63.129.16", "168.63.129.16"],
    ["240.0.0.1", "240.0.0.1"],
    ["::1", "::1"],
    ["FD00:0:0::7", "fd00::7"],
    ["fe80::1", "fe80::1"],
    ["2606:4700:0::1111", "2606:4700::1111"],
    ["4000::1", "4000::1"],
  ])("takes %s for one machine's, and spells it %s", (text, address) => {
    expect(unicastAddress(text)).toBe(address);
  });

  it.each([
    "",
    "localhost",
    "010.0.0.7",
    "[::1]",
    "fe80::1%eth0",
    "0.0.0.0",
    "::",
    "255.255.255.255",
    "224.0.0.1",
    "ff02::1",
    "::ffff:10.0.0.7",
    "64:ff9b::a00:7",
    "2002:a00:7::1",
    "2001:db8::1",
    "192.31.196.1",
  ])("takes %j for nobody's", (text) => {
    expect(unicastAddress(text)).toBeNull();
  });
});
