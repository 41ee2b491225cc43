import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, afterEach, expect, it, vi } from "vitest";
import { NameProcess } from "./name-process.ts";

const folder = mkdtempSync(join(tmpdir(), "aivault-names-"));
const open: NameProcess[] = [];

// A system in which a name says what becomes of it. Its address tells the process that answered.
const program = join(folder, "names.mjs");
writeFileSync(
  program,
  `process.on("disconnect", () => process.exit());
process.on("message", ({ host }) => {
  if (host.startsWith("hangs")) return;
  if (host.startsWith("dies")) process.exit(1);
  const code = host.startsWith("nowhere") ? "ENOTFOUND" : null;
  process.send({ host, addresses: code === null ? [String(process.pid)] : [], code });
});
`,
);

afterEach(() => {
  for (const names of open.splice(0)) names.close();
});

afterAll(() => rmSync(folder, { recursive: true }));

function make(now?: () => number): NameProcess {
  const names = new NameProcess({
    program: pathToFileURL(program),
    ...(now === undefined ? {} : { now }),
  });
  open.push(names);
  return names;
}

it("finds names, and says which it does not", async () => {
  const names = make();
  expect(await names.lookUp("here")).toHaveLength(1);
  await expect(names.lookUp("nowhere")).rejects.toMatchObject({ code: "ENOTFOUND" });
});

it("finds names beside others that hang", async () => {
  const names = make();
  for (let i = 0; i < 10; i++) void names.lookUp(`hangs-${i}`);
  expect(await names.lookUp("here")).toHaveLength(1);
});

it("asks for a name once, however many want it", () => {
  const names = make();
  expect(names.lookUp("hangs")).toBe(names.lookUp("hangs"));
});

it("asks another process when too many names hang, and keeps the young ones", async () => {
  let nowMs = 0;
  const names = make(() => nowMs);
  const [before] = await names.lookUp("here");
  const late = Array.from({ length: 40 }, (_, i) => names.lookUp(`hangs-${i}`));
  nowMs = 4_000;
  const young = names.lookUp("hangs-young");
  expect(await names.lookUp("here")).toEqual([before]);
  nowMs = 6_000;
  const [after] = await names.lookUp("here");
  expect(after).not.toBe(before);
  for (const asked of late) await expect(asked).rejects.toMatchObject({ code: "ETIMEOUT" });
  expect(names.lookUp("hangs-young")).toBe(young);
});

it("asks again for a name that is lost", async () => {
  let nowMs = 0;
  const names = make(() => nowMs);
  const first = names.lookUp("hangs");
  nowMs = 61_000;
  const second = names.lookUp("hangs");
  expect(second).not.toBe(first);
  await expect(first).rejects.toMatchObject({ code: "ETIMEOUT" });
});

it("survives its process, and gives a name up that kills two", async () => {
  const names = make();
  const [before] = await names.lookUp("here");
  const deadly = names.lookUp("dies");
  await expect(deadly).rejects.toMatchObject({ code: "EAI_FAIL" });
  const [after] = await names.lookUp("here");
  expect(after).not.toBe(before);
});

it("finds nothing where its process cannot be started, and does not insist", async () => {
  const names = new NameProcess({ program: pathToFileURL(join(folder, "missing.mjs")) });
  open.push(names);
  await expect(names.lookUp("here")).rejects.toMatchObject({ code: "EAI_FAIL" });
});

it("ends its process when it is closed, and those who wait", async () => {
  const names = make();
  const [pid] = await names.lookUp("here");
  const waiting = names.lookUp("hangs");
  names.close();
  await expect(waiting).rejects.toMatchObject({ code: "ECANCELLED" });
  await expect(names.lookUp("here")).rejects.toMatchObject({ code: "ECANCELLED" });
  await vi.waitFor(() => expect(() => process.kill(Number(pid), 0)).toThrow(), 10_000);
});
