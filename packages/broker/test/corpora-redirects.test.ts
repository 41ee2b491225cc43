import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRedirectRunner, type RedirectCase } from "./corpora-redirects.ts";
import type { CorpusRunner } from "./support/corpus-outcome.ts";

// Every case of corpora/redirects.json with redirects blocked, which is the default and so far all there
// is: one request upstream, the redirect to the caller, and the credential nowhere else.

const cases: readonly RedirectCase[] = JSON.parse(
  readFileSync(new URL("../../../corpora/redirects.json", import.meta.url), "utf8"),
);
const counts = new Map<string, number>();
let runner: CorpusRunner<RedirectCase>;

beforeAll(async () => {
  runner = await createRedirectRunner(cases);
});

afterAll(() => runner.close());

describe("G8: corpora/redirects.json, redirects blocked", () => {
  afterAll(() => {
    const said = [...counts].map(([verdict, count]) => `${count} ${verdict}`).join(", ");
    process.stderr.write(`redirects: of ${cases.length} cases ${said}\n`);
  });

  it.each(cases.map((test) => [test.id, test.why, test] as const))(
    "%s: %s",
    async (_id, _why, test) => {
      const outcome = await runner.run(test);
      counts.set(outcome.verdict, (counts.get(outcome.verdict) ?? 0) + 1);
      const { verdict, detail } = outcome;
      const good = verdict === "passed" || verdict === "not supported";
      expect([good, verdict, detail]).toEqual([true, verdict, detail]);
    },
  );
});
