import { expect, it } from "vitest";
import * as api from "../src/index.ts";

it("exports exactly these values", () => {
  expect(Object.keys(api).sort()).toEqual([
    "RegistryError",
    "builtinRegistry",
    "createRegistry",
    "expandHost",
    "hostVariableFromSecret",
    "hostVariableFromText",
    "hostVariableNames",
    "isHostTemplate",
    "isRegistryError",
    "parseProvider",
    "regionFromSecret",
    "resolveHost",
  ]);
});
