import type { CorpusOutcome } from "../../packages/broker/test/support/corpus-outcome.ts";

/** What a set came to. A case counts once, however many ways it was run. */
export interface SetReport {
  readonly set: string;
  readonly cases: number;
  readonly run: number;
  readonly letThrough: number;
  readonly goodRefused: number;
  readonly sideConditions: number;
  /** Cases whose decision is not scored, and cases about something that is not offered. */
  readonly either: number;
  readonly notSupported: number;
  readonly failures: readonly { readonly id: string; readonly outcome: CorpusOutcome }[];
}

/** One case and what came of each way in which it was run. */
export interface CaseResult {
  readonly id: string;
  readonly decision: string;
  readonly outcomes: readonly CorpusOutcome[];
}

// The worst first: what a case counts as when its ways disagree.
const ORDER = [
  "attack let through",
  "good request refused",
  "side condition",
  "not supported",
  "passed",
] as const;

/** Count the cases of a set. */
export function reportOf(set: string, results: readonly CaseResult[]): SetReport {
  const judged = results.flatMap(({ id, outcomes }) => {
    const verdict = ORDER.find((name) => outcomes.some((outcome) => outcome.verdict === name));
    const outcome = outcomes.find((one) => one.verdict === verdict);
    return outcome === undefined ? [] : [{ id, outcome }];
  });
  const count = (verdict: CorpusOutcome["verdict"]): number =>
    judged.filter(({ outcome }) => outcome.verdict === verdict).length;
  return {
    set,
    cases: results.length,
    run: judged.length,
    letThrough: count("attack let through"),
    goodRefused: count("good request refused"),
    sideConditions: count("side condition"),
    either: results.filter(({ decision }) => decision === "either").length,
    notSupported: count("not supported"),
    failures: judged.filter(
      ({ outcome }) => outcome.verdict !== "passed" && outcome.verdict !== "not supported",
    ),
  };
}

const COLUMNS = [
  ["set", "set"],
  ["cases", "cases"],
  ["run", "run"],
  ["letThrough", "let through"],
  ["goodRefused", "good refused"],
  ["sideConditions", "side conditions"],
  ["either", "either"],
  ["notSupported", "not supported"],
] as const;

/** The counts as a table, the failures one a line, and the last line `N passed, N failed`. */
export function format(reports: readonly SetReport[]): string {
  const rows = [
    COLUMNS.map(([, title]) => title),
    ...reports.map((report) => COLUMNS.map(([key]) => String(report[key]))),
  ];
  const widths = COLUMNS.map((_, at) => Math.max(...rows.map((row) => (row[at] ?? "").length)));
  const lines = rows.map((row) =>
    row.map((cell, at) =>
      at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0),
    ),
  );
  const failures = reports.flatMap((report) => report.failures);
  const missed = reports.reduce((sum, { cases, run }) => sum + cases - run, 0);
  const passed = reports.reduce((sum, { run }) => sum + run, 0) - failures.length;
  return [
    ...lines.map((cells) => cells.join("  ")),
    "",
    ...failures.map(({ id, outcome }) => `${id}: ${outcome.verdict}: ${outcome.detail}`),
    `${passed} passed, ${failures.length + missed} failed`,
    "",
  ].join("\n");
}

/** Nothing let through, nothing good refused, no side condition broken, and every case run. */
export function isClean(reports: readonly SetReport[]): boolean {
  return reports.every(({ failures, cases, run }) => failures.length === 0 && cases === run);
}
