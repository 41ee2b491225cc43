/**
 * What a setup command does, as data: first all of it is decided from what was found, then it is shown
 * or carried out. Steps that are done already are in the list, so that a second run says so.
 */

/** One thing to do. */
export type Step = {
  /** A sentence fragment, lowercase, no period: what is so once the step is done. */
  readonly says: string;
  /** It was found to be so. */
  readonly isDone: boolean;
  /** A later step works without it: `launchctl bootout` of a service that never ran. */
  readonly mayFail?: true;
} & (
  | { readonly kind: "command"; readonly argv: readonly [string, ...string[]] }
  | {
      readonly kind: "write";
      readonly path: string;
      readonly mode: number;
      readonly content: string;
    }
  | { readonly kind: "remove"; readonly path: string }
);

/** A step as a line of shell, for `--dry-run` and for people who would rather do it themselves. */
export function shellLines(step: Step): readonly string[] {
  switch (step.kind) {
    case "command":
      return [step.argv.map(quoted).join(" ")];
    case "write": {
      const mode = step.mode.toString(8).padStart(4, "0");
      return [
        `install -m ${mode} /dev/stdin ${quoted(step.path)} <<'EOF'`,
        ...step.content.trimEnd().split("\n"),
        "EOF",
      ];
    }
    case "remove":
      return [`rm -f ${quoted(step.path)}`];
  }
}

/** `word` as a shell reads it back. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
