// @ts-check
// Git's own server, behind the stand-in.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

// Nothing of whoever runs the tests: no identity, no hooks, no helpers.
const environment = {
  PATH: process.env["PATH"] ?? "",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_AUTHOR_NAME: "Ada",
  GIT_AUTHOR_EMAIL: "ada@example.test",
  GIT_COMMITTER_NAME: "Ada",
  GIT_COMMITTER_EMAIL: "ada@example.test",
};

/** @param {string} cwd @param {...string} args */
function git(cwd, ...args) {
  const { status, stdout, stderr } = spawnSync("git", args, {
    cwd,
    env: environment,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`git ${args.join(" ")}: ${stderr}`);
  return stdout.trim();
}

/** @type {string | null} */
let root = null;

/** A bare repository `octo/new.git` with one commit, which takes pushes. Gone with the process. */
function repositories() {
  if (root !== null) return root;
  const directory = mkdtempSync(join(tmpdir(), "stand-in-git-"));
  process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
  const bare = join(directory, "octo", "new.git");
  git(directory, "init", "--quiet", "--bare", "--initial-branch=main", bare);
  git(bare, "config", "http.receivepack", "true");
  const tree = git(bare, "mktree", "--missing");
  const commit = git(bare, "commit-tree", tree, "-m", "First");
  git(bare, "update-ref", "refs/heads/main", commit);
  root = directory;
  return directory;
}

/**
 * One request to `git http-backend`, which speaks CGI (RFC 3875).
 *
 * @param {import("../stand-in.mjs").Arrival} arrival
 * @param {import("node:http").ServerResponse} response
 * @returns {Promise<void>}
 */
export function serveGit({ method, target, headers, body }, response) {
  const [path = "", query = ""] = target.split(/\?(.*)/s);
  const header = (/** @type {string} */ name) =>
    headers.find(([given]) => given.toLowerCase() === name)?.[1] ?? "";
  const backend = spawn("git", ["http-backend"], {
    env: {
      ...environment,
      GIT_PROJECT_ROOT: repositories(),
      GIT_HTTP_EXPORT_ALL: "1",
      REQUEST_METHOD: method,
      PATH_INFO: path,
      QUERY_STRING: query,
      CONTENT_TYPE: header("content-type"),
      CONTENT_LENGTH: String(body.length),
      HTTP_CONTENT_ENCODING: header("content-encoding"),
      GIT_PROTOCOL: header("git-protocol"),
      REMOTE_USER: "octo",
      REMOTE_ADDR: "127.0.0.1",
    },
    stdio: ["pipe", "pipe", "inherit"],
  });
  backend.stdin.on("error", () => {});
  backend.stdin.end(body);
  /** @type {Buffer[]} */
  const chunks = [];
  backend.stdout.on("data", (chunk) => chunks.push(chunk));
  return new Promise((resolve, reject) => {
    backend.on("error", reject);
    backend.on("close", () => {
      const output = Buffer.concat(chunks);
      const end = output.indexOf("\r\n\r\n");
      let status = 200;
      for (const line of output.subarray(0, end).toString("latin1").split("\r\n")) {
        const [name = "", value = ""] = line.split(/: *(.*)/s);
        if (name.toLowerCase() === "status") status = Number.parseInt(value, 10);
        else response.setHeader(name, value);
      }
      response.writeHead(status);
      response.end(output.subarray(end + 4));
      resolve();
    });
  });
}
