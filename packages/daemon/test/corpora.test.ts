// The attack corpora that speak of the listener: octets on the wire, and heads of requests. The broker
// behind the caller socket is a function that counts; everything before it is the real thing.

import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Invocation, ResponseSink } from "@aivault/broker";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { callerRoutes } from "../src/caller-routes.ts";
import { DenialLimit } from "../src/denial-limit.ts";
import { createHttpListener, type HttpListener } from "../src/http-adapter.ts";
import { listenAt } from "../src/listen.ts";
import { Metrics } from "../src/metrics.ts";
import { linuxPlatform } from "../src/platform/linux.ts";
import { Problem } from "../src/problem.ts";
import type { Services } from "../src/services.ts";
import { TokenStreams } from "../src/tokens/token-streams.ts";
import { raw, statuses } from "./wire.ts";

const corpora = fileURLToPath(new URL("../../../corpora/", import.meta.url));

interface Case {
  readonly id: string;
  readonly class: string;
  readonly why: string;
  readonly input: {
    readonly via?: string;
    readonly kind?: string;
    readonly rawBase64?: string;
    readonly method?: string;
    readonly target?: string;
    readonly headers?: readonly [string, string][];
    readonly bodyFrom?: string;
  };
  readonly expected: {
    readonly decision: string;
    readonly acceptable?: readonly string[];
    readonly upstreamRequests?: number;
    readonly neverResponseHeaders?: readonly string[];
  };
}

function read(name: string, wanted: (input: Case["input"]) => boolean): Case[] {
  const path = join(corpora, name);
  if (!existsSync(path)) {
    process.stderr.write(`SKIPPED: corpora/${name} is not here\n`);
    return [];
  }
  return (JSON.parse(readFileSync(path, "utf8")) as Case[]).filter(({ input }) => wanted(input));
}

const TOKEN = `avp_0123456789abcdef${"A".repeat(32)}`;

const ENVELOPE = JSON.stringify({
  capability: "openai/chat-completions",
  request: { method: "POST", path: "/v1/chat/completions" },
});

let directory: string;
let socket: string;
let listener: HttpListener;
let invocations: Invocation[];
let denials: number;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "aivault-corpora-"));
  socket = join(directory, "s.sock");
  const services = {
    vault: { status: () => ({ locked: false }) },
    log: pino({ level: "silent" }),
    denials: new DenialLimit(Date.now, async () => undefined),
    metrics: new Metrics(Date.now()),
    engine: {
      settings: { requireToken: true },
      requireUnlocked() {},
      broker: () => ({
        async invoke(invocation: Invocation, sink: ResponseSink) {
          invocations.push(invocation);
          const { capability, request } = invocation.envelope;
          const plan = { capability, credential: "c", method: request.method, url: "https://u/" };
          sink.head({ status: 200, statusText: "OK", headers: [], plan }, { resume() {} });
          sink.end();
        },
        async denied() {
          denials++;
        },
      }),
      streams: new TokenStreams(Date.now),
      tokens: {
        async verify(token: string) {
          if (token !== TOKEN) throw new Problem("token_invalid", "no");
          const expiresAtMs = Date.now() + 60_000;
          const unbound = { publicKey: null, workspaceId: null, groupId: null, label: null };
          const grant = { capabilities: ["*"], credential: null, usesMax: null, perMinute: null };
          const limits = { concurrency: null, requestBytesMax: null, responseBytesMax: null };
          return [{ tokenId: "t", expiresAtMs, ...grant, ...limits, ...unbound }];
        },
        async spend() {},
      },
    },
  } as unknown as Services;
  const platform = linuxPlatform(null);
  listener = createHttpListener({ socket: "caller", routes: callerRoutes, services, platform });
  await listenAt(listener.server, socket, platform);
});

afterAll(async () => {
  await listener.close(0);
  rmSync(directory, { recursive: true });
});

function fill(text: string): string {
  return text
    .replaceAll("{HOST}", "aivault")
    .replaceAll("{PORT}", "80")
    .replaceAll("{T}", TOKEN)
    .replaceAll("{L}", String(ENVELOPE.length))
    .replaceAll("{B}", ENVELOPE);
}

async function send({ expected }: Case, octets: string) {
  const acceptable = expected.acceptable ?? [expected.decision];
  let answer = "";
  // A busy machine takes longer to answer; only where silence would do is a short one enough.
  for (const waitMs of acceptable.includes("close") ? [150] : [150, 2_000, 10_000]) {
    invocations = [];
    denials = 0;
    answer = await raw(socket, octets, waitMs);
    if (statuses(answer).length > 0) break;
  }
  const codes = statuses(answer);
  const passed = codes.some((code) => code >= 200 && code < 300);
  const decision = passed ? "allow" : codes.length === 0 ? "close" : "deny";
  expect(acceptable).toContain(decision);
  if (decision !== "deny") return answer;
  expect(invocations).toEqual([]);
  // G18: whoever was refused is on record.
  expect(denials).toBeGreaterThan(0);
  expect(answer).toMatch(/aivault-error: \w+/);
  for (const name of expected.neverResponseHeaders ?? []) {
    expect(answer.toLowerCase()).not.toContain(`${name}:`);
  }
  return answer;
}

describe("octets on the wire", () => {
  const cases = read("headers.json", ({ via }) => via === "wire");

  it.each(cases.map((one) => [one.id, one.class, one.why, one] as const))(
    "G14: %s %s: %s",
    async (_id, _class, _why, one) => {
      await send(one, fill(Buffer.from(one.input.rawBase64 ?? "", "base64").toString("latin1")));
      if (one.expected.decision === "allow") {
        expect(invocations).toHaveLength(one.expected.upstreamRequests ?? 1);
      }
    },
  );
});

describe("heads of requests", () => {
  const cases = read("envelopes.json", ({ kind }) => kind === "listener");

  it.each(cases.map((one) => [one.id, one.class, one.why, one] as const))(
    "G14: %s %s: %s",
    async (_id, _class, _why, one) => {
      const body = one.input.bodyFrom === "none" ? "" : ENVELOPE;
      const headers = [...(one.input.headers ?? []), ["content-length", String(body.length)]];
      const lines = [
        `${one.input.method} ${one.input.target} HTTP/1.1`,
        ...headers.map(([name, value]) => `${name}: ${value}`),
        "",
        body,
      ];
      await send(one, fill(lines.join("\r\n")));
    },
  );
});
