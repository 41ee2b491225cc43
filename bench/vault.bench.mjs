// Whether 100,000 secrets cost more than 100: the daemon from its start to its first answer, the first
// page of a list, one invocation, and its memory; and what opening one secret costs by itself.
//
//   node bench/vault.bench.mjs [many] [rounds]      many: 100000 unless told
//
// The two sizes take turns, each time in a fresh process, so that memory and caches are its own.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Vault } from "@aivault/vault-core";
import { fileKeyProvider, openFileStore, systemRandom } from "@aivault/vault-core/node";
import { aivault } from "../e2e/support/run.mjs";
import { startStandIn } from "../e2e/support/start-stand-in.mjs";
import { createTempHome } from "../e2e/support/temp-home.mjs";
import { ask, startDaemon } from "./daemon-process.mjs";
import { median } from "./measure.mjs";

const FEW = 100;
// A change of many secrets writes every shard of the manifest, however few are in it.
const BATCH = 5000;
const USES = 2000;
const [, , first = "100000", ...rest] = process.argv;
const options = { random: systemRandom, now: Date.now };
const since = (started) => Number(process.hrtime.bigint() - started) / 1e6;

if (first === "open") console.log(JSON.stringify(await measureOpen(rest[0])));
else await compare(Number(first), Number(rest[0] ?? 5));

async function compare(many, rounds) {
  const secret = `sk-bench-${Buffer.from(systemRandom(24)).toString("base64url")}`;
  const standIn = await startStandIn({ credentials: { "api.openai.com": { secret } } });
  const homes = new Map();
  try {
    for (const count of [FEW, many]) {
      const home = createTempHome();
      homes.set(count, home);
      const started = process.hrtime.bigint();
      await fill(home, { ...home.environment, ...standIn.daemonEnvironment }, secret, count);
      console.log(`${count} secrets stored in ${(since(started) / 1000).toFixed(1)} s`);
    }
    const results = new Map([...homes.keys()].map((count) => [count, []]));
    for (let round = 0; round <= rounds; round += 1) {
      for (const [count, home] of homes) {
        const env = { ...home.environment, ...standIn.daemonEnvironment };
        const found = { ...(await measureAgain(home, env)), ...openInProcess(home) };
        // The first round warms the system's caches.
        if (round > 0) results.get(count).push(found);
      }
    }
    for (const name of Object.keys(results.get(FEW)[0])) {
      const of = (count) => median(results.get(count).map((found) => found[name]));
      const [few, more] = [of(FEW), of(many)];
      console.log(
        `${name.padEnd(36)} ${few.toFixed(2).padStart(9)} ${more.toFixed(2).padStart(9)}` +
          `  ${(more / few).toFixed(2)} x`,
      );
    }
  } finally {
    for (const home of homes.values()) home.remove();
    await standIn.stop();
  }
}

async function fill(home, env, secret, count) {
  const must = async (args, stdin) => {
    const result = await aivault(args, { env, stdin });
    if (result.status !== 0) throw new Error(`aivault ${args[0]}: ${result.stderr}`);
  };
  await must(["init", "--dev", "--provider", "file"]);
  await must(["secrets", "create", "--name", "OPENAI_API_KEY", "--value-stdin"], secret);
  await must(["stop"]);
  const vault = await open(home.vaultDirectory);
  const value = new TextEncoder().encode("sk-bench-0123456789abcdefghijklmnopqrstuvwxyz");
  for (let done = 1; done < count; done += BATCH) {
    await vault.transaction(async (tx) => {
      for (let i = done; i < Math.min(count, done + BATCH); i += 1) {
        await tx.createSecret({ name: `SECRET_${i}`, value });
      }
    });
  }
  await vault.close();
}

async function open(directory) {
  const vault = await Vault.open({ ...options, store: await openFileStore(directory) });
  await vault.unlock(fileKeyProvider(vault.keyProviderConfig.path));
  return vault;
}

// On a machine that is busy otherwise an invocation may run into a deadline; that measured nothing.
async function measureAgain(home, env, attempts = 5) {
  try {
    return await measureDaemon(home, env);
  } catch (error) {
    if (attempts === 1) throw error;
    console.error(`measured again: ${error.message}`);
    return await measureAgain(home, env, attempts - 1);
  }
}

async function measureDaemon(home, env) {
  const socket = join(home.vaultDirectory, "run", "aivaultd.sock");
  const daemon = await startDaemon({ socket, env });
  try {
    const listStarted = process.hrtime.bigint();
    await ask(daemon.operatorSocket, "GET", "/aivault/secrets?limit=50");
    const listMs = since(listStarted);
    const useStarted = process.hrtime.bigint();
    await ask(socket, "POST", "/aivault/proxy", {
      capability: "openai/chat-completions",
      request: { method: "POST", path: "/v1/chat/completions", headers: [], body: "{}" },
    });
    return {
      "cold start of the daemon, ms": daemon.readyMs,
      "first page of 50, ms": listMs,
      "first invocation, ms": since(useStarted),
      "processor time of all three, ms": daemon.cpuMs(),
      "memory of the daemon, MB": daemon.memoryMb(),
    };
  } finally {
    await daemon.stop();
  }
}

function openInProcess(home) {
  const args = [fileURLToPath(import.meta.url), "open", home.vaultDirectory];
  const child = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (child.status !== 0) throw new Error(child.stderr);
  return JSON.parse(child.stdout);
}

// The same secret again and again: read, unwrap, open, wipe, with the operating system's caches warm.
async function measureOpen(directory) {
  const vault = await open(directory);
  const { secretId } = await vault.findSecret("SECRET_42", { kind: "global" });
  const microseconds = [];
  for (let i = 0; i < USES; i += 1) {
    const started = process.hrtime.bigint();
    await vault.useSecret(secretId, (value) => value.length);
    microseconds.push(since(started) * 1000);
  }
  await vault.close();
  return { "open a secret, median microseconds": median(microseconds) };
}
