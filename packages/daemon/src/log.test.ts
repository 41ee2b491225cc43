import { readFileSync } from "node:fs";
import { Writable } from "node:stream";
import { BrokerError } from "@aivault/broker";
import { VaultError } from "@aivault/vault-core";
import { describe, expect, it } from "vitest";
import { DaemonError } from "./errors.ts";
import { createLog } from "./log.ts";
import { Problem } from "./problem.ts";

const CANARY = "sk-canary-0123456789";

/** What is written when `fields` are logged. */
function logged(fields: object): string {
  let text = "";
  const destination = new Writable({
    write(chunk, _, done) {
      text += chunk;
      done();
    },
  });
  createLog(destination).error(fields, "a request failed");
  return text;
}

function thrownBy(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}

describe("createLog", () => {
  it.each<[string, object]>([
    ["headers", { headers: { authorization: CANARY } }],
    ["a body", { body: CANARY }],
    ["a request", { req: { headers: { authorization: CANARY }, body: CANARY } }],
    ["what is in something", { call: { headers: { a: CANARY }, body: CANARY } }],
    ["an error's message", { err: new Error(`cannot send ${CANARY}`) }],
    ["what JSON.parse quotes", { err: thrownBy(() => JSON.parse(`{"key":${CANARY}`)) }],
    ["what a URL parser quotes", { err: thrownBy(() => new URL(`//${CANARY}`)) }],
    ["an error's members", { err: Object.assign(new Error("x"), { request: { key: CANARY } }) }],
    ["an error's cause", { err: new Problem("internal", "x", { cause: new Error(CANARY) }) }],
    ["something thrown that is no error", { err: CANARY }],
    ["a message of several lines", { err: new Error(`x\n${CANARY}\n  at ${CANARY}`) }],
    ["a message that looks like a stack", { err: new Error(`x\n    at ${CANARY} (a.js:1:1)`) }],
  ])("G3: does not print %s", (_, fields) => {
    const line = logged(fields);
    expect(line).not.toContain("canary");
    expect(JSON.parse(line)).toMatchObject({ level: 50, msg: "a request failed" });
  });

  it.each<[string, Error]>([
    ["a problem", new Problem("conflict", "what it says")],
    ["the broker's", new BrokerError("auth_failed", "what it says")],
    ["the vault's", new VaultError("VAULT_STORE_FAILED", "what it says")],
    ["the daemon's", new DaemonError("DAEMON_VAULT_MISSING", "what it says")],
  ])("prints code, message and place of an error of ours: %s", (_, err) => {
    const line = JSON.parse(logged({ requestId: "r", err }));
    expect(line).toMatchObject({
      requestId: "r",
      err: { code: expect.any(String), message: "what it says", stack: expect.any(String) },
    });
    expect(line.err.stack).toMatch(/^ {4}at /);
  });

  it("prints what the system says", () => {
    const err = thrownBy(() => readFileSync("/nonexistent/file"));
    expect(JSON.parse(logged({ err })).err).toMatchObject({
      code: "ENOENT",
      message: expect.stringContaining("/nonexistent/file"),
    });
  });
});
