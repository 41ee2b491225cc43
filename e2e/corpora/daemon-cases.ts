// Cases that speak of a listener, or of an envelope as it arrives: through a real daemon on its unix
// socket and on TCP, with a stand-in provider behind real TLS that counts what reaches it.

import { spawnSync } from "node:child_process";
import { symlinkSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { builtinRegistry } from "@aivault/registry";
import type { CorpusOutcome } from "../../packages/broker/test/support/corpus-outcome.ts";
import { testVault } from "../../packages/daemon/test/vault.ts";
import { confirmed, form, json, statuses } from "../../packages/daemon/test/wire.ts";
import type { SetUp } from "../../packages/policy/test/corpora-runner.ts";
import { type StandInProcess, startStandIn } from "../support/start-stand-in.mjs";

/** A case of headers.json with `via: wire`, or of envelopes.json. */
export interface DaemonCase {
  readonly id: string;
  readonly input: {
    readonly via?: string;
    readonly kind?: string;
    readonly rawBase64?: string;
    readonly method?: string;
    readonly target?: string;
    readonly headers?: readonly (readonly [name: string, value: string])[];
    readonly bodyFrom?: string;
    readonly contentType?: string;
    readonly text?: string;
    readonly base64?: string;
    readonly textParts?: readonly (readonly [text: string, times: number])[];
  };
  readonly expected: {
    readonly decision: string;
    readonly acceptable?: readonly string[];
    /** Of the answers, in order: `2xx`, `401`. */
    readonly statuses?: readonly string[];
    readonly upstreamRequests?: number;
    readonly upstreamBody?: string;
    readonly upstreamBodyBase64?: string;
    readonly neverUpstream?: readonly string[];
    readonly neverResponseHeaders?: readonly string[];
    readonly maxMillis?: number;
    readonly maxRssGrowthMb?: number;
  };
}

/** A daemon with the corpora's set-up (corpora/setup.md). */
export interface DaemonRunner {
  run(testCase: DaemonCase): Promise<CorpusOutcome>;
  close(): Promise<void>;
}

const KEY = "sk-proj-corpora-canary-0123456789abcdef";

function envelopeOf({ capability, method, prefix }: SetUp): string {
  return JSON.stringify({ capability, request: { method, path: prefix } });
}

/** What one connection to the daemon came to. */
interface Answer {
  readonly text: string;
  readonly tookMs: number;
  readonly grownMb: number;
  readonly upstream: Awaited<ReturnType<StandInProcess["requests"]>>;
}

interface Listener {
  readonly name: string;
  readonly open: () => Socket;
  readonly authority: string;
  readonly port: string;
}

/** Start a daemon, a stand-in provider, and everything the placeholders of the cases stand for. */
export async function startDaemonRunner(setUp: SetUp): Promise<DaemonRunner> {
  const { host, header } = setUp;
  const standIn = await startStandIn({
    credentials: { [host]: { secret: KEY } },
    schemes: { [host]: { strategy: "header", ...header } },
    // A case says whether a request may pass, not what a provider knows of its path.
    everyPath: [host],
  });
  const envelope = envelopeOf(setUp);
  const vault = testVault();
  await vault.init({ dev: true });
  const daemon = await vault.start({
    env: { ...vault.env, ...standIn.daemonEnvironment },
    listen: "127.0.0.1:0",
  });
  const operate = async (method: string, path: string, options = {}) => {
    const answer = await confirmed(daemon.operatorSocket, method, path, options);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
    return answer.json;
  };
  const mint = async (more = {}): Promise<{ token: string; tokenId: string }> =>
    await operate("POST", "/aivault/tokens", json({ capabilities: ["*"], ...more }));
  await provision(setUp, operate);
  const token = await mint({ ttlMs: 3_600_000 });
  const revoked = await mint();
  await operate("DELETE", `/aivault/tokens/${revoked.tokenId}`);
  // Whoever may use the socket needs no token unless the operator asks for one; the cases do.
  await operate("PATCH", "/aivault/settings", json({ requireToken: true }));

  const url = new URL(daemon.url ?? "");
  const listeners: readonly Listener[] = [
    { name: "unix", open: () => connect(daemon.socket), authority: "aivault", port: "80" },
    {
      name: "tcp",
      open: () => connect(Number(url.port), url.hostname),
      authority: url.host,
      port: url.port,
    },
  ];
  const fifo = join(vault.directory, "corpora.fifo");
  spawnSync("mkfifo", [fifo]);
  const linkToVault = join(vault.directory, "corpora-vault");
  const linkToKey = join(vault.directory, "corpora-key");
  symlinkSync(join(vault.directory, "vault.json"), linkToVault);
  symlinkSync(vault.paths.keyFile, linkToKey);
  const fill = (text: string, { authority, port }: Listener): string =>
    Object.entries({
      HOST: authority,
      PORT: port,
      T: token.token,
      L: String(Buffer.byteLength(envelope)),
      B: envelope,
      REVOKED: revoked.token,
      // Unknown to the daemon is what an expired token is once it has been cleared away.
      EXPIRED: `avp_${"0".repeat(48)}`,
      VAULT_DIR: vault.directory,
      KEY_FILE: vault.paths.keyFile,
      SOCKET: daemon.socket,
      FIFO: fifo,
      SYMLINK_TO_VAULT: linkToVault,
      SYMLINK_TO_KEY: linkToKey,
    }).reduce((filled, [name, value]) => filled.replaceAll(`{${name}}`, value), text);

  const send = async (listener: Listener, octets: Uint8Array, answers: number): Promise<Answer> => {
    await standIn.clear();
    const rssBefore = process.memoryUsage().rss;
    const startedAtMs = performance.now();
    const text = await exchange(listener.open(), octets, answers);
    const tookMs = performance.now() - startedAtMs;
    const grownMb = (process.memoryUsage().rss - rssBefore) / 1_048_576;
    return { text, tookMs, grownMb, upstream: await standIn.requests() };
  };
  return {
    run: async (testCase) => {
      for (const listener of listeners) {
        const octets = octetsOf(testCase, (text) => fill(text, listener), {
          authority: listener.authority,
          token: token.token,
          envelope,
        });
        const answer = await send(listener, octets, testCase.expected.statuses?.length ?? 1);
        const outcome = judge(testCase, answer, octets.length);
        if (outcome.verdict !== "passed") {
          return { ...outcome, detail: `${listener.name}: ${outcome.detail}` };
        }
      }
      return { verdict: "passed", detail: "on both listeners" };
    },
    close: async () => {
      await vault.dispose();
      await standIn.stop();
    },
  };
}

/** Store the credential and the capability of the set-up, with the registry's help where it has them. */
async function provision(
  { capability, credential, host, method, prefix, header }: SetUp,
  operate: (method: string, path: string, options: object) => Promise<unknown>,
): Promise<void> {
  const registry = builtinRegistry();
  const provider = capability.split("/", 1)[0] as string;
  const known = registry.provider(provider);
  const name = known?.secrets[0]?.name ?? "CORPORA_KEY";
  await operate(
    "POST",
    "/aivault/secrets",
    form(["secret", JSON.stringify({ name })], ["value", KEY]),
  );
  if (known === null) {
    const auth = { strategy: "header", ...header };
    const made = { id: credential, provider, secrets: { secret: name }, hosts: [host], auth };
    await operate("POST", "/aivault/credentials", json(made));
  }
  if (registry.capability(capability) === null) {
    const rules = [{ methods: [method], match: "prefix", path: prefix }];
    await operate("POST", "/aivault/capabilities", json({ id: capability, provider, host, rules }));
  }
}

function octetsOf(
  { input }: DaemonCase,
  fill: (text: string) => string,
  { authority, token, envelope }: Readonly<Record<"authority" | "token" | "envelope", string>>,
): Uint8Array {
  if (input.via === "wire") {
    return Buffer.from(
      fill(Buffer.from(input.rawBase64 ?? "", "base64").toString("latin1")),
      "latin1",
    );
  }
  if (input.kind === "listener") {
    const body = input.bodyFrom === "none" ? "" : envelope;
    const headers = [...(input.headers ?? []), ["content-length", String(Buffer.byteLength(body))]];
    const lines = headers.map(([name, value]) => `${name}: ${value}`);
    const head = [`${input.method} ${input.target} HTTP/1.1`, ...lines, "", ""].join("\r\n");
    return Buffer.from(fill(head) + body, "latin1");
  }
  const body = bodyOf(input, fill);
  const head = [
    "POST /aivault/proxy HTTP/1.1",
    `host: ${authority}`,
    `authorization: Bearer ${token}`,
    ...(input.contentType === undefined ? [] : [`content-type: ${input.contentType}`]),
    `content-length: ${body.length}`,
    "connection: close",
    "",
    "",
  ].join("\r\n");
  return Buffer.concat([Buffer.from(head, "latin1"), body]);
}

function bodyOf(input: DaemonCase["input"], fill: (text: string) => string): Buffer {
  if (typeof input.text === "string") return Buffer.from(fill(input.text), "utf8");
  if (typeof input.base64 === "string") return Buffer.from(input.base64, "base64");
  return Buffer.concat(
    (input.textParts ?? []).map(([text, times]) => {
      const part = Buffer.from(text, "utf8");
      return Buffer.alloc(part.length * times, part);
    }),
  );
}

/** After this long without an answer, none is expected. */
const SILENCE_MS = 1_500;
/** After the last expected answer, how long another one may take to begin. */
const QUIET_MS = 150;

/** What comes back until the daemon closes the connection or has nothing more to say. */
function exchange(socket: Socket, octets: Uint8Array, answers: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let timer = setTimeout(() => socket.destroy(), SILENCE_MS + octets.length / 1_000);
    socket.on("data", (chunk) => {
      chunks.push(chunk);
      if (statuses(Buffer.concat(chunks).toString("latin1")).length < answers) return;
      clearTimeout(timer);
      timer = setTimeout(() => socket.destroy(), QUIET_MS);
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "ECONNRESET" && error.code !== "EPIPE") reject(error);
    });
    socket.on("close", () => {
      clearTimeout(timer);
      resolve(Buffer.concat(chunks).toString("latin1"));
    });
    socket.write(octets);
  });
}

const PROTOTYPE_KEYS = String(Reflect.ownKeys(Object.prototype));
const LONG_NAME = /([a-z])\1{100}/;
const MIB = 1_048_576;

function judge({ input, expected }: DaemonCase, answer: Answer, sentBytes: number): CorpusOutcome {
  const broken = (detail: string): CorpusOutcome => ({ verdict: "side condition", detail });
  const { text, upstream } = answer;
  const codes = statuses(text);
  const accepted = codes.some((code) => code >= 200 && code < 300);
  const decision = accepted ? "allow" : codes.length === 0 ? "close" : "deny";
  const acceptable = expected.acceptable ?? [expected.decision];
  const detail = `${decision} (${codes.join(" ")}), ${upstream.length} upstream`;
  if (expected.decision !== "either") {
    // A body may also be refused by hanging up on it, when it is too large to be read.
    const hungUp = decision === "close" && input.kind === "body" && acceptable.includes("deny");
    if (!acceptable.includes(decision) && !hungUp) {
      return accepted
        ? { verdict: "attack let through", detail }
        : {
            verdict: acceptable.includes("allow") ? "good request refused" : "side condition",
            detail,
          };
    }
  }
  if (!accepted && upstream.length > 0) return { verdict: "attack let through", detail };
  if (accepted && upstream.length !== (expected.upstreamRequests ?? upstream.length)) {
    return { verdict: "attack let through", detail };
  }
  const wanted = expected.statuses ?? [];
  if (wanted.some((status, at) => !fits(status, codes[at]))) return broken(detail);
  if (codes.some((code) => code >= 500)) return broken(detail);
  if (upstream.some(({ authorized }) => !authorized)) return broken("sends no credential");
  const { upstreamBody, upstreamBodyBase64 } = expected;
  const bytes =
    upstreamBody !== undefined
      ? Buffer.byteLength(upstreamBody)
      : Buffer.byteLength(upstreamBodyBase64 ?? "", "base64");
  const bodyStated = upstreamBody !== undefined || upstreamBodyBase64 !== undefined;
  if (bodyStated && upstream.some(({ requestBytes }) => requestBytes !== bytes)) {
    return broken("changes the body");
  }
  const names = upstream.flatMap(({ headerNames }) => headerNames);
  for (const name of expected.neverUpstream ?? []) {
    // The broker has a connection of its own to describe.
    if (name !== "connection" && names.includes(name)) {
      return { verdict: "attack let through", detail: `passes ${name}` };
    }
  }
  for (const name of expected.neverResponseHeaders ?? []) {
    if (text.toLowerCase().includes(`${name.toLowerCase()}:`))
      return broken(`answers with ${name}`);
  }
  if (String(Reflect.ownKeys(Object.prototype)) !== PROTOTYPE_KEYS) {
    return broken("changes Object.prototype");
  }
  if (!accepted && LONG_NAME.test(text)) return broken("echoes a long name");
  if (answer.tookMs - QUIET_MS > (expected.maxMillis ?? Number.POSITIVE_INFINITY)) {
    return broken(`took ${Math.round(answer.tookMs)} ms`);
  }
  // What was sent lies in this process as well.
  const allowedMb = (expected.maxRssGrowthMb ?? Number.POSITIVE_INFINITY) + sentBytes / MIB;
  if (answer.grownMb > allowedMb) return broken(`grows by ${Math.round(answer.grownMb)} MB`);
  return { verdict: "passed", detail };
}

/** Operators have a listener of their own, so what the cases expect to be 401 may be an unknown route. */
function fits(status: string, code: number | undefined): boolean {
  if (status === "401") return code !== undefined && code >= 400 && code < 500;
  return code !== undefined && String(code).startsWith(status.replace(/x+$/, ""));
}
