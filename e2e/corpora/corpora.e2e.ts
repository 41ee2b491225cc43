// The attack corpora against the real code, as `pnpm corpora` runs them; and a set in which the
// expectations are wrong, since a runner that finds nothing proves nothing.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { format, isClean } from "./report.ts";
import { runCorpora, SETS } from "./run-corpora.ts";

const corpora = fileURLToPath(new URL("../../corpora", import.meta.url));
const altered = mkdtempSync(join(tmpdir(), "aivault-corpora-altered-"));

afterAll(() => rmSync(altered, { recursive: true }));

interface AnyCase {
  readonly id: string;
  // biome-ignore lint/suspicious/noExplicitAny: whatever a case consists of.
  readonly [member: string]: any;
}

function read(set: string): readonly AnyCase[] {
  return JSON.parse(readFileSync(join(corpora, `${set}.json`), "utf8"));
}

function expecting(testCase: AnyCase, expected: object): AnyCase {
  return { ...testCase, expected: { ...testCase["expected"], ...expected } };
}

const first = (
  set: string,
  decision: string,
  more: (testCase: AnyCase) => boolean = () => true,
) => {
  const found = read(set).find(
    (testCase) => testCase["expected"].decision === decision && more(testCase),
  );
  if (found === undefined) throw new Error(`no case of ${set} is to ${decision}`);
  return found;
};

const DENY = { decision: "deny", acceptable: ["deny"] };
const ALLOW = { decision: "allow", acceptable: ["allow"] };

describe("the runner of the attack corpora", () => {
  it("G5, G6, G7, G8, G9, G14, G22: lets no attack through and refuses no good request", async () => {
    const reports = await runCorpora(corpora);
    process.stderr.write(`\n${format(reports)}`);
    expect(reports.flatMap(({ failures }) => failures)).toEqual([]);
    expect(isClean(reports)).toBe(true);
    const sums = reports.map(({ letThrough, goodRefused }) => [letThrough, goodRefused]);
    expect(sums).toEqual(SETS.map(() => [0, 0]));
  }, 300_000);

  it("reports what does not come out as expected, one by one", async () => {
    const wire = ({ input }: AnyCase) => input.via === "wire";
    const inEnvelope = ({ input }: AnyCase) => input.via === "envelope";
    const listener = ({ input }: AnyCase) => input.kind === "listener";
    const wrong: Readonly<Record<string, readonly AnyCase[]>> = {
      path: [expecting(first("path", "allow"), DENY), expecting(first("path", "deny"), ALLOW)],
      ssrf: [expecting(first("ssrf", "allow"), DENY), expecting(first("ssrf", "deny"), ALLOW)],
      headers: [
        expecting(first("headers", "allow", wire), DENY),
        expecting(first("headers", "deny", wire), ALLOW),
        expecting(first("headers", "allow", inEnvelope), DENY),
        expecting(first("headers", "strip", inEnvelope), {
          mustReachUpstream: [["x-never-sent", "1"]],
        }),
      ],
      envelopes: [
        expecting(first("envelopes", "allow"), DENY),
        expecting(first("envelopes", "deny", listener), ALLOW),
        expecting(first("envelopes", "allow"), { upstreamRequests: 2 }),
      ],
      redirects: [expecting(first("redirects", "stop"), { callerNeverSees: ['"status":3'] })],
      responses: [
        expecting(first("responses", "pass"), { bodySha256: "0" }),
        expecting(first("responses", "redact"), { forbidden: ["[REDACTED]"] }),
      ],
    };
    for (const set of SETS) writeFileSync(join(altered, `${set}.json`), JSON.stringify(wrong[set]));
    const reports = await runCorpora(altered);
    expect(isClean(reports)).toBe(false);
    for (const { set, failures } of reports) {
      expect([set, failures.map(({ id }) => id)]).toEqual([set, wrong[set]?.map(({ id }) => id)]);
    }
    expect(format(reports)).toMatch(/\n0 passed, 14 failed\n$/);
  }, 120_000);

  it("runs a folder that has some of the sets", async () => {
    const folder = mkdtempSync(join(altered, "some-"));
    writeFileSync(join(folder, "ssrf.json"), readFileSync(join(corpora, "ssrf.json")));
    const reports = await runCorpora(folder);
    expect(reports.map(({ set, cases, run }) => [set, cases === run])).toEqual([["ssrf", true]]);
    expect(format(reports)).toMatch(/\n407 passed, 0 failed\n$/);
  });
});
