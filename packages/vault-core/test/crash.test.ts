import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isVaultError, Vault } from "../src/index.ts";
import { fileKeyProvider, openFileStore, systemRandom } from "../src/node/index.ts";

// G20: each command is cut off at each system call that changes the folder (before it, after it, in
// the middle of a write) and each such call is made to fail; then a fresh process opens what is
// left. The short form takes ten of these for each command; AIVAULT_TEST_FULL=1 takes all.
const FULL = process.env["AIVAULT_TEST_FULL"] === "1";
const SHORT_TRIALS = 10;
const here = dirname(fileURLToPath(import.meta.url));
const COMMANDS = [
  "init",
  "create",
  "update",
  "rotate",
  "delete",
  "attach",
  "import",
  "policy",
  "audit",
  "audit-disk",
  "rotate-master",
];

let work: string;
let shim: string;
let program: string;
const canRun = process.platform === "linux" && spawnSync("gcc", ["--version"]).status === 0;
if (!canRun) process.stderr.write("crash: needs Linux and gcc, crash points are NOT run\n");

beforeAll(async () => {
  if (!canRun) return;
  work = mkdtempSync(join(tmpdir(), "aivault-crash-"));
  shim = join(work, "crashpoint.so");
  program = join(work, "command.mjs");
  execFileSync("gcc", [
    "-shared",
    "-fPIC",
    "-O2",
    "-w",
    "-o",
    shim,
    join(here, "crash/crashpoint.c"),
    "-ldl",
  ]);
  // tsup brings esbuild; the command runs as plain JavaScript, as it does once it is published.
  const require = createRequire(createRequire(import.meta.url).resolve("tsup"));
  const { build } = require("esbuild") as { build(options: unknown): Promise<unknown> };
  await build({
    entryPoints: [join(here, "crash/command.ts")],
    outfile: program,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
  });
});

afterAll(() => {
  if (work !== undefined) rmSync(work, { recursive: true, force: true });
});

async function prepare(secrets: number): Promise<string> {
  const origin = mkdtempSync(join(work, "origin-"));
  const vault = await Vault.create({
    store: await openFileStore(join(origin, "vault")),
    keyProvider: fileKeyProvider(join(origin, "keys", "kek.key")),
    random: systemRandom,
    now: Date.now,
  });
  await vault.transaction(async (tx) => {
    for (let index = 0; index < secrets; index += 1) {
      await tx.createSecret({ name: `K${index}`, value: new TextEncoder().encode(`v${index}`) });
    }
    await tx.putDocument("policy", "p", { after: false });
  });
  await vault.close();
  return origin;
}

function run(directory: string, command: string, environment: Record<string, string>) {
  const { NODE_EXTRA_CA_CERTS: _unused, ...inherited } = process.env;
  const child = spawnSync(process.execPath, [program, directory, command], {
    env: { ...inherited, LD_PRELOAD: shim, CP_DIR: directory, ...environment },
    encoding: "utf8",
    timeout: 60_000,
  });
  return { acknowledged: child.stdout.includes("ACK"), stderr: child.stderr };
}

/** What is wrong with what a cut-off command left behind; nothing when all is well. */
async function judge(directory: string, command: string, acknowledged: boolean): Promise<string[]> {
  const wrong: string[] = [];
  const note = (holds: boolean, what: string): void => {
    if (!holds) wrong.push(what);
  };
  const keyProvider = fileKeyProvider(join(directory, "keys", "kek.key"));
  const store = await openFileStore(join(directory, "vault"));
  try {
    const options = { store, random: systemRandom, now: Date.now };
    let vault: Vault;
    try {
      vault = await Vault.open(options);
    } catch (error) {
      const absent = isVaultError(error) && error.code === "VAULT_NOT_INITIALIZED";
      note(command === "init" && absent && !acknowledged, `does not open: ${error}`);
      if (absent) await Vault.create({ ...options, keyProvider });
      return wrong;
    }
    await vault.unlock(keyProvider);
    const records = await vault.verify();
    note(records.ok && records.foreign.length === 0, JSON.stringify(records));
    const audit = await vault.audit.verify();
    note(audit.ok, JSON.stringify(audit));

    const values = new Map<string, string>();
    for (const { secretId, name } of (await vault.listSecrets({ limit: 1000 })).items) {
      values.set(name, await vault.useSecret(secretId, (value) => new TextDecoder().decode(value)));
    }
    const expected =
      records.secrets > 0 ? [...values.keys()].filter((name) => /^K\d/.test(name)) : [];
    for (const name of expected) {
      const allowed = [
        `v${name.slice(1)}`,
        ...(name === "K0" && command === "rotate" ? ["rotated"] : []),
      ];
      note(allowed.includes(values.get(name) ?? ""), `${name} has a wrong value`);
    }
    const k0 = await vault.findSecret("K0", { kind: "global" });
    const policy = (await vault.getDocument("policy", "p"))?.value as
      | { after: boolean }
      | undefined;
    const imported = [...values.keys()].filter((name) => /^I\d/.test(name)).length;
    note(imported === 0 || imported === 50, `${imported} of 50 imported`);
    if (command !== "delete" && command !== "init") note(k0 !== null, "K0 is gone");
    const done: Record<string, boolean> = {
      create: values.get("NEW") === "new",
      update: k0?.aliases[0] === "ALIAS" && k0.pinnedProvider === "p",
      rotate: values.get("K0") === "rotated",
      delete: k0 === null,
      attach: k0?.attachedGroups.length === 1,
      import: imported === 50,
      policy: policy?.after === true,
      audit: (await vault.audit.read()).some(({ event }) => event.kind === "crash.acknowledged"),
    };
    done["audit-disk"] = done["audit"] === true;
    if (acknowledged) note(done[command] ?? true, "an acknowledged change is missing");
    note(vault.status().previousKeyProvider === null, "two keys open the vault");
    await vault.close();
  } finally {
    await store.close().catch(() => {});
  }
  note(readdirSync(join(directory, "vault", "tmp")).length === 0, "temporary files are left");
  note(!readdirSync(join(directory, "vault")).includes("journal"), "the journal is left");
  wrong.push(...looseModes(directory));
  return wrong;
}

function looseModes(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" }).flatMap((name) => {
    const { mode } = statSync(join(directory, name));
    return (mode & 0o077) === 0 ? [] : [`${name} has mode ${(mode & 0o777).toString(8)}`];
  });
}

async function enumerate(command: string, origin: string | null): Promise<string> {
  const directory = join(work, "trial");
  const reset = () => {
    rmSync(directory, { recursive: true, force: true });
    if (origin !== null) cpSync(origin, directory, { recursive: true, mode: 0 });
    else execFileSync("mkdir", ["-m", "700", directory]);
  };
  const log = join(work, "points.log");
  rmSync(log, { force: true });
  reset();
  expect(run(directory, command, { CP_LOG: log })).toMatchObject({ acknowledged: true });
  expect(await judge(directory, command, true)).toEqual([]);
  const points = readFileSync(log, "utf8").trim().split("\n");
  const trials = points.flatMap((point, index) => {
    const torn = /write/.test(point) ? ["torn:0", "torn:1", "torn:511", "torn:4096"] : [];
    const modes = ["before", "after", "err:ENOSPC", "err:EIO", "err:EROFS", ...torn];
    return modes.map((mode) => ({ at: index + 1, mode, point }));
  });
  let runs = 0;
  const stride = FULL ? 1 : Math.ceil(trials.length / SHORT_TRIALS);
  // A different start for each command, so that the short form does not always see the same calls.
  for (let index = FULL ? 0 : command.length; index < trials.length; index += stride) {
    const { at, mode, point } = trials[index] as (typeof trials)[number];
    reset();
    const { acknowledged } = run(directory, command, { CP_AT: `${at}`, CP_MODE: mode });
    const wrong = await judge(directory, command, acknowledged).catch((error: unknown) => [
      `${error}`,
    ]);
    expect({ command, at, mode, point, acknowledged, wrong }).toMatchObject({ wrong: [] });
    runs += 1;
  }
  return `crash: ${command}: ${points.length} points, ${runs} of ${trials.length} trials, 0 bad\n`;
}

describe.runIf(canRun)("a command cut off anywhere", { timeout: 3_600_000 }, () => {
  it.each(COMMANDS)(
    "G20: %s loses nothing acknowledged and leaves a vault that opens",
    async (command) => {
      const origin = command === "init" ? null : await prepare(3);
      process.stderr.write(await enumerate(command, origin));
      if (origin !== null) rmSync(origin, { recursive: true, force: true });
    },
  );

  it.runIf(FULL)("G20: rotate-master of 100 secrets, likewise", async () => {
    process.stderr.write(await enumerate("rotate-master", await prepare(100)));
  });
});
