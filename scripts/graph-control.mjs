// @ts-check
// G17: a rule that nothing ever broke may be no rule at all. Builds a small copy of the workspace
// outside the repository, breaks each rule of the package graph there on purpose, and expects
// dependency-cruiser to name that rule; without a violation, it must be content.
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

/** What breaks each rule: the text of one module, by `<package>/<module>`. */
const VIOLATIONS = [
  { rule: "layer-policy", module: "policy/up", text: 'import "@aivault/vault-core";' },
  { rule: "layer-vault-core", module: "vault-core/up", text: 'import "@aivault/registry";' },
  { rule: "layer-registry", module: "registry/up", text: 'import "@aivault/policy";' },
  { rule: "layer-client", module: "client/up", text: 'import "../../daemon/src/index.ts";' },
  { rule: "layer-broker", module: "broker/up", text: 'import "@aivault/client";' },
  { rule: "layer-daemon", module: "daemon/up", text: 'import "@aivault/cli";' },
  { rule: "layer-cli", module: "cli/up", text: 'import "@aivault/broker";' },
  {
    rule: "daemon-takes-only-the-protocol",
    module: "daemon/client",
    text: 'import "@aivault/client";',
  },
  { rule: "pure-packages-do-no-io", module: "registry/io", text: 'import "node:fs";' },
  { rule: "broker-speaks-no-node-http", module: "broker/http", text: 'import "node:http";' },
  { rule: "no-deep-imports", module: "daemon/deep", text: 'import "../../broker/src/http.ts";' },
  { rule: "no-circular", module: "cli/circle", text: 'import "./circle.ts";' },
  { rule: "not-to-unresolvable", module: "cli/nowhere", text: 'import "./nowhere-else.ts";' },
];

/**
 * A workspace of the same packages, each an empty module but for `modules`.
 * @param {string} root @param {readonly { module: string, text: string }[]} modules
 */
function writeWorkspace(root, modules) {
  const packages = readdirSync("packages");
  for (const config of [".dependency-cruiser.cjs", "tsconfig.base.json"]) {
    copyFileSync(config, join(root, config));
  }
  for (const name of packages) {
    const directory = join(root, "packages", name);
    const scope = join(directory, "node_modules", "@aivault");
    mkdirSync(join(directory, "src"), { recursive: true });
    mkdirSync(scope, { recursive: true });
    copyFileSync(join("packages", name, "package.json"), join(directory, "package.json"));
    for (const other of packages) symlinkSync(resolve(root, "packages", other), join(scope, other));
    writeFileSync(join(directory, "src", "index.ts"), "export {};\n");
  }
  for (const { module, text } of modules) {
    const [name = "", file = ""] = module.split("/");
    writeFileSync(join(root, "packages", name, "src", `${file}.ts`), `${text}\n`);
  }
}

/** @param {readonly { module: string, text: string }[]} modules */
function cruise(modules) {
  const root = mkdtempSync(join(tmpdir(), "graph-"));
  try {
    writeWorkspace(root, modules);
    const script = resolve("scripts", "depcruise.mjs");
    const run = spawnSync(process.execPath, [script], { cwd: root, encoding: "utf8" });
    return { status: run.status, output: `${run.stdout}${run.stderr}` };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

export function checkGraphRules() {
  const problems = [];
  const clean = cruise([]);
  if (clean.status !== 0) problems.push(`a clean workspace is refused:\n${clean.output}`);
  const broken = cruise(VIOLATIONS);
  if (broken.status === 0) problems.push("a workspace full of violations is accepted");
  for (const { rule, module, text } of VIOLATIONS) {
    const found = `error ${rule}: packages/${module.replace("/", "/src/")}.ts`;
    if (!broken.output.includes(found)) problems.push(`\`${rule}\` does not find: ${text}`);
  }
  return problems.length > 0
    ? { ok: false, detail: `${problems.join("\n")}\n${broken.output}` }
    : { ok: true, detail: `${VIOLATIONS.length} rules` };
}
