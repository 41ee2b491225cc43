import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  createRedirectRunner,
  type RedirectCase,
} from "../../packages/broker/test/corpora-redirects.ts";
import {
  createResponseRunner,
  type ResponseCase,
} from "../../packages/broker/test/corpora-responses.ts";
import type { CorpusOutcome } from "../../packages/broker/test/support/corpus-outcome.ts";
import {
  type CorpusCase,
  type PureSet,
  readCorpus,
  readSetUp,
  runPure,
} from "../../packages/policy/test/corpora-runner.ts";
import { type DaemonCase, startDaemonRunner } from "./daemon-cases.ts";
import { startDaemonFront } from "./daemon-front.ts";
import { type CaseResult, reportOf, type SetReport } from "./report.ts";
import { createUpstreamRunner } from "./upstream-cases.ts";

/** The sets of a folder, in the order in which they are run. */
export const SETS = ["path", "ssrf", "headers", "envelopes", "redirects", "responses"] as const;

type SetName = (typeof SETS)[number];
type Case = CorpusCase & DaemonCase & RedirectCase & ResponseCase;
/** One way of running a case; null: not this case. */
type Way = (testCase: Case) => CorpusOutcome | null | Promise<CorpusOutcome | null>;

/**
 * Run every case of a folder against the real code.
 *
 * Pure cases are decided in process. Paths and headers go through the broker and TLS to a stand-in,
 * redirects and responses also through the daemon's listener; envelopes, octets and heads through a
 * daemon, on both of its listeners.
 *
 * @param folder - Of the shape of corpora/.
 * @param onSet - Called as each set is done.
 */
export async function runCorpora(
  folder: string,
  onSet: (report: SetReport) => void = () => {},
): Promise<readonly SetReport[]> {
  const reports: SetReport[] = [];
  for (const set of setsOf(folder)) {
    const cases = readCorpus(folder, set) as readonly Case[];
    const { ways, close } = await waysOf(set, folder, cases);
    const results: CaseResult[] = [];
    try {
      for (const testCase of cases) results.push(await runCase(testCase, ways));
    } finally {
      await close();
    }
    const report = reportOf(set, results);
    reports.push(report);
    onSet(report);
  }
  return reports;
}

/** The sets that a folder has; one may have less than all of them. */
export function setsOf(folder: string): readonly SetName[] {
  return SETS.filter((set) => existsSync(join(folder, `${set}.json`)));
}

async function runCase(testCase: Case, ways: readonly Way[]): Promise<CaseResult> {
  const outcomes: CorpusOutcome[] = [];
  for (const way of ways) {
    try {
      const outcome = await way(testCase);
      if (outcome !== null) outcomes.push(outcome);
    } catch (error) {
      // Nothing a case contains may make our code throw.
      outcomes.push({ verdict: "side condition", detail: String((error as Error).stack) });
    }
  }
  return { id: testCase.id, decision: testCase.expected.decision, outcomes };
}

async function waysOf(
  set: SetName,
  folder: string,
  cases: readonly Case[],
): Promise<{ ways: readonly Way[]; close: () => Promise<unknown> }> {
  const setUp = readSetUp(folder);
  const pure: Way = (testCase) => runPure(set as PureSet, testCase, setUp);
  switch (set) {
    case "ssrf":
      return { ways: [pure], close: async () => {} };
    case "path": {
      const upstream = await createUpstreamRunner();
      return { ways: [pure, upstream.run], close: upstream.close };
    }
    case "headers": {
      const [upstream, daemon] = [await createUpstreamRunner(), await startDaemonRunner(setUp)];
      const wire: Way = (testCase) =>
        testCase.input.via === "wire" ? daemon.run(testCase) : upstream.run(testCase);
      return {
        ways: [pure, wire],
        close: () => Promise.all([upstream.close(), daemon.close()]),
      };
    }
    case "envelopes": {
      const daemon = await startDaemonRunner(setUp);
      return { ways: [pure, daemon.run], close: daemon.close };
    }
    case "redirects": {
      const front = await startDaemonFront();
      const direct = await createRedirectRunner(cases);
      const through = await createRedirectRunner(cases, true, front.deliver);
      return {
        ways: [direct.run, through.run],
        close: () => Promise.all([direct.close(), through.close(), front.close()]),
      };
    }
    case "responses": {
      const front = await startDaemonFront();
      const direct = await createResponseRunner();
      const through = await createResponseRunner(front.deliver);
      return {
        ways: [direct.run, through.run],
        close: () => Promise.all([direct.close(), through.close(), front.close()]),
      };
    }
  }
}
