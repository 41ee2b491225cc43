// The vault alone: what opening a secret costs, and whether 100,000 secrets cost more than 100.
//
//   node bench/vault.bench.mjs [many]      many: 100000 unless told
//
// Each size is opened in a fresh process, so that memory and cold caches are its own.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Vault } from "@aivault/vault-core";
import { fileKeyProvider, openFileStore, systemRandom } from "@aivault/vault-core/node";

const FEW = 100;
const [, , first = "100000", ...rest] = process.argv;
const options = { random: systemRandom, now: Date.now };
const keyOf = (directory) => fileKeyProvider(join(directory, "kek.key"));
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const since = (started) => Number(process.hrtime.bigint() - started) / 1e6;

if (first === "measure") console.log(JSON.stringify(await measure(rest[0])));
else await compare(Number(first));

async function compare(many) {
  const base = mkdtempSync(join(tmpdir(), "aivault-bench-"));
  try {
    const results = {};
    for (const count of [FEW, many]) {
      const directory = join(base, String(count));
      const started = process.hrtime.bigint();
      await fill(directory, count);
      console.log(`${count} secrets stored in ${(since(started) / 1000).toFixed(1)} s`);
      const runs = Array.from({ length: 5 }, () => {
        const args = [fileURLToPath(import.meta.url), "measure", directory];
        const child = spawnSync(process.execPath, args, { encoding: "utf8" });
        if (child.status !== 0) throw new Error(child.stderr);
        return JSON.parse(child.stdout);
      });
      results[count] = Object.fromEntries(
        Object.keys(runs[0]).map((name) => [name, median(runs.map((run) => run[name]))]),
      );
    }
    for (const name of Object.keys(results[FEW])) {
      const [few, more] = [results[FEW][name], results[many][name]];
      console.log(
        `${name.padEnd(32)} ${few.toFixed(2).padStart(9)} ${more.toFixed(2).padStart(9)}` +
          `  ${(more / few).toFixed(2)} x`,
      );
    }
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
}

async function fill(directory, count) {
  const store = await openFileStore(directory);
  const vault = await Vault.create({ ...options, store, keyProvider: keyOf(directory) });
  const value = new TextEncoder().encode("sk-bench-0123456789abcdefghijklmnopqrstuvwxyz");
  const batch = 500;
  for (let done = 0; done < count; done += batch) {
    await vault.transaction(async (tx) => {
      for (let i = done; i < Math.min(count, done + batch); i += 1) {
        await tx.createSecret({ name: `SECRET_${i}`, value });
      }
    });
  }
  await vault.close();
}

async function measure(directory) {
  const started = process.hrtime.bigint();
  const vault = await Vault.open({ ...options, store: await openFileStore(directory) });
  await vault.unlock(keyOf(directory));
  const openMs = since(started);

  const listStarted = process.hrtime.bigint();
  const page = await vault.listSecrets({ limit: 50 });
  const firstPageMs = since(listStarted);

  const useStarted = process.hrtime.bigint();
  const found = await vault.findSecret("SECRET_42", { kind: "global" });
  await vault.useSecret(found.secretId, (value) => value.length);
  const firstUseMs = since(useStarted);

  // The same secret again and again: unwrap, open, wipe, with the operating system's caches warm.
  const { secretId } = page.items[0];
  const uses = [];
  for (let i = 0; i < 2000; i += 1) {
    const useAgain = process.hrtime.bigint();
    await vault.useSecret(secretId, (value) => value.length);
    uses.push(since(useAgain) * 1000);
  }
  const memoryMb = process.memoryUsage.rss() / 2 ** 20;
  await vault.close();
  return {
    "open and unlock, ms": openMs,
    "first page of 50, ms": firstPageMs,
    "find and use one, ms": firstUseMs,
    "all three, ms": openMs + firstPageMs + firstUseMs,
    "use again, median microseconds": median(uses),
    "memory, MB": memoryMb,
  };
}
