// @ts-check
// What is committed must mean the same everywhere: no address of whatever registry the author
// installs from, and no path or name of the machine it was written on.
import { spawnSync } from "node:child_process";
import { readFileSync, realpathSync } from "node:fs";
import { homedir, hostname, userInfo } from "node:os";

/** What would give this machine away. Too short or too common to be a name: left out. */
function namesOfThisMachine() {
  const registry = spawnSync("npm", ["config", "get", "registry"], { encoding: "utf8" });
  const registryHost = URL.canParse(registry.stdout.trim())
    ? new URL(registry.stdout.trim()).host
    : "";
  const { username } = userInfo();
  const candidates = [
    ["the path of this checkout", `${realpathSync(".")}/`],
    ["the home directory", username === "root" ? "" : `${homedir()}/`],
    ["the name of this host", hostname()],
    ["the registry this machine installs from", registryHost],
  ];
  const ordinary = new Set(["localhost", "registry.npmjs.org"]);
  return candidates.filter(([, text = ""]) => text.length >= 8 && !ordinary.has(text));
}

/** In the lockfile any address at all is one too many. */
const ADDRESS = /\b(?:https?|git\+\w+|file):\/\/|\btarball:/;

export function checkTrackedFiles() {
  const listing = spawnSync("git", ["ls-files", "-z"], { encoding: "utf8" });
  if (listing.status !== 0)
    return { ok: true, detail: "not a git checkout, so nothing is tracked" };
  const names = namesOfThisMachine();
  const problems = [];
  const files = listing.stdout.split("\0").filter((file) => file !== "");
  for (const file of files) {
    let text;
    try {
      text = readFileSync(file, "utf8");
    } catch {
      continue; // Deleted but not yet committed, or a link to nowhere.
    }
    for (const [what, name = ""] of names) {
      if (text.includes(name)) problems.push(`${file} contains ${what}`);
    }
    if (file === "pnpm-lock.yaml") {
      const at = text.split("\n").findIndex((line) => ADDRESS.test(line));
      if (at >= 0) problems.push(`${file}:${at + 1} contains an address`);
    }
  }
  return problems.length > 0
    ? { ok: false, detail: problems.join("\n") }
    : { ok: true, detail: `${files.length} files` };
}
