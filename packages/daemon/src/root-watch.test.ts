import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { expect, it, vi } from "vitest";
import { watchRoot } from "./root-watch.ts";

it("tells once that a directory is gone", async () => {
  const root = mkdtempSync(join(tmpdir(), "aivault-root-"));
  const gone = vi.fn();
  const stop = watchRoot(root, gone, 5);
  await wait(40);
  expect(gone).not.toHaveBeenCalled();
  rmSync(root, { recursive: true });
  await expect.poll(() => gone.mock.calls.length, { timeout: 10_000 }).toBe(1);
  await wait(40);
  expect(gone).toHaveBeenCalledTimes(1);
  stop();
});

it("says nothing once it is stopped", async () => {
  const root = mkdtempSync(join(tmpdir(), "aivault-root-"));
  const gone = vi.fn();
  watchRoot(root, gone, 5)();
  renameSync(root, `${root}.moved`);
  await wait(60);
  rmSync(`${root}.moved`, { recursive: true });
  expect(gone).not.toHaveBeenCalled();
});
