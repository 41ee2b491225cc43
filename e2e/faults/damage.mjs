// Damage at rest: every single bit and every length of every file of a small vault, every swap of two
// files and every older copy of one, things that are not files, and random edits of the audit log.
// Each must be detected, and nothing that was damaged may be used (G11, G18).
//
//   node e2e/faults/damage.mjs --full             all bits, all lengths, 10,000 edits of the log
//   node e2e/faults/damage.mjs --short            a part that depends on the seed alone
//   node e2e/faults/damage.mjs --only flip:vault.json:17   one of them again
//   node e2e/faults/damage.mjs --full --part 3/8          every eighth, for several runs that are all of it
//
//   [--kinds "bits flipped,swaps"] [--match TEXT]   those of these kinds whose name matches
//   [--edits N] [--seed N] [--core DIR] [--results FILE]   Exit status as enumerate.mjs.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { env } from "node:process";
import { parseArgs } from "node:util";
import { seeded } from "../support/seeded.mjs";
import { readTree, writeTree } from "./disk-model.mjs";
import { findCore } from "./enumerate.mjs";
import { makeTemporary } from "./shim.mjs";

const scenario = { name: "damage" };
// A hang is meant, not a machine that has other things to do.
const OPEN_MS_MAX = 60_000;

// A small vault with some history: secrets, one rotated, one deleted, documents, three days of audit.
async function makeVault({ newWorld, value, root }) {
  const world = await newWorld(root, scenario, "make", { dayOffset: -3 });
  await world.init();
  const create = (name) => world.change((tx) => tx.createSecret({ name, value: value(name) }));
  await create("ONE_KEY");
  await create("TWO_KEY");
  await create("OLD_KEY");
  const older = readTree(root);
  await world.change((tx) => tx.putDocument("credential", "openai", { secret: "ONE_KEY" }));
  await world.change((tx) => tx.putDocument("policy", "default", { allow: ["openai"] }));
  const two = await world.find("TWO_KEY");
  const old = await world.find("OLD_KEY");
  await world.change((tx) => tx.rotateSecret(two, value("two, rotated")));
  await world.change((tx) => tx.deleteSecret(old));
  for (let number = 1; number <= 60; number++) {
    if (number % 20 === 0) world.passDays(1);
    await world.vault.audit.append({ kind: "test.happened", number, who: `caller-${number % 7}` });
  }
  await world.close();
  const tree = readTree(root);
  return { tree, older };
}

// Opens what is on the disk and looks at all of it. `found` says how the damage showed, or is null;
// `harm` says what was believed that should not have been.
async function examine({ newWorld, describe, root, seed, expected }) {
  const startedAtMs = performance.now();
  const answer = { found: null, harm: null };
  let world;
  const shows = (how) => {
    answer.found ??= how;
  };
  try {
    world = await newWorld(root, scenario, seed, { dayOffset: 1 });
    await world.open();
    const verified = await world.vault.audit.verify();
    if (!verified.ok) shows(`audit: ${verified.problem}`);
    try {
      const { ok, foreign } = await world.vault.verify();
      if (!ok) shows("verify");
      if (foreign.length > 0) shows("verify: a foreign file");
      const state = await describe(world);
      // A log that is known to be out of order may be shown so; what it shows must have happened.
      if (!verified.ok) state.audit = [...new Set(state.audit)].sort((a, b) => a - b);
      if (!isPart(expected, state)) answer.harm = "it reads what never was";
      else if (isPart(state, expected)) {
        // All of it is there, and right.
      } else if (answer.found === null && world.vault.status().quarantined.length === 0) {
        answer.harm = "it leaves something out and does not say so";
      }
    } catch (error) {
      if (error.name !== "VaultError") answer.harm = `${error.name}: ${error.message}`;
      shows(error.code);
    }
    if (world.vault.status().quarantined.length > 0) shows("quarantined");
    const findings = (await world.vault.audit.read({ limit: 20 })).find(({ event }) =>
      /^audit\.(head|tail|line|repaired)/.test(event.kind),
    );
    if (findings) shows(findings.event.kind);
  } catch (error) {
    if (error.name !== "VaultError") answer.harm = `${error.name}: ${error.message}`;
    shows(error.code ?? error.name);
  } finally {
    await world?.close().catch(() => {});
  }
  if (performance.now() - startedAtMs > OPEN_MS_MAX) answer.harm ??= "opening takes over a minute";
  return answer;
}

// Whether every secret, document and audit entry of `part` is in `whole`, in the same order.
function isPart(whole, part) {
  const inOrder = (all, some) => {
    let at = 0;
    for (const item of all) if (JSON.stringify(item) === JSON.stringify(some[at])) at++;
    return at === some.length;
  };
  return (
    inOrder(whole.secrets, part.secrets) &&
    inOrder(whole.audit, part.audit) &&
    Object.entries(part.documents).every(([kind, list]) =>
      inOrder(whole.documents[kind] ?? [], list),
    )
  );
}

function* everyFile(tree) {
  for (const [name, node] of tree) {
    // The key file is not part of the vault: with another key nothing opens. The lock of a process
    // that is gone says nothing, whatever it holds.
    if (node.directory || !name.startsWith("vault/") || name.startsWith("vault/lock.")) continue;
    yield [name, node.bytes];
  }
}

const changed = (tree, name, bytes) => {
  const next = new Map(tree);
  if (bytes === null) next.delete(name);
  else next.set(name, { ...tree.get(name), bytes });
  return next;
};

// --- the kinds of damage: [label, tree] -----------------------------------------------------------

function* flips(tree) {
  for (const [name, bytes] of everyFile(tree)) {
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      yield [
        `flip:${name}:${bit}`,
        () => {
          const next = Buffer.from(bytes);
          next[bit >> 3] ^= 1 << (bit & 7);
          return changed(tree, name, next);
        },
      ];
    }
  }
}

function* truncations(tree) {
  for (const [name, bytes] of everyFile(tree)) {
    for (let length = 0; length < bytes.length; length++) {
      yield [`cut:${name}:${length}`, () => changed(tree, name, bytes.subarray(0, length))];
    }
    yield [`longer:${name}`, () => changed(tree, name, Buffer.concat([bytes, Buffer.from("x")]))];
    yield [`missing:${name}`, () => changed(tree, name, null)];
  }
}

function* swaps(tree) {
  const files = [...everyFile(tree)];
  for (const [i, [a, bytesA]] of files.entries()) {
    for (const [b, bytesB] of files.slice(i + 1)) {
      if (bytesA.equals(bytesB)) continue;
      yield [`swap:${a}:${b}`, () => changed(changed(tree, a, bytesB), b, bytesA)];
      yield [`copy:${a}:${b}`, () => changed(tree, b, bytesA)];
    }
  }
}

function* rollbacks(tree, older) {
  for (const [name, bytes] of everyFile(older)) {
    if (tree.has(name) && tree.get(name).bytes.equals(bytes)) continue;
    yield [`older:${name}`, () => new Map([...tree, [name, older.get(name)]])];
  }
}

const pick = (random, list) => list[Math.floor(random() * list.length)];

// One random edit of the log's files. Returns null when it happens to change nothing.
function editAudit(tree, random) {
  const names = [...tree.keys()].filter((name) => name.startsWith("vault/audit/"));
  const segments = names.filter((name) => name.endsWith(".jsonl"));
  const name = pick(random, segments);
  const { bytes } = tree.get(name);
  const lines = bytes.toString("latin1").split("\n").slice(0, -1);
  const at = Math.floor(random() * lines.length);
  const withLines = (next) =>
    changed(tree, name, Buffer.from(next.map((line) => `${line}\n`).join(""), "latin1"));
  const edits = {
    flip() {
      const next = Buffer.from(bytes);
      next[Math.floor(random() * next.length)] ^= 1 << Math.floor(random() * 8);
      return changed(tree, name, next);
    },
    byte() {
      const next = Buffer.from(bytes);
      next[Math.floor(random() * next.length)] = Math.floor(random() * 256);
      return changed(tree, name, next);
    },
    delete: () => withLines(lines.toSpliced(at, 1 + Math.floor(random() * 3))),
    duplicate: () => withLines(lines.toSpliced(at, 0, lines[at])),
    swap() {
      const other = Math.floor(random() * lines.length);
      const next = [...lines];
      [next[at], next[other]] = [next[other], next[at]];
      return withLines(next);
    },
    truncate: () => withLines(lines.slice(0, at)),
    cutBytes: () => changed(tree, name, bytes.subarray(0, Math.floor(random() * bytes.length))),
    field() {
      const entry = JSON.parse(lines[at]);
      const where = pick(random, ["number", "who", "kind"]);
      entry.event[where] = where === "number" ? 9999 : "somebody-else";
      return withLines(lines.with(at, JSON.stringify(entry)));
    },
    time() {
      const entry = JSON.parse(lines[at]);
      entry.tsMs += 1 + Math.floor(random() * 1000);
      return withLines(lines.with(at, JSON.stringify(entry)));
    },
    insert: () =>
      withLines(lines.toSpliced(at, 0, JSON.stringify({ seq: at, event: { kind: "x" } }))),
    dropDay: () => changed(tree, name, null),
    moveLine() {
      const to = pick(random, segments);
      if (to === name) return null;
      const other = tree.get(to).bytes;
      const next = withLines(lines.toSpliced(at, 1));
      return changed(next, to, Buffer.concat([other, Buffer.from(`${lines[at]}\n`, "latin1")]));
    },
    renumber() {
      const entry = JSON.parse(lines[at]);
      entry.seq += 1;
      return withLines(lines.with(at, JSON.stringify(entry)));
    },
    blank: () => withLines(lines.toSpliced(at, 0, "")),
    head() {
      const head = names.find((other) => !other.endsWith(".jsonl"));
      if (!head) return null;
      const next = Buffer.from(tree.get(head).bytes);
      next[Math.floor(random() * next.length)] ^= 1 << Math.floor(random() * 8);
      return changed(tree, head, next);
    },
  };
  const kind = pick(random, Object.keys(edits));
  const next = edits[kind]();
  const same =
    next &&
    [...next].every(([file, node]) => tree.get(file)?.bytes?.equals(node.bytes) ?? node.directory);
  return next && !(same && next.size === tree.size) ? [kind, next] : null;
}

function* auditEdits(tree, count, seed) {
  for (let number = 0, made = 0; made < count; number++) {
    const edit = editAudit(tree, seeded(seed * 1_000_003 + number));
    if (edit === null) continue;
    made++;
    yield [`edit:${edit[0]}:${number}`, () => edit[1]];
  }
}

// Things that are not plain files where one belongs: opened neither by following nor by waiting.
function* strangers(tree, root) {
  const place = {
    fifo: (file) => spawnSync("mkfifo", [file]),
    folder: (file) => fs.mkdirSync(file),
    symlink(file, bytes) {
      const elsewhere = path.join(root, "..", "elsewhere");
      fs.writeFileSync(elsewhere, bytes);
      fs.symlinkSync(elsewhere, file);
    },
    dangling: (file) => fs.symlinkSync("/nonexistent/file", file),
    hardlink(file, bytes) {
      const elsewhere = path.join(root, "..", "linked");
      fs.rmSync(elsewhere, { force: true });
      fs.writeFileSync(elsewhere, bytes, { mode: 0o600 });
      fs.linkSync(elsewhere, file);
    },
  };
  for (const [name, bytes] of everyFile(tree)) {
    for (const [kind, put] of Object.entries(place)) {
      yield [
        `stranger:${kind}:${name}`,
        () => tree,
        () => {
          fs.rmSync(path.join(root, name));
          put(path.join(root, name), bytes);
        },
        // A hard link with the right bytes is what a backup program may leave; it harms nobody.
        { mayPass: kind === "hardlink" },
      ];
    }
  }
  const extras = [
    "vault/secrets/zzzz.json",
    "vault/secrets/new\nline.json",
    "vault/unknown",
    "vault/audit/notes.txt",
  ];
  for (const name of extras) {
    yield [
      `stranger:extra:${JSON.stringify(name)}`,
      () => tree,
      () => {
        fs.mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
        fs.writeFileSync(path.join(root, name), "{}");
      },
      { mayPass: true },
    ];
  }
}

async function main() {
  const { values } = parseArgs({
    options: {
      full: { type: "boolean" },
      short: { type: "boolean" },
      only: { type: "string" },
      edits: { type: "string" },
      seed: { type: "string", default: "1" },
      core: { type: "string" },
      results: { type: "string" },
      sample: { type: "string" },
      part: { type: "string", default: "1/1" },
      kinds: { type: "string" },
      match: { type: "string", default: "" },
    },
  });
  const core = findCore(values.core);
  if (!core) {
    console.error("DAMAGE TESTS NOT RUN: vault-core is not built (pnpm build)");
    return 77;
  }
  env.FAULTS_CORE = core;
  const { newWorld, value, vaultSubject } = await import("./vault-subject.mjs");
  const directory = makeTemporary("damage");
  const root = path.join(directory, "root");
  fs.mkdirSync(root, { mode: 0o700 });
  const seed = Number(values.seed);
  const sample = values.short ? Number(values.sample ?? 60) : Number(values.sample ?? Infinity);
  const [part, parts] = values.part.split("/").map(Number);
  const edits = Number(values.edits ?? (values.short ? 500 : 10_000));
  let bad = 0;
  try {
    const { tree, older } = await makeVault({ newWorld, value, root });
    const world = await newWorld(root, scenario, "describe", { dayOffset: 1 });
    await world.open();
    const expected = await vaultSubject.describe(world);
    await world.close();
    const common = {
      newWorld,
      describe: vaultSubject.describe,
      root,
      expected,
    };
    const kinds = {
      "bits flipped": [...flips(tree)],
      "lengths cut": [...truncations(tree)],
      swaps: [...swaps(tree)],
      "older copies": [...rollbacks(tree, older)],
      strangers: [...strangers(tree, root)],
      "edits of the audit log": [...auditEdits(tree, edits, seed)],
    };
    let count = 0;
    const matches = new RegExp(values.match);
    for (const [kind, every] of Object.entries(kinds)) {
      const all = every.filter(([label]) => matches.test(label));
      const startedAtMs = performance.now();
      const random = seeded(seed);
      const limit = kind.startsWith("edits") ? edits : sample;
      const some =
        all.length > limit
          ? [...new Set(Array.from({ length: limit }, () => pick(random, all)))]
          : all.filter((_, index) => index % parts === part - 1);
      if (limit === 0 || (values.kinds && !values.kinds.split(",").includes(kind))) continue;
      const chosen = values.only ? all.filter(([label]) => label === values.only) : some;
      const ways = {};
      let missed = 0;
      for (const [label, make, then, { mayPass = false } = {}] of chosen) {
        writeTree(root, make());
        then?.();
        const { found, harm } = await examine({ ...common, seed: `examine-${count++}` });
        const wrong = harm ?? (found === null && !mayPass ? "nobody noticed" : null);
        ways[found ?? "unnoticed"] = (ways[found ?? "unnoticed"] ?? 0) + 1;
        if (wrong) {
          missed++;
          bad++;
          if (missed <= 10) console.log(`BAD ${label}: ${wrong}${found ? ` (${found})` : ""}`);
        } else if (values.only) console.log(`ok ${label}: ${found}`);
        if (values.results && (wrong || values.only)) {
          const row = {
            test: "damage",
            case: label,
            seed,
            expected: "detected",
            got: found,
            verdict: wrong ? "BAD" : "ok",
            problems: wrong ? [wrong] : [],
          };
          fs.appendFileSync(values.results, `${JSON.stringify(row)}\n`);
        }
      }
      const ms = Math.round(performance.now() - startedAtMs);
      const row = {
        test: "damage",
        case: kind,
        seed,
        part: values.part,
        runs: chosen.length,
        of: every.length,
        bad: missed,
        ms,
        verdict: missed ? "BAD" : "ok",
        ways,
      };
      if (values.results) fs.appendFileSync(values.results, `${JSON.stringify(row)}\n`);
      console.log(
        `${row.verdict} ${kind}: ${chosen.length - missed} of ${chosen.length} detected (of ${every.length} there are), ${ms} ms`,
      );
    }
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
  return bad === 0 ? 0 : 1;
}

process.exitCode = await main();
