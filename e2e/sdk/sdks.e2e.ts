// SDKs as their makers publish them, through the daemon by base URL, to stand-ins that answer only the
// right credential in the right place.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { builtinRegistry } from "@aivault/registry";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findSecret } from "../support/find-secret.mjs";
import { run } from "../support/run.mjs";
import { createTempHome } from "../support/temp-home.mjs";
import { type Broker, startBroker } from "./broker.mjs";
import { CASES, type Case } from "./cases.mjs";
import { type Seen, type StandIn, startStandIn } from "./stand-in.mjs";
import { basePath, isEnvironmentAlone, sdksPage } from "./table.mjs";

/** Some import a hundred megabytes, on machines that are busy with other tests. */
const PROGRAM_MS = 120_000;

const programs = fileURLToPath(new URL("programs/", import.meta.url));
const hosts = Object.assign({}, ...CASES.map((one) => one.hosts)) as Case["hosts"];
const secrets = Object.assign({}, ...CASES.map((one) => one.secrets)) as Case["secrets"];
const home = createTempHome();
const recorded: { one: Case; token: string; seen: Seen }[] = [];
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
  const options = { env, cwd: home.home, timeoutMs: PROGRAM_MS };
  return shell === true
    ? await run("sh", ["-eu", join(programs, `${id}.sh`)], options)
    : await run(process.execPath, [join(programs, `${id}.mjs`)], options);
}

/** Shell scripts are of programs that are there, or are not. */
const isThere = ({ id, shell }: Case): boolean =>
  shell !== true || spawnSync(id, ["--version"]).status === 0;
for (const one of CASES) {
  if (!isThere(one)) process.stderr.write(`sdks: ${one.id} is not tried: it is not installed\n`);
}

const cases = CASES.filter(isThere).map((one) => [one.id, one] as const);
describe.each(cases)("%s", { timeout: PROGRAM_MS + 5_000 }, (_id, one) => {
  it("works; the provider gets its key once, and nothing of the token", async () => {
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
    for (const secret of Object.values(one.secrets)) {
      expect(findSecret(secret, stdout)).toEqual([]);
    }
    const last = seen.at(-1);
    if (last !== undefined) recorded.push({ one, token, seen: last });
  });

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

describe("the stand-ins", () => {
  it("refuse each of these with the credential missing, changed, twice or elsewhere", async () => {
    let refused = 0;
    for (const { one, token, seen } of recorded) {
      standIn.expect(token);
      const arrival = { ...seen, target: seen.asked };
      expect(await standIn.judge(arrival), one.id).toEqual([]);
      for (const [how, other] of spoil(arrival, one, token)) {
        expect(await standIn.judge(other), `${one.id}: ${how}`).not.toEqual([]);
        refused += 1;
      }
    }
    console.log(`sdks: ${recorded.length} worked, ${refused} spoilt requests refused`);
  });
});

type Arrival = Parameters<StandIn["judge"]>[0];

/** The same request with its credential spoilt in every way that applies. */
function spoil(arrival: Arrival, one: Case, token: string): [how: string, Arrival][] {
  const secret = Object.values(one.secrets).at(-1) ?? "";
  const value = secret.startsWith("{") ? JSON.parse(secret).refreshToken : secret;
  const also = (name: string, text: string): Arrival => ({
    ...arrival,
    headers: [...arrival.headers, [name, text] as const],
  });
  const spoilt: [string, Arrival][] = [
    ["the secret in another header", also("x-other", value)],
    ["the secret in the body", { ...arrival, body: Buffer.from(`{"a":"${value}"}`) }],
    ["the token in another header", also("x-other", `Bearer ${token}`)],
    ["the token in base64", also("x-other", Buffer.from(`:${token}`).toString("base64"))],
    ["the token in the query", { ...arrival, target: `${arrival.target}?t=${token}` }],
    ["the token in the body", { ...arrival, body: Buffer.from(token) }],
  ];
  for (const [at, [name, text]] of arrival.headers.entries()) {
    if (!/^(?:authorization|x-api-key|x-goog-api-key)$/i.test(name)) continue;
    const put = (...entries: [string, string][]): Arrival => ({
      ...arrival,
      headers: [...arrival.headers.slice(0, at), ...entries, ...arrival.headers.slice(at + 1)],
    });
    const changed = `${text.slice(0, -2)}${text.at(-2) === "A" ? "B" : "A"}${text.at(-1)}`;
    spoilt.push(
      ["without it", put()],
      ["twice", put([name, text], [name, text])],
      ["changed", put([name, changed])],
    );
  }
  if (/^(?:\/file)?\/bot/.test(arrival.target)) {
    spoilt.push(
      ["without it", { ...arrival, target: arrival.target.replace(/bot[^/]*/, "bot") }],
      ["changed", { ...arrival, target: arrival.target.replace("/bot", "/bot1") }],
      ["twice", { ...arrival, target: arrival.target.replace(/(\/bot[^/]*)/, "$1$1") }],
    );
  }
  return spoilt;
}

describe("docs/sdks.md", () => {
  it("is what is run here; `node e2e/sdk/write-table.mjs` writes it", () => {
    const file = new URL("../../docs/sdks.md", import.meta.url);
    expect(readFileSync(file, "utf8")).toBe(sdksPage());
  });

  it.each(CASES.map((one) => [one.id, one] as const))(
    "agrees with the registry on %s",
    (_, one) => {
      const [provider = ""] = one.credential.split(".");
      const sdk = builtinRegistry().provider(provider)?.sdk;
      const path = basePath(one);
      if (path === "/" || sdk === undefined || one.packages.length === 0) return;
      expect(path).toBe(`/v/${one.credential}${sdk.baseUrlPath ?? ""}`);
      if (!isEnvironmentAlone(one)) return;
      const names = Object.keys(one.environment ?? {});
      for (const name of sdk.baseUrlEnv ?? []) expect(names).toContain(name);
    },
  );
});
