import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { NewCredential } from "../src/index.ts";
import {
  auditEvents,
  createHarness,
  type Harness,
  invocation,
  receive,
  utf8,
} from "./support/harness.ts";
import { type StandIn, startStandIn } from "./support/provider.ts";

// Every case of corpora/redirects.json with redirects blocked, which is the default and so far all there
// is: one request upstream, the redirect to the caller, and the credential nowhere else.

interface Case {
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
    readonly policy: { readonly methods: readonly string[]; readonly prefixes: readonly string[] };
    readonly request: { readonly method: string; readonly path: string; readonly body?: string };
    readonly responses: readonly {
      readonly status: number;
      readonly headers: readonly (readonly [string, string])[];
      readonly body?: string;
    }[];
  };
  readonly expected: { readonly decision: string };
}

const cases: readonly Case[] = JSON.parse(
  readFileSync(new URL("../../../corpora/redirects.json", import.meta.url), "utf8"),
);
const HOST = "api.openai.com";
const SECRET = "canary-redirect-0123456789abcdef";

let provider: StandIn;
let harness: Harness;
let current: Case | null = null;
let answered = 0;

beforeAll(async () => {
  // Whatever host the broker tried, it would end up here and be counted.
  provider = await startStandIn([HOST, "evil.test", "cdn.openai.com"], (_request, response) => {
    const { responses } = (current as Case).input;
    const answer = responses[Math.min(answered++, responses.length - 1)];
    response.statusCode = answer?.status ?? 500;
    response.sendDate = false;
    const headers = (answer?.headers ?? []).flatMap(([name, value]) => [
      name,
      Buffer.from(value.replaceAll("{SECRET}", SECRET)).toString("latin1"),
    ]);
    try {
      response.writeHead(answer?.status ?? 500, headers);
    } catch {
      // Node refuses to write some of these headers; the status alone is a redirect as well.
    }
    response.end(answer?.body);
  });
  harness = await createHarness({
    hosts: {
      [HOST]: provider.port,
      "evil.test": provider.port,
      "cdn.openai.com": provider.port,
    },
  });
  await harness.broker.createSecret({ name: "CASE", value: utf8(SECRET) });
});

afterAll(async () => {
  await harness.close();
  await provider.close();
});

function schemeOf({ input: { auth } }: Case): NonNullable<NewCredential["auth"]> {
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

let supported = 0;

describe("G8: corpora/redirects.json, redirects blocked", () => {
  afterAll(() => {
    const follow = cases.filter(({ expected }) => expected.decision !== "stop").length;
    process.stderr.write(
      `redirects: ${supported} of ${cases.length} stopped after the first request; following (${follow} cases) is not supported\n`,
    );
  });

  it.each(cases.map((test) => [test.id, test.why, test] as const))(
    "%s: %s",
    async (id, _why, test) => {
      current = test;
      answered = 0;
      provider.requests.length = 0;
      const name = id.replaceAll("-", "");
      await harness.broker.createCredential({
        id: name,
        provider: name,
        secrets: { secret: "CASE" },
        hosts: [HOST],
        auth: schemeOf(test),
      });
      await harness.broker.createCapability({
        id: `${name}/call`,
        provider: name,
        host: HOST,
        rules: test.input.policy.prefixes.map((path) => ({
          methods: test.input.policy.methods,
          match: "prefix" as const,
          path,
        })),
      });
      const { method, path, body } = test.input.request;
      const received = await receive(
        harness.broker,
        invocation({
          capability: `${name}/call`,
          request: { method, path, ...(typeof body === "string" ? { body } : {}) },
        }),
      );
      await harness.broker.deleteCapability(`${name}/call`);
      await harness.broker.deleteCredential(name);
      expect(provider.requests).toHaveLength(1);
      expect(provider.requests[0]?.headers["host"]).toBe(HOST);
      const shown = [
        JSON.stringify(received.head),
        received.body.toString("latin1"),
        String(received.error),
        JSON.stringify(await auditEvents(harness.vault, 4)),
      ].join("\n");
      expect(shown).not.toContain(SECRET);
      supported++;
    },
  );
});
