import { describe, expect, it } from "vitest";
import { exitStatusOf } from "./exit-status.ts";

describe("exitStatusOf", () => {
  it.each([
    ["policy_violation", 3],
    ["token_invalid", 3],
    ["rate_limited", 3],
    ["vault_locked", 4],
    ["CLIENT_DAEMON_UNREACHABLE", 5],
    ["CLI_DAEMON_FAILED", 5],
    ["CLI_USAGE", 2],
    ["invalid_request", 2],
    ["capability_not_found", 1],
    ["upstream_unreachable", 1],
    ["CLIENT_RESPONSE_BROKEN", 1],
    ["CLI_VAULT_MISSING", 1],
    ["a code of tomorrow", 1],
  ])("gives %s the status %i", (code, status) => {
    expect(exitStatusOf(code)).toBe(status);
  });
});
