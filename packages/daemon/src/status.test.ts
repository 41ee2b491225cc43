import { BrokerError } from "@aivault/broker";
import { RegistryError } from "@aivault/registry";
import { VaultError } from "@aivault/vault-core";
import { describe, expect, it } from "vitest";
import { Problem } from "./problem.ts";
import { describeError, STATUS } from "./status.ts";

describe("describeError", () => {
  it.each<[string, Error, object]>([
    [
      "a problem",
      new Problem("policy_violation", "no", { reason: "path_not_allowed", hint: "do" }),
      {
        status: 403,
        code: "policy_violation",
        reason: "path_not_allowed",
        message: "no",
        hint: "do",
      },
    ],
    [
      "a broker's error",
      new BrokerError("rate_limited", "later", { retryAfterMs: 1500 }),
      { status: 429, code: "rate_limited", message: "later", retryAfterMs: 1500 },
    ],
    [
      "a locked vault",
      new VaultError("VAULT_LOCKED", "locked"),
      { status: 423, code: "vault_locked", hint: "aivault unlock" },
    ],
    [
      "a taken name",
      new VaultError("VAULT_SECRET_EXISTS", "taken"),
      { status: 409, message: "taken" },
    ],
    [
      "an unknown provider",
      new RegistryError("REGISTRY_PROVIDER_UNKNOWN", "unknown"),
      { status: 404, code: "not_found" },
    ],
  ])("tells %s", (_, error, expected) => {
    expect(describeError(error)).toMatchObject(expected);
  });

  it.each([
    "VAULT_TAMPERED",
    "VAULT_OPEN_FAILED",
    "VAULT_STORE_FAILED",
    "VAULT_AUDIT_FAILED",
  ] as const)("does not pass on what %s says of files", (code) => {
    const problem = describeError(new VaultError(code, "canary /home/o/.aivault"));
    expect(problem).toMatchObject({ status: 503, code: "vault_unavailable" });
    expect(JSON.stringify(problem)).not.toContain("canary");
  });

  it.each([new Error("canary"), new TypeError("canary"), "canary", null, { code: "canary" }])(
    "G3: says nothing of an error nobody foresaw",
    (error) => {
      const problem = describeError(error);
      expect(problem).toMatchObject({ status: 500, code: "internal" });
      expect(JSON.stringify(problem)).not.toContain("canary");
    },
  );
});

describe("STATUS", () => {
  it("has an error status for every code", () => {
    for (const status of Object.values(STATUS)) expect(status).toBeGreaterThanOrEqual(400);
  });
});
