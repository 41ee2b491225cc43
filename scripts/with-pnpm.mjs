// @ts-check
// `node scripts/with-pnpm.mjs <script>`: runs a script of package.json with the pnpm this repository
// pins, on a machine that may have nothing but Node and npm. Finds that pnpm or fetches it, installs
// the dependencies when the lockfile has changed since, and runs the script.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const version = /^pnpm@([\d.]+)/.exec(manifest.packageManager)?.[1] ?? "";
// What `npm view pnpm@<version> dist.integrity` says; it changes with `packageManager`.
const integrity =
  "sha512-9JtajqD97bRLs8DB1ldQkqU8KVDZW3rRXfEfF5dId6LeOgHAfpNOmyjOcW5RwJqUlixzBtCb4uHksYqMh2L9Mg==";
const onWindows = process.platform === "win32";

/** @param {string} message @param {string} hint @returns {never} */
function fail(message, hint) {
  process.stderr.write(`aivault: error: ${message}\naivault: hint: ${hint}\n`);
  process.exit(1);
}

/** Whether the first `pnpm` on `path` is the pinned one. @param {string | undefined} path */
function isPinned(path) {
  const answer = spawnSync("pnpm", ["--version"], {
    cwd: root,
    encoding: "utf8",
    shell: onWindows,
    timeout: 20_000,
    // A corepack shim would go looking for a download and may ask before it does.
    env: { ...process.env, PATH: path, COREPACK_ENABLE_NETWORK: "0" },
  });
  return answer.status === 0 && answer.stdout.trim() === version;
}

/**
 * Where a fetched pnpm is kept: inside the repository, ignored by git, and outside the root's
 * node_modules, which pnpm sometimes empties while it runs.
 */
const cache = join(root, "scripts", "node_modules", `.pnpm-${version}`);

/** @param {string} name @param {unknown} value */
function writeJson(name, value) {
  writeFileSync(join(cache, name), `${JSON.stringify(value)}\n`);
}

/** Puts the pinned pnpm into `cache`. */
function fetchPnpm() {
  process.stderr.write(`aivault: fetching pnpm ${version} (once, into this checkout)\n`);
  rmSync(cache, { recursive: true, force: true });
  mkdirSync(cache, { recursive: true });
  // A lockfile of one package, so that what arrives is what was tested, or nothing.
  const dependencies = { pnpm: version };
  const pnpmPackage = { version, integrity, bin: { pnpm: "bin/pnpm.cjs", pnpx: "bin/pnpx.cjs" } };
  const packages = { "": { dependencies }, "node_modules/pnpm": pnpmPackage };
  writeJson("package.json", { private: true, dependencies });
  writeJson("package-lock.json", { lockfileVersion: 3, requires: true, packages });
  // The user's npm configuration keeps its say about registry, proxy and certificates. What would
  // put the files elsewhere, or leave them out, is settled here.
  const settings = [
    "--global=false",
    "--location=project",
    "--workspaces=false",
    "--include=prod",
    "--bin-links=true",
    "--dry-run=false",
    "--ignore-scripts=true",
    "--package-lock=true",
    "--package-lock-only=false",
    "--engine-strict=false",
    "--audit=false",
    "--fund=false",
    "--update-notifier=false",
    "--loglevel=error",
  ];
  const install = spawnSync("npm", ["ci", "--prefix", cache, ...settings], {
    cwd: cache,
    encoding: "utf8",
    shell: onWindows,
  });
  if (install.status !== 0) {
    process.stderr.write(`${install.stdout}${install.stderr}`);
    rmSync(cache, { recursive: true, force: true });
    fail(
      `could not fetch pnpm ${version} from the npm registry`,
      `connect to it, or put pnpm ${version} on PATH, and run this again`,
    );
  }
}

/** PATH with the pinned pnpm first. Turbo needs one there as well. */
function pathWithPnpm() {
  const { PATH = "" } = process.env;
  if (isPinned(PATH)) return PATH;
  const path = [join(cache, "node_modules", ".bin"), PATH].join(delimiter);
  if (!existsSync(cache) || !isPinned(path)) fetchPnpm();
  if (!isPinned(path)) fail(`pnpm ${version} was fetched but does not run`, `delete ${cache}`);
  return path;
}

/** Digest of all that decides what is installed. */
function dependencyState() {
  const packages = readdirSync(join(root, "packages")).map(
    (name) => `packages/${name}/package.json`,
  );
  const hash = createHash("sha256");
  for (const file of ["package.json", "pnpm-lock.yaml", "pnpm-workspace.yaml", ...packages]) {
    if (existsSync(join(root, file)))
      hash.update(`${file}\0`).update(readFileSync(join(root, file)));
  }
  return `${process.platform} ${process.arch} ${hash.digest("hex")}\n`;
}

/** @param {NodeJS.ProcessEnv} env */
function installDependencies(env) {
  const stamp = join(root, "node_modules", ".aivault-installed");
  const state = dependencyState();
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === state) return;
  process.stderr.write("aivault: installing dependencies (again only when the lockfile changes)\n");
  // pnpm reads npm's configuration too. What decides whether and where things are installed is
  // settled here: development dependencies are the tools, whatever NODE_ENV or `omit` says, and
  // nobody is there to answer a question.
  const args = [
    "install",
    "--frozen-lockfile",
    "--prod=false",
    "--loglevel=info",
    "--config.lockfile=true",
    "--config.node-linker=isolated",
    "--config.global=false",
    "--config.dry-run=false",
    "--config.confirmModulesPurge=false",
    "--config.update-notifier=false",
  ];
  const { status, error, stdout, stderr } = spawnSync("pnpm", args, {
    cwd: root,
    env,
    encoding: "utf8",
    shell: onWindows,
    maxBuffer: 2 ** 26,
  });
  if (error) throw error;
  if (status !== 0) {
    process.stderr.write(`${stdout}${stderr}`);
    fail("the dependencies could not be installed", "what pnpm says is above");
  }
  writeFileSync(stamp, state);
}

const [script, ...args] = process.argv.slice(2);
if (script === undefined || !(script in manifest.scripts)) {
  fail(
    "which script?",
    `node scripts/with-pnpm.mjs <one of: ${Object.keys(manifest.scripts).join(", ")}>`,
  );
}
const env = { ...process.env, PATH: pathWithPnpm() };
installDependencies(env);
// Silent: pnpm would have the last word after a failure, and it is not news.
const run = spawnSync("pnpm", ["--silent", "run", script, ...args], {
  cwd: root,
  env,
  stdio: "inherit",
  shell: onWindows,
});
if (run.error) throw run.error;
process.exit(run.status ?? 1);
