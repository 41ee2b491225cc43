// Cases of corpora/redirects.json through the real broker and real TLS. Every origin the broker could be
// led to is the same stand-in, which remembers all that arrives.

import type { TLSSocket } from "node:tls";
import type { NewCredential } from "../src/index.ts";
import type { CorpusOutcome, CorpusRunner } from "./support/corpus-outcome.ts";
import { deliverDirectly } from "./support/deliver.ts";
import { auditEvents, createHarness, utf8 } from "./support/harness.ts";
import { type RecordedRequest, startRawStandIn } from "./support/provider.ts";

/** One case, as it stands in the file. */
export interface RedirectCase {
  readonly id: string;
  readonly class: string;
  readonly why: string;
  readonly input: {
    readonly auth: {
      readonly type: string;
      readonly headers?: readonly string[];
      readonly params?: readonly string[];
      readonly prefixTemplate?: string;
    };
    readonly policy: {
      readonly methods: readonly string[];
      readonly prefixes: readonly string[];
      readonly allowHosts?: readonly string[];
    };
    readonly request: { readonly method: string; readonly path: string; readonly body?: string };
    readonly responses: readonly {
      readonly status: number;
      readonly headers: readonly (readonly [string, string])[];
      readonly body?: string;
      readonly delayMs?: number;
    }[];
  };
  readonly expected: {
    readonly decision: string;
    readonly acceptable?: readonly string[];
    readonly hops?: readonly Hop[];
    readonly maxUpstreamRequests?: number;
    readonly callerNeverSees?: readonly string[];
    readonly neverContact?: readonly string[];
    readonly credentialNever?: readonly string[];
    /** The vault is locked while the first answer is on its way. */
    readonly revokeDuringDelay?: string;
  };
}

interface Hop {
  readonly origin: string;
  readonly method: string;
  readonly path: string;
  readonly credential: boolean;
  readonly body: string | null;
  readonly neverHeaders?: readonly string[];
}

const SECRET = "canary-redirect-0123456789abcdef";

/** Whatever name is asked for is the stand-in. */
class EveryHost extends Map<string, { address: string; port: number }> {
  readonly #port: () => number;

  constructor(port: () => number) {
    super();
    this.#port = port;
  }

  override get(): { address: string; port: number } {
    return { address: "127.0.0.1", port: this.#port() };
  }

  override has(): boolean {
    return true;
  }
}

/** The host of the first request. */
function homeOf({ input, expected }: RedirectCase): string {
  const origin = expected.hops?.[0]?.origin;
  if (origin !== undefined) return new URL(origin).host;
  return input.policy.allowHosts?.[0] ?? "api.openai.com";
}

/** The hosts that could be contacted and must not be: those in the locations and in the policy. */
function hostsOf({ input }: RedirectCase): readonly string[] {
  const named = input.responses.flatMap(({ headers }) =>
    headers.flatMap(([, value]) => value.match(/[a-z0-9-]+(?:\.[a-z0-9-]+)+/gi) ?? []),
  );
  return [...named, ...(input.policy.allowHosts ?? [])].map((host) => host.toLowerCase());
}

/**
 * A runner of redirect cases.
 *
 * @param all - The cases that will be run; the stand-in's certificate covers the hosts they name.
 * @param follow - False leaves redirects blocked, which is the broker's default: `follow` cases are then
 * not supported, and everything else holds.
 * @param deliver - How requests get to the broker.
 */
export async function createRedirectRunner(
  all: readonly RedirectCase[],
  follow = true,
  deliver = deliverDirectly,
): Promise<CorpusRunner<RedirectCase>> {
  let current: RedirectCase | null = null;
  let answered = 0;
  const hosts = [...new Set([...all.map(homeOf), ...all.flatMap(hostsOf)])].filter(
    (host) => !/\.\d+$/.test(host),
  );
  const answer = async (socket: TLSSocket): Promise<void> => {
    if (current === null) return;
    const { responses } = current.input;
    const response = responses[Math.min(answered++, responses.length - 1)];
    if (response?.delayMs !== undefined && current.expected.revokeDuringDelay !== undefined) {
      harness.vault.lock();
    }
    const body = Buffer.from(response?.body ?? "", "utf8");
    const headers = (response?.headers ?? []).map(
      ([name, value]) => `${name}: ${value.replaceAll("{SECRET}", SECRET)}\r\n`,
    );
    // Raw, since no server library would write some of these locations.
    const head = `HTTP/1.1 ${response?.status} Reason\r\n${headers.join("")}`;
    socket.write(Buffer.from(head, "utf8"));
    socket.end(Buffer.concat([Buffer.from(`content-length: ${body.length}\r\n\r\n`), body]));
  };
  const provider = await startRawStandIn(hosts, (socket) => void answer(socket));
  const harness = await createHarness({
    upstream: { resolve: new EveryHost(() => provider.port) },
  });
  await harness.broker.createSecret({ name: "CASE", value: utf8(SECRET) });

  const run = async (test: RedirectCase): Promise<CorpusOutcome> => {
    current = test;
    answered = 0;
    provider.requests.length = 0;
    const host = homeOf(test);
    const name = test.id.toLowerCase().replaceAll(/[^a-z0-9]/g, "");
    await harness.broker.createCredential({
      id: name,
      provider: name,
      secrets: { secret: "CASE" },
      hosts: [host],
      auth: schemeOf(test),
    });
    await harness.broker.createCapability({
      id: `${name}/call`,
      provider: name,
      host,
      rules: test.input.policy.prefixes.map((path) => ({
        methods: test.input.policy.methods,
        match: "prefix" as const,
        path,
      })),
    });
    if (follow) {
      const { allowHosts = [] } = test.input.policy;
      await harness.broker.setPolicy(`${name}/call`, {
        followRedirects: true,
        redirectHosts: allowHosts.filter((allowed) => allowed !== host),
      });
    }
    const { method, path, body } = test.input.request;
    const request = { method, path, ...(typeof body === "string" ? { body } : {}) };
    const received = await deliver(harness, { capability: `${name}/call`, request }, test.id);
    await harness.vault.unlock(harness.keyProvider);
    const shown = [
      JSON.stringify(received.head),
      received.body.toString("latin1"),
      String(received.error?.stack),
      JSON.stringify(await auditEvents(harness.vault, 12)),
    ].join("\n");
    await harness.broker.deletePolicy(`${name}/call`);
    await harness.broker.deleteCapability(`${name}/call`);
    await harness.broker.deleteCredential(name);
    return judge(test, provider.requests, shown, received.error?.message ?? "answered");
  };
  return {
    run,
    close: async () => {
      await harness.close();
      await provider.close();
    },
  };
}

function judge(
  test: RedirectCase,
  requests: readonly RecordedRequest[],
  shown: string,
  said: string,
): CorpusOutcome {
  const { input, expected } = test;
  const letThrough = (detail: string): CorpusOutcome => ({ verdict: "attack let through", detail });
  const never = [SECRET, ...(expected.callerNeverSees ?? [])].map((text) =>
    text.replaceAll("{SECRET}", SECRET),
  );
  if (never.some((text) => shown.includes(text))) return letThrough("the caller sees the secret");
  const hops = requests.map((request) => hopOf(request, input.auth));
  const allowed = expected.hops ?? [];
  for (const [index, hop] of hops.entries()) {
    const fitting = allowed[index];
    // Beyond the hops that are listed, only as many as the case says can be right.
    const hopsMax = Math.max(1, allowed.length, expected.maxUpstreamRequests ?? 0);
    if (index >= hopsMax || expected.neverContact?.includes(hop.origin) === true) {
      return letThrough(`sends ${hop.method} ${hop.origin}`);
    }
    if (hop.credential && expected.credentialNever?.includes(hop.origin) === true) {
      return letThrough(`sends the credential to ${hop.origin}`);
    }
    if (hop.credential && hop.origin !== `https://${homeOf(test)}`) {
      return letThrough(`sends the credential to ${hop.origin}`);
    }
    if (fitting === undefined) continue;
    const { origin, method, path, credential, body, neverHeaders = [] } = fitting;
    const same =
      hop.origin === origin &&
      hop.method === method &&
      hop.path === path &&
      hop.credential === credential &&
      hop.body === (body ?? "") &&
      !hop.headerNames.some((name) => neverHeaders.includes(name));
    if (!same)
      return { verdict: "side condition", detail: `hop ${index} is ${hop.method} ${hop.path}` };
  }
  if (hops.length === 0)
    return { verdict: "good request refused", detail: `nothing was sent: ${said}` };
  if (hops.length > (expected.maxUpstreamRequests ?? Number.POSITIVE_INFINITY)) {
    return letThrough(`makes ${hops.length} requests`);
  }
  const detail = `${hops.length} requests`;
  if (expected.revokeDuringDelay !== undefined) {
    return hops.length === 1 ? { verdict: "passed", detail } : letThrough("goes on after the lock");
  }
  const whole = hops.length === allowed.length;
  if (expected.decision !== "follow" || whole) return { verdict: "passed", detail };
  return { verdict: "not supported", detail: "the redirect is not followed" };
}

function hopOf(
  { method, url, body: text }: RecordedRequest,
  { params = [], prefixTemplate }: RedirectCase["input"]["auth"],
): Hop & { readonly headerNames: readonly string[] } {
  const end = text.indexOf("\r\n\r\n");
  const lines = text.slice(0, end).split("\r\n").slice(1);
  const headers = lines.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
  });
  const prefix = prefixTemplate?.replace("{{secret}}", SECRET) ?? "";
  const [path = "", query = ""] = url.split("?");
  const rest = query.split("&").filter((pair) => !params.includes(pair.split("=", 1)[0] as string));
  const bare = prefix !== "" && path.startsWith(prefix) ? path.slice(prefix.length) : path;
  const pair = Buffer.from(`user:${SECRET}`).toString("base64");
  return {
    origin: `https://${headers.find(([name]) => name === "host")?.[1] ?? ""}`,
    method,
    path: rest.join("&") === "" ? bare : `${bare}?${rest.join("&")}`,
    credential: text.includes(SECRET) || text.includes(pair),
    body: text.slice(end + 4),
    headerNames: headers.map(([name]) => name),
  };
}

function schemeOf({ input: { auth } }: RedirectCase): NonNullable<NewCredential["auth"]> {
  const template = "{{secret}}";
  const [header = "authorization"] = auth.headers ?? [];
  switch (auth.type) {
    case "query":
    case "multi-query":
      return {
        strategy: "multi-query",
        params: (auth.params ?? ["key"]).map((name) => ({ name, template })),
      };
    case "basic":
      return { strategy: "basic", username: "user", password: template };
    case "multi-header":
      return {
        strategy: "multi-header",
        headers: (auth.headers ?? []).map((name) => ({ name, template })),
      };
    case "path":
      return { strategy: "path", template: auth.prefixTemplate ?? "/bot{{secret}}" };
    default:
      return { strategy: "header", name: header, template: `Bearer ${template}` };
  }
}
