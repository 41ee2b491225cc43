// SDKs as their makers publish them, through the daemon by base URL, to stand-ins that answer only the
// right credential in the right place.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findSecret } from "../support/find-secret.mjs";
import { run } from "../support/run.mjs";
import { createTempHome } from "../support/temp-home.mjs";
import { type Broker, startBroker } from "./broker.mjs";
import { CASES, type Case } from "./cases.mjs";
import { type StandIn, startStandIn } from "./stand-in.mjs";

const programs = fileURLToPath(new URL("programs/", import.meta.url));
const hosts = Object.assign({}, ...CASES.map((one) => one.hosts)) as Case["hosts"];
const secrets = Object.assign({}, ...CASES.map((one) => one.secrets)) as Case["secrets"];
const home = createTempHome();
let standIn: StandIn;
let broker: Broker;

beforeAll(async () => {
  standIn = await startStandIn(hosts);
  broker = await startBroker({ standIn, hosts: Object.keys(hosts) });
  for (const [name, value] of Object.entries(secrets)) {
    await broker.operator.createSecret({ name }, Buffer.from(value));
  }
});

afterAll(async () => {
  await broker?.stop();
  await standIn?.close();
  home.remove();
});

/** Run a case's program with nothing but a token and our address. */
async function runProgram({ id, environment = {}, shell }: Case, token: string) {
  standIn.expect(token);
  const known: Record<string, string> = { AIVAULT_URL: broker.url, AIVAULT_TOKEN: token };
  const own = Object.entries(environment).map(([name, value]) => [
    name,
    value.replace(/\$(\w+)/g, (text, variable) => known[variable] ?? text),
  ]);
  // Some SDKs warn that they will soon want another Node.
  const env = { HOME: home.home, NODE_NO_WARNINGS: "1", ...known, ...Object.fromEntries(own) };
  const options = { env, cwd: home.home };
  return shell === true
    ? await run("sh", ["-eu", join(programs, `${id}.sh`)], options)
    : await run(process.execPath, [join(programs, `${id}.mjs`)], options);
}

describe.each(CASES.map((one) => [one.id, one] as const))("%s", (_id, one) => {
  it.skipIf(one.awaits !== undefined)(
    "G1: works; the provider gets its key once and nothing of the token",
    async () => {
      const { token } = await broker.operator.mintToken({
        capabilities: one.capabilities,
        credential: one.credential,
      });
      const { status, stdout, stderr } = await runProgram(one, token);
      const seen = standIn.seen();
      expect(seen.flatMap(({ complaints }) => complaints)).toEqual([]);
      expect({ status, stderr: stderr.slice(0, 1_500) }).toEqual({ status: 0, stderr: "" });
      const printed = one.shell === true ? stdout.trim().split("\n") : JSON.parse(stdout);
      expect(printed).toEqual(one.expected);
      expect(seen.map(({ method, target }) => `${method} ${target}`)).toEqual(one.requests);
      for (const secret of Object.values(one.secrets))
        expect(findSecret(secret, stdout)).toEqual([]);
    },
  );

  it("G13: fails with a token for another credential, and the provider hears nothing", async () => {
    const other = one.credential === "openai" ? "anthropic" : "openai";
    const { token } = await broker.operator.mintToken({
      capabilities: one.capabilities,
      credential: other,
    });
    const { status } = await runProgram(one, token);
    expect(status).not.toBe(0);
    expect(standIn.seen()).toEqual([]);
  });
});
