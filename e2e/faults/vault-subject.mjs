// The vault as a subject of the harness: the built vault-core on its file store, with a key file.
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { env } from "node:process";
import { pathToFileURL } from "node:url";

const core = env.FAULTS_CORE;
const load = (file) => import(pathToFileURL(path.join(core, file)).href);

/** The build that is tested: `vault-core` and `vault-core/node`. */
export const vaultCore = core
  ? { ...(await load("index.js")), ...(await load("node/index.js")) }
  : null;

/** A mark in every value and document, which no file may hold in any of its forms. */
const MARK = "CANARY-7f3a9c";
const DAY_MS = 86_400_000;
const START_MS = Date.UTC(2031, 4, 6, 12);

/** The bytes of a value that can be told from every other, and found if it leaks. */
export function value(text) {
  return new TextEncoder().encode(`${MARK}-${text}-${"v".repeat(40)}`);
}

// Bytes that depend on the seed alone, so that a run makes the same calls each time. Each process
// of a run has another seed, as no nonce or id may come twice.
function seededRandom(seed) {
  let counter = 0;
  return (length) => {
    const bytes = Buffer.alloc(Math.ceil(length / 32) * 32);
    for (let at = 0; at < length; at += 32) {
      createHash("sha256").update(`${seed}/${counter++}`).digest().copy(bytes, at);
    }
    return new Uint8Array(bytes.subarray(0, length));
  };
}

/** The key that an operator puts into the environment, where a scenario says so. */
export const environmentKey = createHash("sha256").update("the key in the environment").digest();

/** The provider that a vault names. */
function providerOf(config) {
  if (config.kind === "file") return vaultCore.fileKeyProvider(config.path);
  return vaultCore.environmentKeyProvider(config.variable, {
    [config.variable]: environmentKey.toString("base64"),
  });
}

export const vaultDirectory = (root) => path.join(root, "vault");
const keyFile = (root) => path.join(root, "keys", "kek.key");
/**
 * The root as the vault is told of it. A vault holds the absolute path of its key; where this says
 * `/proc/self/cwd/root`, two processes that work in two places make the same bytes.
 */
const toldRoot = (root) => env.FAULTS_KEYS ?? root;
// Outside the watched directory, where the judge of rotate-master finds the first key again.
const firstKeyFile = (root) => path.join(root, "..", "first-kek.key");

/**
 * What a process works with: a store, a clock that can be moved, and later a vault.
 *
 * @param seed - No two processes that work on one vault may share it.
 */
export async function newWorld(
  root,
  scenario,
  seed,
  { dayOffset = 0, directory = vaultDirectory(root) } = {},
) {
  let nowMs = START_MS + dayOffset * DAY_MS;
  const world = {
    root,
    scenario,
    core: vaultCore,
    keyProvider: vaultCore.fileKeyProvider(keyFile(toldRoot(root))),
    random: seededRandom(`${seed}/${scenario.name}`),
    now: () => ++nowMs,
    passDays(days) {
      nowMs += days * DAY_MS;
    },
    async find(name, scope = { kind: "global" }) {
      const found = await world.vault.findSecret(name, scope);
      if (!found) throw new Error(`the scenario's secret ${name} is not there`);
      return found.secretId;
    },
    change: (change) => world.vault.transaction(change),
    async openStore() {
      world.store = await vaultCore.openFileStore(directory);
    },
    options: () => ({ store: world.store, random: world.random, now: world.now }),
    async init() {
      world.vault = await vaultCore.Vault.create({
        ...world.options(),
        keyProvider: world.keyProvider,
      });
    },
    async open() {
      world.vault = await vaultCore.Vault.open(world.options());
      await world.vault.unlock(providerOf(world.vault.status().keyProvider));
    },
    async close() {
      if (world.vault) await world.vault.close();
      else await world.store?.close();
      world.vault = null;
      world.store = null;
    },
  };
  if (directory !== null) await world.openStore();
  return world;
}

async function pages(list) {
  const items = [];
  let after;
  do {
    const page = await list(after === undefined ? {} : { after });
    items.push(...page.items);
    after = page.next;
  } while (after !== null);
  return items;
}

const byText = (a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
const kinds = ["credential", "capability", "policy", "binding", "settings", "token", "state"];

/** Everything a reader can see, by name; null for no vault. */
export async function describe(world) {
  const { vault, scenario } = world;
  if (!vault) return null;
  const secrets = [];
  for (const metadata of await pages((page) =>
    vault.listSecrets({ ...page, includeDeleted: true }),
  )) {
    const { secretId, createdAtMs, updatedAtMs, deletedAtMs, ...rest } = metadata;
    const read =
      deletedAtMs === null
        ? await vault.useSecret(secretId, (bytes) => Buffer.from(bytes).toString("utf8"))
        : null;
    secrets.push({ ...rest, deleted: deletedAtMs !== null, value: read });
  }
  const documents = {};
  for (const kind of kinds) {
    const found = await pages((page) => vault.listDocuments(kind, page));
    if (found.length > 0)
      documents[kind] = found.map(({ id, value: json }) => [id, json]).sort(byText);
  }
  const entries = await vault.audit.read({ limit: 100_000 });
  const audit = entries
    .filter(({ event, broken }) => event.kind === "test.happened" && !broken)
    .map(({ event }) => event.number)
    .reverse();
  // Through JSON once, as the states to compare with have been.
  const more = await scenario.observe?.(world);
  return JSON.parse(JSON.stringify({ secrets: secrets.sort(byText), documents, audit, more }));
}

/** Every file and directory below `root`. */
export function files(root) {
  return fs
    .readdirSync(root, { recursive: true, withFileTypes: true })
    .map((entry) => ({ entry, full: path.join(entry.parentPath ?? entry.path, entry.name) }));
}

/** G2, G20: no clear text and no wide mode, also in what an interrupted write left. */
export function inspectFiles(root, verdict) {
  const forms = [];
  for (let shift = 0; shift < 3; shift++) {
    const base64 = Buffer.concat([Buffer.alloc(shift), Buffer.from(MARK)]).toString("base64");
    forms.push(base64.slice(4, -4));
  }
  forms.push(MARK, Buffer.from(MARK).toString("hex"));
  const key = fs.existsSync(keyFile(root)) ? fs.readFileSync(keyFile(root)) : null;
  for (const { entry, full } of files(root)) {
    const name = path.relative(root, full);
    const mode = fs.statSync(full).mode & 0o7777;
    const allowed = entry.isDirectory() ? 0o700 : 0o600;
    if (mode !== allowed) verdict.problems.push(`${name} has mode ${mode.toString(8)}`);
    if (entry.isDirectory()) continue;
    const bytes = fs.readFileSync(full);
    const text = bytes.toString("latin1");
    for (const form of forms) {
      if (text.includes(form)) verdict.problems.push(`${name} holds a value in clear`);
    }
    if (key && key.length >= 32 && name.startsWith("vault") && bytes.includes(key)) {
      verdict.problems.push(`${name} holds the key`);
    }
  }
}

const isLeftover = (name) => /\.tmp$|^vault\/journal$|\.next$/.test(name);

/** A provider that knows one key and nothing else. */
export function fixedProvider(config, key) {
  return {
    config,
    create: async () => Uint8Array.from(key),
    obtain: async () => Uint8Array.from(key),
  };
}

// How many of `keys` open the vault, each tried on a copy of its own.
async function keysThatOpen(root, scenario, keys) {
  const opening = [];
  for (const [index, key] of keys.entries()) {
    const copy = path.join(root, "..", `copy-${index}`);
    fs.rmSync(copy, { recursive: true, force: true });
    fs.mkdirSync(copy, { mode: 0o700 });
    fs.cpSync(vaultDirectory(root), vaultDirectory(copy), { recursive: true });
    const world = await newWorld(copy, scenario, `copy-${index}`);
    try {
      const vault = await vaultCore.Vault.open(world.options());
      world.vault = vault;
      await vault.unlock(fixedProvider(vault.status().keyProvider, key));
      await describe(world);
      opening.push(index);
    } catch (error) {
      if (error.code !== "VAULT_KEY_MISMATCH") throw error;
    } finally {
      await world.close();
      fs.rmSync(copy, { recursive: true, force: true });
    }
  }
  return opening;
}

// The first key, and every key that a file holds now.
function knownKeys(root) {
  const found = new Map();
  const directory = path.dirname(keyFile(root));
  const candidates = [firstKeyFile(root)];
  if (fs.existsSync(directory)) {
    candidates.push(...fs.readdirSync(directory).map((name) => path.join(directory, name)));
  }
  for (const file of candidates) {
    const key = fs.existsSync(file) ? parseKey(fs.readFileSync(file)) : null;
    if (key) found.set(key.toString("hex"), key);
  }
  return [...found.values()];
}

function parseKey(bytes) {
  if (bytes.length === 32) return bytes;
  const text = bytes.toString("latin1").trim();
  for (const encoding of ["base64", "hex"]) {
    const decoded = Buffer.from(text, encoding);
    if (decoded.length === 32) return decoded;
  }
  return null;
}

export const vaultSubject = {
  async create(root, scenario) {
    if (scenario.bare) return;
    const world = await newWorld(root, scenario, "create", { dayOffset: -1 });
    await world.init();
    fs.copyFileSync(keyFile(root), firstKeyFile(root));
    await scenario.setup?.(world);
    await world.close();
  },

  async start(root, scenario) {
    const world = await newWorld(root, scenario, "run");
    try {
      if (!scenario.bare) await world.open();
      return world;
    } catch (error) {
      throw Object.assign(error, { world }); // for whoever goes on to close it
    }
  },

  stop: (world) => world.close(),
  describe,

  async recover(root, scenario) {
    const world = await newWorld(root, scenario, "recover");
    try {
      await world.open();
    } catch (error) {
      if (error.code !== "VAULT_NOT_INITIALIZED") throw error;
    } finally {
      await world.close();
    }
  },

  async judge(root, scenario, verdict) {
    inspectFiles(root, verdict);
    if (scenario.countKeys) await this.countKeys(root, scenario, verdict, "before recovery");
    const world = await newWorld(root, scenario, "judge", { dayOffset: 2 });
    let found;
    try {
      try {
        await world.open();
      } catch (error) {
        if (error.code !== "VAULT_NOT_INITIALIZED") throw error;
        if (!verdict.found(null)) return;
        await world.init(); // what was interrupted can be done again
        verdict.initialised = true;
      }
      found = await describe(world);
      if (!verdict.initialised && !verdict.found(found)) return;
      const { quarantined } = world.vault.status();
      if (quarantined.length > 0) verdict.problems.push(`quarantined: ${quarantined.join(", ")}`);
      const verified = await world.vault.audit.verify();
      if (!verified.ok)
        verdict.problems.push(`audit: ${verified.problem} at ${verified.firstBrokenSeq}`);
      const { ok, problems, foreign } = await world.vault.verify();
      if (!ok)
        verdict.problems.push(...problems.map(({ subject, problem }) => `${subject}: ${problem}`));
      if (foreign.length > 0) verdict.problems.push(`left over: ${foreign.join(", ")}`);
      const scope = { kind: "global" };
      await world.change((tx) => tx.createSecret({ name: "PROBE", value: value("probe"), scope }));
      await world.vault.audit.append({ kind: "test.probed" });
      await scenario.finish?.(world);
    } finally {
      await world.close();
    }
    await this.judgeAgain(root, scenario, verdict, found);
    if (scenario.countKeys) await this.countKeys(root, scenario, verdict, "after recovery");
    inspectFiles(root, verdict);
    for (const { full } of files(root)) {
      const name = path.relative(root, full);
      if (isLeftover(name) && !scenario.mayLeave?.test(name))
        verdict.problems.push(`${name} is still there`);
    }
  },

  // G20: what was recovered is a vault like any other: it takes a change and keeps it.
  async judgeAgain(root, scenario, verdict, found) {
    const world = await newWorld(root, scenario, "judge-again", { dayOffset: 3 });
    try {
      await world.open();
      const { secrets, ...rest } = await describe(world);
      const others = secrets.filter(({ name }) => name !== "PROBE");
      if (others.length !== secrets.length - 1)
        verdict.problems.push("the change after recovery is lost");
      if (JSON.stringify({ secrets: others, ...rest }) !== JSON.stringify(found)) {
        verdict.problems.push("the second start finds another state than the first");
      }
      const verified = await world.vault.audit.verify();
      if (!verified.ok) verdict.problems.push(`audit, second start: ${verified.problem}`);
    } finally {
      await world.close();
    }
  },

  async countKeys(root, scenario, verdict, when) {
    const opening = await keysThatOpen(root, scenario, knownKeys(root));
    if (opening.length !== 1)
      verdict.problems.push(`${when}, ${opening.length} keys open the vault`);
  },
};
