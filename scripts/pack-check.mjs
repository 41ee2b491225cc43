// @ts-check
// Publishing, rehearsed: packs every package, reads the tarballs as a stranger would, installs them
// with npm into an empty project, and runs what is in them.
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

/**
 * @typedef {object} Packed
 * @property {string} name
 * @property {string} version
 * @property {string} tarball - Absolute path.
 */

/**
 * @param {string} cwd
 * @param {readonly string[]} command
 * @returns {Promise<string>} What it wrote to stdout.
 * @throws {Error} It failed; the message has all it said.
 */
function sh(cwd, ...command) {
  const [name = "", ...args] = command;
  return new Promise((resolve, reject) => {
    const options = { cwd, maxBuffer: 2 ** 26, shell: process.platform === "win32" };
    execFile(name, args, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout.trim());
      else reject(new Error(`${error.message}\n${stdout}${stderr}`));
    });
  });
}

/** @param {string} directory @param {string} destination @returns {Promise<Packed>} */
async function pack(directory, destination) {
  const { name, version } = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"));
  await sh(directory, "pnpm", "pack", "--pack-destination", destination);
  const file = `${name.replace("@", "").replace("/", "-")}-${version}.tgz`;
  return { name, version, tarball: join(destination, file) };
}

/** What a registry page and an installer will see. @param {Packed} packed */
async function inspect({ tarball, version, name }) {
  const files = (await sh(".", "tar", "-tzf", tarball)).split("\n");
  for (const needed of ["package/package.json", "package/README.md", "package/LICENSE"]) {
    if (!files.includes(needed)) throw new Error(`${name}: the tarball has no ${needed}`);
  }
  const stray = files.find((file) => /\.test\.|\/src\/|\/test\/|tsbuildinfo/.test(file));
  if (stray !== undefined) throw new Error(`${name}: the tarball contains ${stray}`);

  const manifest = JSON.parse(await sh(".", "tar", "-xzOf", tarball, "package/package.json"));
  const text = JSON.stringify(manifest);
  const leftover = /workspace:|catalog:|link:|@aivault\/source/.exec(text)?.[0];
  if (leftover !== undefined) throw new Error(`${name}: the packed manifest contains ${leftover}`);
  if (manifest.version !== version) throw new Error(`${name}: packed as ${manifest.version}`);
}

/** Reads a tarball with the tools made for it. @param {Packed} packed */
async function lint({ tarball }) {
  await sh(".", "publint", "run", tarball, "--strict");
  // attw is content with a package that has no types at all; publint is not.
  await sh(".", "attw", tarball, "--profile", "esm-only", "--no-emoji", "--quiet");
}

const SCRIPT = `
import { createClient } from "@aivault/client";

const client = createClient({ socket: "/nonexistent/aivaultd.sock" });
try {
  await client.json("openai/models", { method: "GET", path: "/v1/models" });
  console.log("answered");
} catch (error) {
  console.log(error.code);
}
`;

const TYPED_SCRIPT = `
import { type AivaultClient, createClient, isAivaultError } from "@aivault/client";

const client: AivaultClient = createClient({ socket: "/nonexistent/aivaultd.sock" });
try {
  await client.json("openai/models", { method: "GET", path: "/v1/models" });
} catch (error) {
  if (isAivaultError(error)) console.log(error.code satisfies string);
}
// @ts-expect-error a number is no path
createClient({ socket: 1 });
`;

/** @param {string} app - The project. @param {readonly Packed[]} packages */
async function install(app, packages) {
  const dependencies = Object.fromEntries(
    packages.map(({ name, tarball }) => [name, `file:${tarball}`]),
  );
  const manifest = { name: "app", private: true, type: "module", dependencies };
  writeFileSync(join(app, "package.json"), JSON.stringify(manifest));
  await sh(
    app,
    "npm",
    "install",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
  );
}

/** @param {string} app @param {readonly Packed[]} packages */
async function use(app, packages) {
  for (const bin of ["aivault", "aivaultd"]) {
    const answer = await sh(app, join(app, "node_modules", ".bin", bin), "--version");
    const { version } = packages.find(({ name }) => name === "@aivault/cli") ?? {};
    if (!answer.includes(`${version}`)) throw new Error(`\`${bin} --version\` says ${answer}`);
  }
  writeFileSync(join(app, "script.mjs"), SCRIPT);
  const answer = await sh(app, process.execPath, "script.mjs");
  if (answer !== "CLIENT_DAEMON_UNREACHABLE") throw new Error(`script.mjs says ${answer}`);

  writeFileSync(join(app, "script.mts"), TYPED_SCRIPT);
  const tsc = resolve("node_modules", ".bin", "tsc");
  // Types of Node are what anyone who writes for Node has.
  const types = resolve("node_modules", "@types");
  await sh(
    app,
    tsc,
    "--strict",
    "--noEmit",
    "--module",
    "nodenext",
    "--target",
    "es2023",
    "--typeRoots",
    types,
    "--types",
    "node",
    "script.mts",
  );
}

export async function checkPackages() {
  const scratch = mkdtempSync(join(tmpdir(), "pack-"));
  try {
    const tarballs = join(scratch, "tarballs");
    const app = join(scratch, "app");
    mkdirSync(tarballs);
    mkdirSync(app);
    const directories = readdirSync("packages").map((name) => resolve("packages", name));
    const packages = await Promise.all(directories.map((path) => pack(path, tarballs)));
    await Promise.all(packages.map(inspect));
    await Promise.all(packages.map(lint));
    await install(app, packages);
    await use(app, packages);
    return { ok: true, detail: `${packages.length} tarballs` };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
