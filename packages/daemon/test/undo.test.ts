// What is kept so that an import can be undone: how much of it, and for how long.

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Daemon } from "../src/start-daemon.ts";
import { type TestVault, testVault } from "./vault.ts";
import { call } from "./wire.ts";

const DAY_MS = 24 * 60 * 60_000;
const sealed = {
  headers: { "content-type": "application/octet-stream" },
  body: "octets that somebody has sealed",
};

let vault: TestVault;
let daemon: Daemon;

beforeEach(async () => {
  vault = testVault();
  await vault.init();
  daemon = await vault.start();
});
afterEach(async () => {
  vi.useRealTimers();
  await vault.dispose();
});

const keep = () => call(daemon.operatorSocket, "POST", "/aivault/undo", sealed);
const kinds = async (): Promise<readonly string[]> => {
  const { json } = await call(daemon.operatorSocket, "GET", "/aivault/audit?limit=100");
  return json.items.map(({ event }: { event: { kind: string } }) => event.kind);
};

describe("the undo of imports", () => {
  it("is kept for sixteen of them, however many come at once", async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, keep));
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([...Array(16).fill(201), ...Array(4).fill(409)]);
    expect((await kinds()).filter((kind) => kind === "undo.kept")).toHaveLength(16);
  });

  it("is gone after a day, though no daemon was at work for an hour", async () => {
    expect((await keep()).status).toBe(201);
    await daemon.close();
    daemon = await vault.start();
    expect(await kinds()).not.toContain("undo.expired");
    await daemon.close();
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + DAY_MS + 60_000 });
    daemon = await vault.start();
    expect(await kinds()).toContain("undo.expired");
  });
});
