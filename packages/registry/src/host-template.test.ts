import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sample } from "../test/sample.ts";
import { isRegistryError } from "./errors.ts";
import {
  expandHost,
  hostMatchesTemplate,
  hostVariableFromSecret,
  hostVariableFromText,
  regionFromSecret,
  resolveHost,
} from "./host-template.ts";
import { parseProvider } from "./parse-provider.ts";
import type { Provider } from "./provider.ts";

const acme = parseProvider(sample());
const TENANT = "{tenant}.acme.example";

describe("expandHost", () => {
  it("puts values and defaults into a template", () => {
    expect(expandHost(acme, TENANT, { tenant: "shop-1" })).toBe("shop-1.acme.example");
    expect(expandHost(acme, "api.{region}.acme.example", {})).toBe("api.eu.acme.example");
    expect(expandHost(acme, "api.{region}.acme.example", { region: "us.gov" })).toBe(
      "api.us.gov.acme.example",
    );
  });

  it("refuses a variable without a value", () => {
    expect(() => expandHost(acme, TENANT, {})).toThrow(expect.toSatisfy(isRegistryError));
  });

  it.each(["a.b", "a/b", "a@b", "a:1", "A", "-a", "", "é", "a%2eb", "__proto__"])(
    "G4: refuses %j as a tenant",
    (tenant) => {
      expect(() => expandHost(acme, TENANT, { tenant })).toThrow(expect.toSatisfy(isRegistryError));
    },
  );

  it("G4: reads a pattern of alternatives as one about the whole value", () => {
    const json = sample() as { hostVariables: { tenant: object } };
    const tenant = { ...json.hostVariables.tenant, pattern: "^eu[0-9]|us[0-9]$" };
    const loose = parseProvider({ ...json, hostVariables: { ...json.hostVariables, tenant } });
    expect(expandHost(loose, TENANT, { tenant: "us1" })).toBe("us1.acme.example");
    for (const value of ["eu1-evil", "evil-us1"]) {
      expect(() => expandHost(loose, TENANT, { tenant: value })).toThrow(
        expect.toSatisfy(isRegistryError),
      );
    }
  });

  it("G4: expands to nothing but one label before the fixed name, whatever the value", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 12 }), (tenant) => {
        let host: string;
        try {
          host = expandHost(acme, TENANT, { tenant });
        } catch (error) {
          return isRegistryError(error);
        }
        return /^[a-z0-9-]+\.acme\.example$/.test(host) && hostMatchesTemplate(acme, TENANT, host);
      }),
    );
  }, 60_000);
});

describe("hostVariableFromText", () => {
  const shops: Provider = {
    ...acme,
    hosts: ["{shop}.example.com"],
    hostVariables: { shop: { description: "", pattern: "^[a-z0-9-]+$", env: ["SHOP"] } },
  };

  it.each(["mine", " Mine\n", "mine.example.com", "https://mine.example.com/"])(
    "reads the value off %j",
    (text) => {
      expect(hostVariableFromText(shops, "shop", text)).toBe("mine");
    },
  );

  it.each([
    "",
    "a.b",
    "a.b.example.com",
    "mine.example.org",
    "mine.example.com.evil.test",
    "mine@evil.test/.example.com",
    "http://mine.example.com",
    "mine.example.com/admin",
  ])("G4: reads nothing off %j", (text) => {
    expect(hostVariableFromText(shops, "shop", text)).toBeNull();
    expect(hostVariableFromText(shops, "none", text)).toBeNull();
  });
});

describe("hostVariableFromSecret", () => {
  const { tenant = { description: "" } } = acme.hostVariables ?? {};

  it("reads the variable off the secret that tells it", () => {
    expect(hostVariableFromSecret(tenant, "key", "acme_0000-north")).toBe("north");
    expect(hostVariableFromSecret(tenant, "account", "acme_0000-north")).toBeNull();
    expect(hostVariableFromSecret(tenant, "key", "acme_0000")).toBeNull();
  });
});

describe("resolveHost", () => {
  const entry = "api.{region}.acme.example";

  it("takes the region's host, or the entry where the region has none", () => {
    expect(resolveHost(acme, entry, "sandbox", {})).toBe("sandbox.acme.example");
    expect(resolveHost(acme, entry, null, {})).toBe("api.eu.acme.example");
    expect(resolveHost(acme, TENANT, "sandbox", { tenant: "t1" })).toBe("t1.acme.example");
  });

  it("refuses a region there is not", () => {
    for (const region of ["mars", "__proto__", "toString", ""]) {
      expect(() => resolveHost(acme, entry, region, {})).toThrow(expect.toSatisfy(isRegistryError));
    }
  });

  it("recognises the region of a secret", () => {
    expect(regionFromSecret(acme, "key", "acme_test0000")).toBe("sandbox");
    expect(regionFromSecret(acme, "key", "acme_live0000")).toBeNull();
    expect(regionFromSecret(acme, "account", "acme_test0000")).toBeNull();
  });
});
