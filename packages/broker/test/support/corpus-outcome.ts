/** What came of a case of an attack corpus (corpora/README.md). */
export interface CorpusOutcome {
  readonly verdict:
    | "passed"
    | "attack let through"
    | "good request refused"
    | "side condition"
    | "not supported";
  /** One line, for whoever looks into a failure. */
  readonly detail: string;
}

/** Runs the cases of one set, one after another. */
export interface CorpusRunner<Case> {
  run(testCase: Case): Promise<CorpusOutcome>;
  close(): Promise<void>;
}
