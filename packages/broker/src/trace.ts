/** The rules of a decision, in the order in which they are asked. */
export const DECISION_STAGES = [
  "capability",
  "grant",
  "credential",
  "method",
  "path",
  "host",
  "secret",
  "headers",
  "query",
  "limits",
] as const;

/** One rule of a decision. */
export type DecisionStage = (typeof DECISION_STAGES)[number];

/** What one rule said. */
export interface DecisionStep {
  readonly stage: DecisionStage;
  readonly outcome: "allowed" | "refused" | "not reached";
  /** One line for people; names rules, ids and hosts, never a value. */
  readonly detail: string;
}

/** Notes down what each rule said, while a decision is made. */
export class DecisionTrace {
  readonly #passed: DecisionStep[] = [];

  /** The rule let it pass. */
  pass(stage: DecisionStage, detail: string): void {
    this.#passed.push({ stage, outcome: "allowed", detail });
  }

  /** @param refusal - What the first rule that did not pass said; null when all did. */
  steps(refusal: string | null): readonly DecisionStep[] {
    const rest = DECISION_STAGES.slice(this.#passed.length);
    return [
      ...this.#passed,
      ...rest.map(
        (stage, index): DecisionStep =>
          index === 0 && refusal !== null
            ? { stage, outcome: "refused", detail: refusal }
            : { stage, outcome: "not reached", detail: "" },
      ),
    ];
  }
}
