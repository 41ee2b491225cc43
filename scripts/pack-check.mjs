// @ts-check
// Publishing, rehearsed: packs every package, reads the tarballs as a stranger would, installs them
// with npm into an empty project, and runs what is in them.
import { spawnSync } from "node:child_process";
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
 * @returns {string} What it wrote to stdout.
 */
function sh(cwd, ...command) {
  const [name = "", ...args] = command;
  const { status, error, stdout, stderr } = spawnSync(name, args, {
    cwd,
    encoding: "utf8",
    shell: process.platform === "win32",
  });
  if (error) throw error;
  if (status !== 0) {
    throw new Error(`\`${command.join(" ")}\` ended with ${status}\n${stdout}${stderr}`);
  }
  return stdout.trim();
}

/** @param {string} directory @param {string} destination @returns {Packed} */
function pack(directory, destination) {
  const { name, version } = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"));
  sh(directory, "pnpm", "pack", "--pack-destination", destination);
  const file = `${name.replace("@", "").replace("/", "-")}-${version}.tgz`;
  return { name, version, tarball: join(destination, file) };
}

/** What a registry page and an installer will see. @param {Packed} packed */
function inspect({ tarball, version, name }) {
  const files = sh(".", "tar", "-tzf", tarball).split("\n");
  for (const needed of ["package/package.json", "package/README.md", "package/LICENSE"]) {
    if (!files.includes(needed)) throw new Error(`${name}: the tarball has no ${needed}`);
  }
  const stray = files.find((file) => /\.test\.|\/src\/|\/test\/|tsbuildinfo/.test(file));
  if (stray !== undefined) throw new Error(`${name}: the tarball contains ${stray}`);

  const manifest = JSON.parse(sh(".", "tar", "-xzOf", tarball, "package/package.json"));
  const text = JSON.stringify(manifest);
  const leftover = /workspace:|catalog:|link:|@aivault\/source/.exec(text)?.[0];
  if (leftover !== undefined) throw new Error(`${name}: the packed manifest contains ${leftover}`);
  if (manifest.version !== version) throw new Error(`${name}: packed as ${manifest.version}`);
}

/** Reads a tarball with the tools made for it. @param {Packed} packed */
function lint({ tarball }) {
  sh(".", "publint", "run", tarball, "--strict");
  // attw is content with a package that has no types at all; publint is not.
  sh(".", "attw", tarball, "--profile", "esm-only", "--no-emoji", "--quiet");
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
function install(app, packages) {
  const dependencies = Object.fromEntries(
    packages.map(({ name, tarball }) => [name, `file:${tarball}`]),
  );
  const manifest = { name: "app", private: true, type: "module", dependencies };
  writeFileSync(join(app, "package.json"), JSON.stringify(manifest));
  sh(app, "npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error");
}

/** @param {string} app @param {readonly Packed[]} packages */
function use(app, packages) {
  for (const bin of ["aivault", "aivaultd"]) {
    const answer = sh(app, join(app, "node_modules", ".bin", bin), "--version");
    const { version } = packages.find(({ name }) => name === "@aivault/cli") ?? {};
    if (!answer.includes(`${version}`)) throw new Error(`\`${bin} --version\` says ${answer}`);
  }
  writeFileSync(join(app, "script.mjs"), SCRIPT);
  const answer = sh(app, process.execPath, "script.mjs");
  if (answer !== "CLIENT_DAEMON_UNREACHABLE") throw new Error(`script.mjs says ${answer}`);

  writeFileSync(join(app, "script.mts"), TYPED_SCRIPT);
  const tsc = resolve("node_modules", ".bin", "tsc");
  // Types of Node are what anyone who writes for Node has.
  const types = resolve("node_modules", "@types");
  sh(
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

export function checkPackages() {
  const scratch = mkdtempSync(join(tmpdir(), "pack-"));
  try {
    const tarballs = join(scratch, "tarballs");
    const app = join(scratch, "app");
    mkdirSync(tarballs);
    mkdirSync(app);
    const packages = readdirSync("packages").map((name) =>
      pack(resolve("packages", name), tarballs),
    );
    for (const packed of packages) {
      inspect(packed);
      lint(packed);
    }
    install(app, packages);
    use(app, packages);
    return { ok: true, detail: `${packages.length} tarballs` };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
