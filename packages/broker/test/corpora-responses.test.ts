import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createResponseRunner, type ResponseCase } from "./corpora-responses.ts";
import type { CorpusRunner } from "./support/corpus-outcome.ts";

const cases: readonly ResponseCase[] = JSON.parse(
  readFileSync(new URL("../../../corpora/responses.json", import.meta.url), "utf8"),
);
const counts = new Map<string, number>();
let runner: CorpusRunner<ResponseCase>;

beforeAll(async () => {
  runner = await createResponseRunner();
});

afterAll(() => runner.close());

describe("G9: corpora/responses.json", () => {
  afterAll(() => {
    const said = [...counts].map(([verdict, count]) => `${count} ${verdict}`).join(", ");
    process.stderr.write(`responses: of ${cases.length} cases ${said}\n`);
  });

  it.each(cases.map((test) => [test.id, test.why, test] as const))(
    "%s: %s",
    async (_id, _why, test) => {
      const outcome = await runner.run(test);
      counts.set(outcome.verdict, (counts.get(outcome.verdict) ?? 0) + 1);
      expect(outcome).toMatchObject({ verdict: "passed" });
    },
  );
});
