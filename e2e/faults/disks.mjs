// A vault on disks that fail: full, read-only, limited, unreadable in part. Nothing acknowledged is
// lost, nothing is acknowledged that was not written, the error says what it is, and when the disk is
// well again the same process goes on.
//
//   node e2e/faults/disks.mjs [--core DIR] [--results FILE]
//
// What needs root (a small tmpfs, a loop device, another user) is left out without it, and says so.
// Exit status as enumerate.mjs.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { env } from "node:process";
import { parseArgs } from "node:util";
import { findCore } from "./enumerate.mjs";
import { buildShim, NoCompilerError, runNode, shimEnvironment } from "./shim.mjs";

const SELF = import.meta.filename;
const NOBODY = 65_534;
const scenario = { name: "disks" };
const isRoot = process.getuid?.() === 0;

// --- what a process does with a vault while the disk fails --------------------------------------

// Makes secrets until one is refused. Returns the names acknowledged and the refusal.
async function createUntilRefused({ world, value, names, most = 2000 }) {
  for (let i = 0; i < most; i++) {
    const name = `FILL_${names.length}`;
    try {
      await world.change((tx) => tx.createSecret({ name, value: value(name) }));
      names.push(name);
    } catch (error) {
      return error;
    }
  }
  return null;
}

async function appendUntilRefused({ world, appended, most = 20_000 }) {
  for (let i = 0; i < most; i++) {
    try {
      const number = appended.length;
      await world.vault.audit.append({ kind: "test.happened", number, pad: "p".repeat(200) });
      appended.push(number);
    } catch (error) {
      return error;
    }
  }
  return null;
}

// Every secret acknowledged is there with its value, and no other.
async function checkKept({ world, value, names, appended, problems, when }) {
  const listed = [];
  let after;
  do {
    const page = await world.vault.listSecrets(after === undefined ? {} : { after });
    listed.push(...page.items);
    after = page.next;
  } while (after !== null);
  const seen = listed.map(({ name }) => name).sort();
  if (JSON.stringify(seen) !== JSON.stringify([...names].sort())) {
    problems.push(`${when}: ${names.length} acknowledged, ${seen.length} listed`);
  }
  for (const { secretId, name } of listed) {
    const same = await world.vault.useSecret(
      secretId,
      (bytes) => Buffer.compare(bytes, value(name)) === 0,
    );
    if (!same) problems.push(`${when}: ${name} has another value`);
  }
  if (appended) {
    const verified = await world.vault.audit.verify();
    if (!verified.ok) problems.push(`${when}: audit ${verified.problem}`);
    const entries = await world.vault.audit.read({ limit: 100_000 });
    const numbers = new Set(entries.map(({ event }) => event.number));
    const lost = appended.filter((number) => !numbers.has(number));
    if (lost.length > 0) problems.push(`${when}: ${lost.length} audit entries are lost`);
  }
}

function requireCode(error, codes, what, problems) {
  if (error === null) problems.push(`${what} is never refused`);
  else if (error.name !== "VaultError" || !codes.includes(error.code)) {
    problems.push(`${what} is refused with ${error.name} ${error.code}: ${error.message}`);
  }
}

// --- cases --------------------------------------------------------------------------------------

async function fullDisk({ mountTmpfs, newWorld, value, problems }) {
  const mount = mountTmpfs("2m");
  const root = path.join(mount, "root");
  fs.mkdirSync(root, { mode: 0o700 });
  const names = [];
  const appended = [];
  const world = await newWorld(root, scenario, "full");
  await world.init();
  const { bavail, bsize } = fs.statfsSync(mount);
  const ballast = path.join(mount, "ballast");
  fs.writeFileSync(ballast, Buffer.alloc(bavail * bsize - 65_536));
  const use = { world, value, names, appended, problems };
  const codes = ["VAULT_STORE_FULL"];
  requireCode(await createUntilRefused(use), codes, "a change on a full disk", problems);
  fs.writeFileSync(path.join(mount, "more"), Buffer.alloc(0));
  const auditRefusal = await appendUntilRefused(use);
  requireCode(auditRefusal, ["VAULT_AUDIT_FAILED", "VAULT_STORE_FULL"], "an audit entry", problems);
  let refused = 0;
  for (let i = 0; i < 50; i++) {
    const error = await createUntilRefused({ ...use, most: 1 });
    if (error) refused++;
    if (error) requireCode(error, [...codes, "VAULT_AUDIT_FAILED"], "a change", problems);
    const entry = await appendUntilRefused({ ...use, most: 1 });
    if (entry) requireCode(entry, ["VAULT_AUDIT_FAILED", ...codes], "an entry", problems);
  }
  await checkKept({ ...use, when: "while full" });
  fs.rmSync(ballast);
  const freeAtMs = performance.now();
  const stillRefused = await createUntilRefused({ ...use, most: 20 });
  if (stillRefused) problems.push(`with space again: ${stillRefused.code} ${stillRefused.message}`);
  const stillUnheard = await appendUntilRefused({ ...use, most: 20 });
  if (stillUnheard) problems.push(`audit with space again: ${stillUnheard.code}`);
  const healedMs = Math.round(performance.now() - freeAtMs);
  await checkKept({ ...use, when: "with space again" });
  await world.close();
  const next = await newWorld(root, scenario, "full-next");
  await next.open();
  await checkKept({ ...use, world: next, when: "after a restart" });
  await next.close();
  return `${names.length} secrets and ${appended.length} entries kept, ${refused} refused, well after ${healedMs} ms`;
}

async function readOnlyDisk({
  mountLoop,
  remountAborted,
  remount,
  core,
  newWorld,
  value,
  problems,
}) {
  const mount = mountLoop();
  const root = path.join(mount, "root");
  fs.mkdirSync(root, { mode: 0o700 });
  const names = [];
  const appended = [];
  const world = await newWorld(root, scenario, "read-only");
  const use = { world, value, names, appended, problems };
  await world.init();
  await createUntilRefused({ ...use, most: 5 });
  await appendUntilRefused({ ...use, most: 5 });
  await world.vault.audit.flush();
  // ext4 does this by itself when it meets an error of the device.
  remountAborted(mount);
  const codes = ["VAULT_STORE_FAILED"];
  requireCode(await createUntilRefused(use), codes, "a change on a read-only disk", problems);
  const refusal = await appendUntilRefused({ ...use, most: 5 });
  requireCode(refusal, ["VAULT_AUDIT_FAILED", ...codes], "an audit entry", problems);
  await checkKept({ ...use, appended: null, when: "while read-only" });
  if (world.vault.status().locked) problems.push("the vault locked itself");
  await world.close().catch(() => {});
  const { openFileStore, Vault } = core;
  const store = await openFileStore(path.join(root, "vault"), { readOnly: true });
  const reader = await Vault.open({ ...world.options(), store });
  await reader.unlock(world.keyProvider);
  await checkKept({ ...use, world: { vault: reader }, appended: null, when: "opened read-only" });
  await reader.close();
  const writer = await newWorld(root, scenario, "read-only-writer")
    .then((next) => next.close())
    .catch((error) => error);
  requireCode(writer ?? null, [...codes, "VAULT_STORE_FULL"], "opening for writing", problems);
  remount(mount);
  const next = await newWorld(root, scenario, "read-only-next");
  await next.open();
  await createUntilRefused({ ...use, world: next, most: 2 });
  await checkKept({ ...use, world: next, when: "writable again" });
  await next.close();
  return `${names.length} secrets and ${appended.length} entries kept`;
}

async function limitedFiles({ directory, coreDirectory, newWorld, value, problems }) {
  const root = path.join(directory, "limited");
  fs.mkdirSync(root, { mode: 0o700 });
  const ackFile = path.join(directory, "limited-acks");
  const script = `ulimit -f 32; exec "$0" "$1" inside limited "$2" "$3"`;
  const child = spawnSync("bash", ["-c", script, process.execPath, SELF, root, ackFile], {
    env: { ...process.env, FAULTS_CORE: coreDirectory },
    encoding: "utf8",
  });
  if (child.status !== 0) {
    problems.push(
      `the process ended with ${child.status ?? child.signal}: ${child.stderr.slice(-300)}`,
    );
    return "";
  }
  const inside = JSON.parse(child.stdout);
  problems.push(...inside.problems);
  const world = await newWorld(root, scenario, "limited-next");
  await world.open();
  await checkKept({ world, value, ...inside, problems, when: "without the limit" });
  await world.close();
  return `${inside.names.length} secrets and ${inside.appended.length} entries kept`;
}

// A record that this user may not read (EACCES), or that the disk does not give back (EIO).
async function unreadableRecord({ directory, coreDirectory, problems, shim, how }) {
  const home = path.join(directory, how);
  const root = path.join(home, "root");
  fs.mkdirSync(root, { recursive: true, mode: 0o700 });
  const asNobody = how === "nobody";
  if (asNobody) {
    fs.chmodSync(directory, 0o711);
    fs.chownSync(home, NOBODY, NOBODY);
    fs.chownSync(root, NOBODY, NOBODY);
  }
  const run = (task, environment) =>
    runNode([SELF, "inside", task, root], {
      env: { ...environment, FAULTS_CORE: coreDirectory, HOME: home },
      ...(asNobody ? { uid: NOBODY, gid: NOBODY } : {}),
    });
  const made = await run("make", process.env);
  if (made.status !== 0) throw new Error(`making a vault fails: ${made.stderr}`);
  const { files } = JSON.parse(made.stdout);
  const [suffix] = files;
  const environment = asNobody
    ? process.env
    : shimEnvironment(shim, { root, read: `EIO:${suffix}` });
  const read = await run(asNobody ? "forbidden" : "unreadable", environment);
  if (read.status !== 0) problems.push(`exit ${read.status}: ${read.stderr.slice(-300)}`);
  else problems.push(...JSON.parse(read.stdout).problems);
  return read.status === 0 ? JSON.parse(read.stdout).got : "";
}

// --- the part inside another process ------------------------------------------------------------

function recordsIn(root) {
  const folder = path.join(root, "vault", "secrets");
  return fs
    .readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

// The secret with the unreadable record fails closed and is named by the status; the others work.
async function checkOneUnreadable(world, problems) {
  const { items } = await world.vault.listSecrets();
  let read = 0;
  for (const { secretId } of items) {
    try {
      await world.vault.useSecret(secretId, () => {});
      read++;
    } catch (error) {
      requireCode(error, ["VAULT_STORE_FAILED", "VAULT_OPEN_FAILED"], "reading", problems);
    }
  }
  const { quarantined } = world.vault.status();
  if (read !== 2) problems.push(`${read} of the 2 readable secrets can be read`);
  if (quarantined.length !== 1) problems.push(`the status names ${quarantined.length} records`);
  return `2 of 3 read, ${quarantined.length} named`;
}

async function checkAllReadable(world, problems, when) {
  const { items } = await world.vault.listSecrets();
  for (const { secretId } of items) await world.vault.useSecret(secretId, () => {});
  if (items.length !== 3) problems.push(`${when}: ${items.length} of 3 secrets listed`);
}

// One change, under a name that no other has.
let extra = 0;
async function changeOnce(world, value) {
  const name = `EXTRA_${extra++}`;
  try {
    await world.change((tx) => tx.createSecret({ name, value: value(name) }));
    return null;
  } catch (error) {
    return error;
  }
}

const insideTasks = {
  async limited({ newWorld, value }, root) {
    process.on("SIGXFSZ", () => {}); // as the daemon does: the write fails with EFBIG instead
    const problems = [];
    const names = [];
    const appended = [];
    const world = await newWorld(root, scenario, "limited");
    await world.init();
    const use = { world, value, names, appended, problems };
    await createUntilRefused({ ...use, most: 20 });
    const codes = ["VAULT_AUDIT_FAILED", "VAULT_STORE_FULL"];
    requireCode(await appendUntilRefused(use), codes, "an entry past the limit", problems);
    await checkKept({ ...use, when: "at the limit" });
    await world.close().catch(() => {});
    return { problems, names, appended };
  },

  async make({ newWorld, value }, root) {
    const world = await newWorld(root, scenario, "make");
    await world.init();
    await createUntilRefused({ world, value, names: [], most: 3 });
    await world.close();
    return { files: recordsIn(root) };
  },

  async unreadable({ newWorld, value }, root) {
    const problems = [];
    const world = await newWorld(root, scenario, "unreadable");
    await world.open();
    const got = await checkOneUnreadable(world, problems);
    const error = await changeOnce(world, value);
    if (error) problems.push(`a new secret is refused: ${error.code} ${error.message}`);
    await world.close();
    return { problems, got };
  },

  async forbidden({ newWorld, value }, root) {
    const problems = [];
    const [record] = recordsIn(root);
    fs.chmodSync(record, 0o000);
    let world = await newWorld(root, scenario, "forbidden");
    await world.open();
    const got = await checkOneUnreadable(world, problems);
    await world.close();
    fs.chmodSync(record, 0o600);
    world = await newWorld(root, scenario, "forbidden-2");
    await world.open();
    const folders = [...new Set([path.join(root, "vault"), ...recordsIn(root).map(path.dirname)])];
    for (const folder of folders) fs.chmodSync(folder, 0o500);
    const error = await changeOnce(world, value);
    requireCode(error, ["VAULT_STORE_FAILED"], "a change in a folder one may not write", problems);
    await checkAllReadable(world, problems, "in a folder one may not write");
    for (const folder of folders) fs.chmodSync(folder, 0o700);
    const healed = await changeOnce(world, value);
    if (healed) problems.push(`allowed again: ${healed.code} ${healed.message}`);
    await world.close();
    return { problems, got };
  },
};

// --- the harness --------------------------------------------------------------------------------

function command(name, ...args) {
  const done = spawnSync(name, args, { encoding: "utf8" });
  if (done.status !== 0) throw new Error(`${name} ${args.join(" ")}: ${done.stderr}`);
}

async function main() {
  const { values } = parseArgs({
    options: { core: { type: "string" }, results: { type: "string" } },
  });
  const coreDirectory = findCore(values.core);
  if (!coreDirectory) {
    console.error("DISK TESTS NOT RUN: vault-core is not built (pnpm build)");
    return 77;
  }
  env.FAULTS_CORE = coreDirectory;
  const { newWorld, value, vaultCore: core } = await import("./vault-subject.mjs");
  const directory = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), "aivault-disks-"));
  const mounts = [];
  const newMount = () => {
    const mount = path.join(directory, `mount-${mounts.length}`);
    fs.mkdirSync(mount);
    mounts.push(mount);
    return mount;
  };
  const image = path.join(directory, "disk.img");
  const tools = {
    mountTmpfs(size) {
      const mount = newMount();
      command("mount", "-t", "tmpfs", "-o", `size=${size}`, "tmpfs", mount);
      return mount;
    },
    mountLoop() {
      const mount = newMount();
      fs.writeFileSync(image, "");
      fs.truncateSync(image, 32 * 1024 * 1024);
      command("mkfs.ext4", "-q", "-F", image);
      command("mount", "-o", "loop", image, mount);
      return mount;
    },
    remountAborted: (mount) => command("mount", "-o", "remount,abort", mount),
    remount(mount) {
      command("umount", mount);
      spawnSync("fsck.ext4", ["-p", image]);
      command("mount", "-o", "loop", image, mount);
    },
  };
  let shim = null;
  try {
    shim = buildShim(directory);
  } catch (error) {
    if (!(error instanceof NoCompilerError)) throw error;
  }
  const cases = [
    { name: "a full disk", needs: isRoot ? null : "root", run: fullDisk },
    { name: "a disk that turned read-only", needs: isRoot ? null : "root", run: readOnlyDisk },
    { name: "a limit on the size of files", needs: null, run: limitedFiles },
    {
      name: "a record that cannot be read (EIO)",
      needs: shim ? null : "a C compiler",
      run: (given) => unreadableRecord({ ...given, how: "eio" }),
    },
    {
      name: "a record and folders without permission (EACCES)",
      needs: isRoot ? null : "root",
      run: (given) => unreadableRecord({ ...given, how: "nobody" }),
    },
  ];
  let bad = 0;
  try {
    for (const { name, needs, run } of cases) {
      if (needs) {
        console.error(`NOT RUN, needs ${needs}: ${name}`);
        continue;
      }
      const problems = [];
      const startedAtMs = performance.now();
      let got = "";
      try {
        got = await run({
          ...tools,
          core,
          coreDirectory,
          directory,
          newWorld,
          value,
          problems,
          shim,
        });
      } catch (error) {
        problems.push(`stopped by ${error.code ?? ""} ${error.stack}`);
      }
      const ms = Math.round(performance.now() - startedAtMs);
      const verdict = problems.length === 0 ? "ok" : "BAD";
      if (verdict === "BAD") bad++;
      const row = { test: "disks", case: name, got, ms, verdict, problems };
      if (values.results) fs.appendFileSync(values.results, `${JSON.stringify(row)}\n`);
      console.log(`${verdict} ${name}: ${got}, ${ms} ms ${[...new Set(problems)].join(" | ")}`);
    }
  } finally {
    for (const mount of mounts) spawnSync("umount", ["-l", mount]);
    fs.rmSync(directory, { recursive: true, force: true });
  }
  return bad === 0 ? 0 : 1;
}

const [inside, task, root] = process.argv.slice(2);
if (inside === "inside") {
  const answer = await insideTasks[task](await import("./vault-subject.mjs"), root);
  process.stdout.write(JSON.stringify(answer));
} else {
  process.exitCode = await main();
}
