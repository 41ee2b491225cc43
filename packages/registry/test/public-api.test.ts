import { expect, it } from "vitest";
import * as api from "../src/index.ts";

it("exports exactly these values", () => {
  expect(Object.keys(api).sort()).toEqual([
    "HMAC_VALUE_PARTS",
    "RegistryError",
    "builtinRegistry",
    "createRegistry",
    "expandHost",
    "hmacHeaderOf",
    "hostVariableFromSecret",
    "hostVariableFromText",
    "hostVariableNames",
    "isHmacPart",
    "isHostTemplate",
    "isRegistryError",
    "parseProvider",
    "regionFromSecret",
    "resolveHost",
  ]);
});
