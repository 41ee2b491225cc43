import { admitsMethod, matchPath, type PathRule, parseTarget } from "@aivault/policy";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Plan } from "../src/index.ts";
import { createHarness, type Harness, invocation, utf8 } from "./support/harness.ts";

const HOST = "api.acme.example";
const RULES: readonly PathRule[] = [
  { methods: ["GET", "HEAD"], match: "prefix", path: "/v1/files" },
  { methods: ["POST"], match: "exact", path: "/v1/chat" },
  { methods: ["DELETE"], match: "pattern", path: "/v1/{kind}/{id}" },
];

let harness: Harness;

beforeAll(async () => {
  harness = await createHarness();
  await harness.broker.createSecret({ name: "ACME_KEY", value: utf8("canary-0123456789") });
  await harness.broker.createCredential({
    id: "acme",
    provider: "acme",
    secrets: { secret: "ACME_KEY" },
    auth: { strategy: "header", name: "x-acme-key", template: "{{secret}}" },
    hosts: [HOST],
  });
  await harness.broker.createCapability({
    id: "acme/some",
    provider: "acme",
    host: HOST,
    rules: RULES,
  });
});

afterAll(() => harness.close());

// Pieces that matter to whoever reads paths, so that chance gets beyond the first check.
const piece = fc.constantFrom(
  ..."/ // /v1 /v1/files /v1/chat /v1/x /y v1 a . .. %2e %2E%2e %2f %5c \\ ; ? # @ : %00 %25 %252e".split(
    " ",
  ),
  ..."%c3%a9 %EF%BC%8E é ?a=b &key=c access_token= https://evil.test [ ] { } ~ * + = , %".split(
    " ",
  ),
);
const path = fc.oneof(
  fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join("")),
  fc.array(piece, { maxLength: 5 }).map((pieces) => `/v1/files/${pieces.join("")}`),
  fc.string({ unit: "binary", maxLength: 30 }),
);
const header = fc.record({
  name: fc.oneof(
    fc.constantFrom(
      ..."Host X-Acme-Key x_acme_key Authorization Cookie Connection X-Forwarded-Host".split(" "),
      ..."X-HTTP-Method-Override X-Original-URL Content-Length Transfer-Encoding Accept X-A".split(
        " ",
      ),
    ),
    fc.string({ maxLength: 8 }),
  ),
  value: fc.oneof(fc.constantFrom("x", "x-a", "evil.test", "a\r\nb: c", ""), fc.string()),
});
const method = fc.constantFrom(
  "GET",
  "get",
  "HEAD",
  "POST",
  "PUT",
  "DELETE",
  "TRACE",
  "CONNECT",
  "",
);

describe("whatever a caller asks for", () => {
  it("G5, G6, G7: is refused, or stays inside the capability, with one credential and nobody's host", async () => {
    let planned = 0;
    await fc.assert(
      fc.asyncProperty(
        path,
        method,
        fc.array(header, { maxLength: 3 }),
        async (asked, verb, headers) => {
          const request = { method: verb, path: asked, headers };
          let plan: Plan;
          try {
            plan = await harness.broker.plan(invocation({ capability: "acme/some", request }));
          } catch (error) {
            // Never a mistake of ours: a refusal with a code.
            const code =
              error instanceof TypeError ? "not an envelope" : Reflect.get(error as object, "code");
            expect([
              "not an envelope",
              "policy_violation",
              "invalid_request",
              "request_too_large",
            ]).toContain(code);
            return;
          }
          planned += 1;
          const origin = `https://${HOST}/`;
          expect(plan.url.startsWith(origin)).toBe(true);
          const target = plan.url.slice(origin.length - 1);
          // What is sent is what was decided about: a fixed point, inside a rule for this method.
          const parsed = parseTarget(target);
          expect(parsed).toMatchObject({ ok: true });
          const [sent = ""] = target.split("?");
          if (parsed.ok) expect(parsed.value.path).toBe(sent);
          const fits = RULES.some(
            (rule) => admitsMethod(rule.methods, plan.method) && matchPath(rule, sent),
          );
          expect(fits).toBe(true);
          // As Node reads it, and as a server does that decodes.
          const url = new URL(plan.url);
          expect([url.host, url.pathname]).toEqual([HOST, sent]);
          expect(decodeURIComponent(sent).split(/[/\\]/)).not.toContain("..");
          const names = plan.headers.map(({ name }) => name);
          expect(new Set(names).size).toBe(names.length);
          for (const { name, value } of plan.headers) {
            expect(name).not.toMatch(/^(?:host|authorization|cookie|connection|x[-_]acme[-_]key)$/);
            expect(name).not.toMatch(
              /^(?:x-forwarded|x-original|x-http-method|transfer-|content-l)/,
            );
            expect(value).not.toMatch(/[\r\n\0]/);
          }
        },
      ),
      { numRuns: 1_500 },
    );
    // A property that only refusals satisfy says little.
    expect(planned).toBeGreaterThan(20);
  }, 120_000);
});
