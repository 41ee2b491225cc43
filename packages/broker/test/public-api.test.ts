import { expect, it } from "vitest";
import * as broker from "../src/index.ts";

it("exports these names and no others", () => {
  expect(Object.keys(broker).sort()).toEqual([
    "Broker",
    "BrokerError",
    "addClientSecret",
    "askEndpoint",
    "createUndiciUpstream",
    "isBrokerError",
    "isErrorCode",
    "webSocketAccept",
  ]);
});
