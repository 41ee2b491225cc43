// Power cuts on a real file system: the vault is on ext4 (or xfs) on a loop device, processes write to
// it, and at random moments the file behind the device is copied. The copy is the disk as a power cut
// leaves it. It is mounted where the original was, in a namespace of its own, and judged.
//
//   node e2e/faults/powercut.mjs [--cuts 1000] [--writers 4] [--fs ext4] [--seed N] [--results FILE]
//
// Needs root, a loop device and mkfs; without them it says so and ends with 77.
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { env } from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { seeded } from "../support/seeded.mjs";
import { findCore } from "./enumerate.mjs";
import { buildShim, makeTemporary, runNode, shimEnvironment } from "./shim.mjs";

const SELF = import.meta.filename;
const scenario = { name: "powercut" };
/** It reads everything on the disk, on a machine that may have other things to do. */
const JUDGE_MS_MAX = 15 * 60_000;
/** xfs refuses to mount two file systems with one id, which a disk and its copy have. */
const MOUNT = { ext4: "loop", xfs: "loop,nouuid" };

// --- a writer: each takes the lock in turn, and keeps to what is its own --------------------------

async function write({ newWorld, value }, [root, id, ackFile]) {
  const acks = fs.openSync(ackFile, "a", 0o600);
  const say = (line) => fs.writeSync(acks, `${line}\n`);
  let number = 0;
  for (let turn = 0; ; turn++) {
    let world;
    try {
      world = await newWorld(root, scenario, `writer-${id}-${turn}`);
      await world.open();
    } catch (error) {
      if (error.code !== "VAULT_BUSY") throw error;
      await sleep(1 + Math.random() * 10);
      continue;
    }
    const secret = await world.find(`WRITER_${id}`);
    for (let burst = 0; burst < 5; burst++) {
      number++;
      say(`started ${number}`);
      await world.change(async (tx) => {
        await tx.rotateSecret(secret, value(`${id}/${number}`));
        await tx.putDocument("state", `own-${id}`, { number });
        if (number % 3 === 0)
          await tx.createSecret({ name: `W${id}_${number}`, value: value(number) });
      });
      await world.vault.audit.append({ kind: "test.happened", writer: id, number });
      if (number % 2 === 0) {
        await world.vault.audit.flush();
        say(`flushed ${number}`);
      }
      say(`acked ${number}`);
    }
    await world.close();
  }
}

// --- the judge, on the copy -----------------------------------------------------------------------

async function judge({ newWorld }, [root, acksText]) {
  const problems = [];
  const acks = JSON.parse(acksText);
  const world = await newWorld(root, scenario, "judge", { dayOffset: 1 });
  try {
    await world.open();
    const entries = await world.vault.audit.read({ limit: 1_000_000 });
    for (const [id, { acked, started, flushed }] of Object.entries(acks)) {
      const text = await world.vault.useSecret(await world.find(`WRITER_${id}`), (bytes) =>
        Buffer.from(bytes).toString("utf8"),
      );
      const number = Number(/-\d+\/(\d+)-/.exec(text)?.[1] ?? Number.NaN);
      if (!(number >= acked && number <= started)) {
        problems.push(`writer ${id}: found ${number}, allowed are ${acked} to ${started}`);
      }
      const own = await world.vault.getDocument("state", `own-${id}`);
      if ((own?.value.number ?? 0) !== number) problems.push(`writer ${id}: a change is not whole`);
      for (let k = 3; k <= number; k += 3) await world.find(`W${id}_${k}`);
      const heard = new Set(
        entries.filter(({ event }) => event.writer === id).map(({ event }) => event.number),
      );
      for (let k = 1; k <= flushed; k++)
        if (!heard.has(k)) problems.push(`writer ${id}: entry ${k} is lost`);
    }
    const { quarantined } = world.vault.status();
    if (quarantined.length > 0) problems.push(`quarantined: ${quarantined.join(", ")}`);
    const verified = await world.vault.audit.verify();
    if (!verified.ok) problems.push(`audit: ${verified.problem}`);
    await world.change((tx) => tx.putDocument("state", "probe", { number: 1 }));
  } catch (error) {
    problems.push(`the judge was stopped by ${error.code ?? ""} ${error.message}`);
  } finally {
    await world.close();
  }
  process.stdout.write(JSON.stringify({ problems }));
}

// --- the harness ----------------------------------------------------------------------------------

function command(name, ...args) {
  const done = spawnSync(name, args, { encoding: "utf8" });
  if (done.status !== 0) throw new Error(`${name} ${args.join(" ")}: ${done.stderr || done.error}`);
}

function readAcks(directory, writers) {
  const acks = {};
  for (let id = 0; id < writers; id++) {
    const file = path.join(directory, `acks-${id}`);
    const text = fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "";
    const last = (word) =>
      Number([...text.matchAll(new RegExp(`^${word} (\\d+)$`, "gm"))].at(-1)?.[1] ?? 0);
    acks[id] = { acked: last("acked"), started: last("started"), flushed: last("flushed") };
  }
  return acks;
}

// The device may still be written to by the system while it is read, and no power cut mixes two
// moments, so what is copied is read again until both readings agree.
function copyDisk(from, to) {
  for (let attempt = 0; attempt < 20; attempt++) {
    command("cp", "--sparse=always", from, to);
    if (spawnSync("cmp", ["-s", from, to]).status === 0) return;
  }
  throw new Error("the disk never stands still");
}

async function main() {
  const { values } = parseArgs({
    options: {
      cuts: { type: "string", default: "1000" },
      writers: { type: "string", default: "4" },
      fs: { type: "string", default: "ext4" },
      seed: { type: "string", default: "1" },
      core: { type: "string" },
      results: { type: "string" },
      keep: { type: "string" },
    },
  });
  const cannot = (reason) => {
    console.error(`POWER CUTS NOT RUN: ${reason}`);
    return 77;
  };
  if (process.getuid?.() !== 0) return cannot("root is needed to mount");
  if (!fs.existsSync("/dev/loop-control")) return cannot("there is no loop device");
  if (spawnSync(`mkfs.${values.fs}`, ["-V"]).error) return cannot(`there is no mkfs.${values.fs}`);
  const coreDirectory = findCore(values.core);
  if (!coreDirectory) return cannot("vault-core is not built (pnpm build)");
  env.FAULTS_CORE = coreDirectory;
  const { newWorld, value } = await import("./vault-subject.mjs");
  const writers = Number(values.writers);
  const cuts = Number(values.cuts);
  const random = seeded(Number(values.seed));
  const directory = makeTemporary("powercut");
  const shim = buildShim(directory);
  const [disk, mount] = ["disk.img", "mount"].map((name) => path.join(directory, name));
  const bootFile = path.join(directory, "boot-id");
  fs.writeFileSync(bootFile, "00000000-0000-4000-8000-000000000000\n");
  fs.mkdirSync(mount);
  const root = path.join(mount, "root");
  let bad = 0;
  let done = 0;
  let changes = 0;
  let children = [];
  const startedAtMs = performance.now();

  const freshDisk = async () => {
    spawnSync("umount", ["-q", mount]);
    fs.writeFileSync(disk, "");
    fs.truncateSync(disk, (values.fs === "xfs" ? 300 : 24) * 1024 * 1024);
    command(
      `mkfs.${values.fs}`,
      ...(values.fs === "xfs" ? ["-q", "-f", disk] : ["-q", "-F", disk]),
    );
    command("mount", "-o", MOUNT[values.fs], disk, mount);
    fs.mkdirSync(root, { mode: 0o700 });
    const world = await newWorld(root, scenario, `setup-${done}`);
    await world.init();
    for (let id = 0; id < writers; id++) {
      await world.change((tx) =>
        tx.createSecret({ name: `WRITER_${id}`, value: value(`${id}/0`) }),
      );
    }
    await world.close();
    for (let id = 0; id < writers; id++) {
      fs.rmSync(path.join(directory, `acks-${id}`), { force: true });
    }
    children = Array.from({ length: writers }, (_, id) => {
      const args = [SELF, "write", root, String(id), path.join(directory, `acks-${id}`)];
      const child = spawn(process.execPath, args, { env, stdio: ["ignore", "ignore", "pipe"] });
      child.errors = "";
      child.stderr.on("data", (text) => {
        child.errors += text;
      });
      return child;
    });
  };

  const stop = async () => {
    await Promise.all(
      children.map((child) => {
        if (child.exitCode !== null || child.signalCode !== null) return null;
        const ended = new Promise((resolve) => child.on("close", resolve));
        child.kill("SIGKILL");
        return ended;
      }),
    );
    children = [];
  };

  try {
    while (done < cuts) {
      await freshDisk();
      // A disk is used for some cuts and then replaced, so that it does not fill.
      for (let i = 0; i < 25 && done < cuts; i++) {
        await sleep(20 + random() * 200);
        const dead = children.find((child) => child.exitCode !== null);
        if (dead) throw new Error(`a writer ended by itself: ${dead.errors}`);
        for (const child of children) child.kill("SIGSTOP");
        await sleep(5); // calls under way end
        const acks = readAcks(directory, writers);
        // A file of its own: the one before may still be behind a loop device.
        const cut = path.join(directory, `cut-${done}.img`);
        copyDisk(disk, cut);
        const judging = [MOUNT[values.fs], cut, mount, root];
        const judged = await runNode([SELF, "judge-cut", ...judging, JSON.stringify(acks)], {
          env: shimEnvironment(shim, { boot: bootFile }),
          timeoutMs: JUDGE_MS_MAX,
        });
        // Writers wait for the judge, or a slow one would have ever more to read.
        for (const child of children) child.kill("SIGCONT");
        if (judged.hung) throw new Error("the judge did not end");
        done++;
        changes = Math.max(
          changes,
          Object.values(acks).reduce((sum, { acked }) => sum + acked, 0),
        );
        let problems;
        try {
          problems = JSON.parse(judged.stdout).problems;
        } catch {
          problems = [`the judge died: ${judged.stderr.slice(-400)}`];
        }
        const verdict = problems.length === 0 ? "ok" : "BAD";
        const row = {
          test: "powercut",
          case: values.fs,
          cut: done,
          seed: values.seed,
          expected: acks,
          ms: judged.ms,
          verdict,
          problems,
        };
        if (values.results) fs.appendFileSync(values.results, `${JSON.stringify(row)}\n`);
        if (verdict === "BAD") {
          bad++;
          if (values.keep) fs.copyFileSync(cut, path.join(values.keep, `cut-${done}.img`));
          console.log(`BAD cut ${done}: ${problems.slice(0, 3).join(" | ")}`);
        }
        fs.rmSync(cut);
      }
      await stop();
    }
  } finally {
    await stop();
    spawnSync("umount", ["-l", mount]);
    fs.rmSync(directory, { recursive: true, force: true });
  }
  const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1);
  console.log(
    `power cuts on ${values.fs}: ${done} cuts, ${bad} bad, up to ${changes} changes on a disk, ${seconds} s`,
  );
  return bad === 0 ? 0 : 1;
}

// Mounts the copy where the disk is, in a mount namespace that only the judge sees.
function judgeCut([options, image, mount, root, acks]) {
  const script =
    'mount -o "$1" "$2" "$3" && "$4" "$5" judge "$6" "$7"; status=$?; umount "$3"; exit $status';
  const args = ["-m", "--propagation", "private", "sh", "-c", script, "sh", options, image, mount];
  const run = spawnSync("unshare", [...args, process.execPath, SELF, root, acks], {
    encoding: "utf8",
  });
  process.stdout.write(run.stdout);
  process.stderr.write(run.stderr);
  return run.status ?? 1;
}

const [task, ...args] = process.argv.slice(2);
if (task === "write") await write(await import("./vault-subject.mjs"), args);
else if (task === "judge") await judge(await import("./vault-subject.mjs"), args);
else if (task === "judge-cut") process.exitCode = judgeCut(args);
else process.exitCode = await main();
