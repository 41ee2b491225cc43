// What the registry costs whoever starts up: importing the package, indexing every provider, and the
// heap that stays in use. Prints medians of fresh processes against the aims. Where others use the
// machine too, processor time tells more than wall time.
import { spawnSync } from "node:child_process";

const RUNS = Number(process.argv[2] ?? 7);
const entry = new URL("../packages/registry/dist/index.js", import.meta.url).href;
const nothing = new URL("nothing.mjs", import.meta.url).href;

const load = `
  const { builtinRegistry } = await import(${JSON.stringify(entry)});
  const imported = performance.now();
  const registry = builtinRegistry();
  registry.capability("openai/chat-completions");
  registry.claimOf("OPENAI_API_KEY");
  registry.providersOfHost("api.openai.com");
`;
const readAll = `
  const all = registry.providers.flatMap(({ capabilities }) => capabilities);
  for (const { id } of all) registry.capability(id);
`;
const timed = `
  const cpu = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1e3; };
  await import(${JSON.stringify(nothing)}); // Node's own start of its module loader is not ours.
  const cpuStarted = cpu();
  const started = performance.now();
  ${load}
  const indexed = performance.now();
  const cpuUsed = cpu() - cpuStarted;
  ${readAll}
  const read = performance.now();
  console.log(JSON.stringify({
    import: imported - started,
    index: indexed - imported,
    total: indexed - started,
    cpu: cpuUsed,
    everything: read - indexed,
    capabilities: all.length,
  }));
`;
// In processes of their own: a collection throws away compiled code, and that would be timed as ours.
const weighed = `
  const heap = () => { gc(); gc(); return process.memoryUsage().heapUsed / 1e6; };
  const before = heap();
  ${load}
  const loaded = heap() - before;
  ${readAll}
  console.log(JSON.stringify({ loaded, everything: heap() - before, kept: all.length }));
`;

/** @param {string} source */
const runs = (source) =>
  Array.from({ length: RUNS }, () => {
    const args = ["--expose-gc", "--input-type=module", "-e", source];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
    if (status !== 0) throw new Error(stderr);
    return JSON.parse(stdout);
  });

/** @param {Record<string, number>[]} of @param {string} name */
const median = (of, name) =>
  of.map((run) => run[name]).sort((a, b) => a - b)[Math.floor(of.length / 2)];

const times = runs(timed);
const heaps = runs(weighed);
const line = (what, value, unit, aim = "") =>
  console.log(`  ${what.padEnd(26)}${value.toFixed(2).padStart(7)} ${unit}  ${aim}`);
console.log(`registry, ${median(times, "capabilities")} capabilities, median of ${RUNS} processes`);
line("import", median(times, "import"), "ms");
line("index, three look-ups", median(times, "index"), "ms");
line("import and index", median(times, "total"), "ms", "(aim: 15 ms)");
line("processor time for it", median(times, "cpu"), "ms");
line("heap in use", median(heaps, "loaded"), "MB", "(aim: 5 MB)");
line("then every capability", median(times, "everything"), "ms");
line("heap in use then", median(heaps, "everything"), "MB");
