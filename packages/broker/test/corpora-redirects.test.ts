import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRedirectRunner, type RedirectCase } from "./corpora-redirects.ts";
import type { CorpusRunner } from "./support/corpus-outcome.ts";

// Every case of corpora/redirects.json, twice. With redirects blocked, which is the default: one request
// upstream, the redirect to the caller, and the credential nowhere else. And with redirects followed.

const cases: readonly RedirectCase[] = JSON.parse(
  readFileSync(new URL("../../../corpora/redirects.json", import.meta.url), "utf8"),
);
describe.each([
  ["followed", true],
  ["blocked", false],
] as const)("G8: corpora/redirects.json, redirects %s", (mode, follow) => {
  const counts = new Map<string, number>();
  let runner: CorpusRunner<RedirectCase>;

  beforeAll(async () => {
    runner = await createRedirectRunner(cases, follow);
  });

  afterAll(async () => {
    await runner.close();
    const said = [...counts].map(([verdict, count]) => `${count} ${verdict}`).join(", ");
    process.stderr.write(`redirects ${mode}: of ${cases.length} cases ${said}\n`);
  });

  it.each(cases.map((test) => [test.id, test.why, test] as const))(
    "%s: %s",
    async (_id, _why, test) => {
      const { verdict, detail } = await runner.run(test);
      counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
      const good = verdict === "passed" || (!follow && verdict === "not supported");
      expect([good, verdict, detail]).toEqual([true, verdict, detail]);
    },
  );
});
