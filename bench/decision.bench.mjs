// What a decision costs with many capabilities: everything from the envelope to the planned request,
// without opening a secret or contacting anybody. The entry that a plan leaves in the audit log is
// measured by itself and taken off.
//
//   node bench/decision.bench.mjs [capabilities]      5000 unless told
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Broker } from "@aivault/broker";
import { parseEnvelope } from "@aivault/policy";
import { builtinRegistry } from "@aivault/registry";
import { Vault } from "@aivault/vault-core";
import { openFileStore } from "@aivault/vault-core/node";

const CAPABILITIES = Number(process.argv[2] ?? 5000);
const ROUNDS = 5;
const CALLS = 4_000;

const random = (length) => new Uint8Array(randomBytes(length));
const key = random(32);
const keyProvider = {
  config: { kind: "env", variable: "BENCH_KEY" },
  create: async () => key.slice(),
  obtain: async () => key.slice(),
};
const directory = mkdtempSync(join(tmpdir(), "aivault-bench-"));
const store = await openFileStore(join(directory, "vault"));
const vault = await Vault.create({ store, random, now: Date.now, keyProvider });
const registry = builtinRegistry();
const upstream = { send: () => {}, close: async () => {} };
const broker = new Broker({ vault, registry, upstream, now: Date.now, random, version: "0.0.0" });

const { secretId } = await vault.transaction((tx) =>
  tx.createSecret({ name: "ACME_KEY", value: random(32) }),
);
await broker.createCredential({
  id: "acme",
  provider: "acme",
  hosts: ["api.acme.example"],
  auth: { strategy: "header", name: "authorization", template: "Bearer {{key}}" },
  secrets: { key: secretId },
});
// One transaction: each capability is a document of its own all the same.
await vault.transaction(async (tx) => {
  for (let index = 0; index < CAPABILITIES; index += 1) {
    const id = `acme/capability-${index}`;
    await tx.putDocument("capability", id, {
      id,
      provider: "acme",
      host: "api.acme.example",
      risk: "read",
      rules: [{ methods: ["GET"], match: "prefix", path: `/v1/things/${index}` }],
    });
  }
});

const principal = { kind: "caller", transport: "unix", uid: 1000, pid: null };
const invocations = Array.from({ length: 100 }, (_, each) => {
  const index = Math.floor((each * CAPABILITIES) / 100);
  const envelope = parseEnvelope(
    {
      capability: `acme/capability-${index}`,
      dryRun: true,
      request: {
        method: "GET",
        path: `/v1/things/${index}/parts/42?expand=all`,
        headers: [
          { name: "accept", value: "application/json" },
          { name: "x-request-source", value: "bench" },
        ],
      },
    },
    { uploads: false },
  );
  return { requestId: `r${each}`, principal, envelope: envelope.value, uploads: null };
});
const entry = {
  capability: "acme/capability-0",
  credential: "acme",
  decision: "allow",
  host: "api.acme.example",
  kind: "invocation.planned",
  method: "GET",
  path: "/v1/things/0/parts/42",
  principal: { kind: "caller", pid: null, transport: "unix", uid: 1000 },
  requestId: "r0",
  rule: 0,
};

/** Microseconds of one call, the least of several rounds: what else runs here only ever adds. */
async function measure(call) {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round += 1) {
    const before = process.cpuUsage();
    for (let index = 0; index < CALLS; index += 1) await call(index);
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / CALLS);
  }
  return least;
}

const planned = await measure((index) => broker.plan(invocations[index % invocations.length]));
const recorded = await measure(() => vault.audit.append(entry));
console.log(
  `a decision and its audit entry, ${CAPABILITIES} capabilities  ${planned.toFixed(1)} µs`,
);
console.log(`the audit entry alone                        ${recorded.toFixed(1)} µs`);
console.log(`the decision                                 ${(planned - recorded).toFixed(1)} µs`);
await vault.close();
rmSync(directory, { recursive: true, force: true });
