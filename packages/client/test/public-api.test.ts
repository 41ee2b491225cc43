import { describe, expect, it } from "vitest";
import * as client from "../src/index.ts";
import * as operator from "../src/operator.ts";
import * as protocol from "../src/protocol.ts";

describe("the public surface", () => {
  it("has these names and no others", () => {
    expect(Object.keys(client).sort()).toEqual([
      "AivaultError",
      "callerSockets",
      "createClient",
      "isAivaultError",
      "operatorSocket",
      "operatorSocketBeside",
      "refusalOf",
    ]);
    expect(Object.keys(operator).sort()).toEqual(["createOperatorClient"]);
    expect(Object.keys(protocol).sort()).toEqual([
      "CALLER_ROUTES",
      "OPERATOR_ROUTES",
      "PROTOCOL_VERSION",
      "REQUEST_HEADERS",
      "RESPONSE_HEADERS",
    ]);
  });
});
