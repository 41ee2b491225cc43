// @ts-check
// Everything the demo needs around it: a home, a provider, the operator's two programs, and somebody
// untrusted. Whatever any of them says is kept, so that the key can be searched for in all of it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { AIVAULTD, aivault, run } from "../../e2e/support/run.mjs";
import { startStandIn } from "../../e2e/support/start-stand-in.mjs";
import { createTempHome } from "../../e2e/support/temp-home.mjs";

/**
 * @typedef {{ id: number, group: number, name: string }} OtherUser
 *
 * @typedef {object} Heard
 * @property {string} who
 * @property {Buffer} bytes
 *
 * @typedef {import("../../e2e/support/run.mjs").RunResult} RunResult
 *
 * @typedef {object} Stage
 * @property {string} home - The operator's; holds the vault, its key and its audit log.
 * @property {string} socket - Where callers knock.
 * @property {string} operatorSocket
 * @property {OtherUser | null} otherUser - Whom the untrusted program runs as; null: the same user.
 * @property {import("../../e2e/support/start-stand-in.mjs").StandInProcess} provider
 * @property {Heard[]} heard - All output of all programs so far.
 * @property {(args: readonly string[], stdin?: string) => Promise<RunResult>} aivault
 * @property {() => Promise<void>} startDaemon
 * @property {(mode: string, stdin?: string) => AsyncIterable<any>} untrusted - What it reports.
 * @property {() => { path: string, bytes: Buffer }[]} files - Every file of every one of them.
 * @property {() => Promise<void>} clear
 */

const NOBODY = { id: 65_534, group: 65_534, name: "nobody" };
const CLIENT = fileURLToPath(new URL("../../packages/client", import.meta.url));

/** Whether we may become somebody else, and they may run this Node. */
async function findOtherUser() {
  if (process.getuid?.() !== 0) return null;
  const { id: uid, group: gid } = NOBODY;
  const able = await run(process.execPath, ["-e", "0"], { uid, gid, cwd: "/" }).catch(() => null);
  return able?.status === 0 ? NOBODY : null;
}

/** The untrusted program's own directory: itself and the client, with nothing else to read. */
function createAgentDirectory(/** @type {OtherUser | null} */ owner) {
  const directory = mkdtempSync(join(tmpdir(), "agent-"));
  const client = join(directory, "node_modules", "@aivault", "client");
  mkdirSync(client, { recursive: true });
  cpSync(join(CLIENT, "package.json"), join(client, "package.json"));
  cpSync(join(CLIENT, "dist"), join(client, "dist"), { recursive: true });
  cpSync(
    fileURLToPath(new URL("untrusted-child.mjs", import.meta.url)),
    join(directory, "agent.mjs"),
  );
  chmodSync(directory, 0o755);
  if (owner !== null) chownSync(directory, owner.id, owner.group);
  return directory;
}

/**
 * @param {string} secret - The key that the provider will accept, and nobody else may learn.
 * @returns {Promise<Stage>}
 */
export async function createStage(secret) {
  const otherUser = await findOtherUser();
  const { home, remove } = createTempHome();
  const agentDirectory = createAgentDirectory(otherUser);
  // Sockets get a directory of their own, so that somebody else can be let in there and only there.
  const socketDirectory = mkdtempSync(join(tmpdir(), "avs-"));
  const socket = join(socketDirectory, "aivaultd.sock");
  const operatorSocket = join(socketDirectory, "aivaultd.operator.sock");
  const provider = await startStandIn({
    credentials: { "api.openai.com": { secret } },
    // A host of the thief's own, where anything is welcome.
    schemes: { "collector.example": { strategy: "none" } },
    delayMs: 60,
  });
  const environment = { HOME: home, AIVAULTD_SOCKET: socket };
  /** @type {Heard[]} */
  const heard = [];
  /** @type {import("node:child_process").ChildProcess | undefined} */
  let daemon;

  return {
    home,
    socket,
    operatorSocket,
    otherUser,
    provider,
    heard,

    async aivault(args, stdin = "") {
      const result = await aivault(args, { env: environment, stdin, cwd: home });
      const who = `aivault ${args.join(" ")}`;
      heard.push({ who, bytes: Buffer.from(result.stdout) });
      heard.push({ who: `${who} (stderr)`, bytes: Buffer.from(result.stderr) });
      return result;
    },

    async startDaemon() {
      const child = spawn(process.execPath, [AIVAULTD], {
        cwd: home,
        env: { PATH: process.env["PATH"], ...environment, ...provider.daemonEnvironment },
        stdio: ["ignore", "pipe", "pipe"],
      });
      daemon = child;
      for (const stream of [child.stdout, child.stderr]) {
        stream.on("data", (bytes) => heard.push({ who: "aivaultd", bytes }));
      }
      const ready = new Promise((resolve) => {
        createInterface({ input: child.stderr }).on("line", (line) => {
          if (line.includes("listening on")) resolve(true);
        });
      });
      const ended = once(child, "exit").then(() => false);
      if (!(await Promise.race([ready, ended]))) {
        throw new Error(`aivaultd did not start:\n${heard.at(-1)?.bytes.toString() ?? ""}`);
      }
      if (otherUser === null) return;
      // The operator lets one other account in, by the caller socket and by nothing else.
      chmodSync(socketDirectory, 0o711);
      chownSync(socket, 0, otherUser.group);
      chmodSync(socket, 0o660);
    },

    async *untrusted(mode, stdin = "") {
      const identity = otherUser === null ? {} : { uid: otherUser.id, gid: otherUser.group };
      const child = spawn(process.execPath, [join(agentDirectory, "agent.mjs"), mode], {
        ...identity,
        cwd: agentDirectory,
        env: { AIVAULTD_SOCKET: socket },
        stdio: ["pipe", "pipe", "pipe"],
      });
      child.stdin.end(stdin);
      let complaint = "";
      child.stderr.on("data", (bytes) => {
        complaint += bytes;
        heard.push({ who: `untrusted ${mode} (stderr)`, bytes });
      });
      const exited = once(child, "exit");
      for await (const text of createInterface({ input: child.stdout })) {
        heard.push({ who: `untrusted ${mode}`, bytes: Buffer.from(text) });
        const event = JSON.parse(text);
        // JSON would hide a key that contains a quote or a backslash; what was got is kept as it was.
        heard.push({
          who: `untrusted ${mode} (haul)`,
          bytes: Buffer.from(event.loot ?? "", "utf8"),
        });
        yield event;
      }
      const [status] = await exited;
      if (status !== 0) throw new Error(`the untrusted program ended with ${status}\n${complaint}`);
    },

    files: () =>
      [home, socketDirectory, agentDirectory].flatMap((directory) => filesBelow(directory)),

    async clear() {
      if (daemon !== undefined && daemon.exitCode === null) {
        const exited = once(daemon, "exit");
        daemon.kill("SIGTERM");
        await exited;
      }
      await provider.stop();
      remove();
      rmSync(agentDirectory, { recursive: true, force: true });
      rmSync(socketDirectory, { recursive: true, force: true });
    },
  };
}

/** @param {string} directory @returns {{ path: string, bytes: Buffer }[]} */
function filesBelow(directory) {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name);
    const status = statSync(path);
    if (status.isDirectory()) return filesBelow(path);
    return status.isFile() ? [{ path, bytes: readFileSync(path) }] : [];
  });
}
