// @ts-check
// A person at a terminal of 100 columns, as far as our documents need one.
import { spawn } from "node:child_process";

/**
 * Run a line of shell on a pseudo-terminal. What is typed is typed once it is asked for: a terminal
 * echoes what comes before.
 *
 * @param {string} code
 * @param {string | null} typed - Followed by Enter, whenever something that is not shown is asked for.
 * @param {{ env: Record<string, string>, cwd: string }} options
 * @returns {Promise<{ status: number | null, stdout: string, stderr: string }>} As `script` saw it;
 *   nothing is told apart, so stderr is empty.
 */
export function runOnTerminal(code, typed, { env, cwd }) {
  return new Promise((resolve, reject) => {
    const child = spawn("script", ["-qec", `stty cols 100 rows 40; ${code}`, "/dev/null"], {
      env: { ...env, SHELL: "/bin/sh" },
      cwd,
    });
    let stdout = "";
    let answered = 0;
    child.stdout.on("data", (chunk) => {
      stdout += chunk;
      const asked = [...stdout.matchAll(/not shown\)|once more:/g)].length;
      if (typed === null || asked <= answered) return;
      answered = asked;
      // The terminal stops echoing just after the question.
      setTimeout(() => child.stdin.write(`${typed}\r`), 300);
    });
    child.on("error", reject);
    child.on("close", (status) => resolve({ status, stdout, stderr: "" }));
    // `script` waits for the end of its input when there is none to come.
    if (typed === null) child.stdin.end();
  });
}

const ESCAPE = String.fromCharCode(27);
/** Of a spinner: the cursor goes to the first column, and what follows it is erased. */
const WRITTEN_OVER = new RegExp(`[^\\n]*${ESCAPE}\\[1G${ESCAPE}\\[J`, "g");
const CONTROL = new RegExp(`${ESCAPE}\\[[0-9;?]*[A-Za-z]`, "g");

/**
 * What a terminal shows in the end, without what moved and went: spinners, frames, colours.
 *
 * @param {string} raw
 */
export function shownText(raw) {
  return (
    raw
      .replace(/\r\n/g, "\n")
      .replace(WRITTEN_OVER, "")
      .replace(CONTROL, "")
      .split("\n")
      .map((line) => line.trimEnd())
      // The frame of a spinner, and what is left of one that came to its end.
      .filter((line) => line !== "│" && !/^◇ .*\[\d+s\]$/.test(line))
      .join("\n")
      .trimEnd()
  );
}

/** What differs from run to run, and what it is called when two runs are compared. */
const VOLATILE = /** @type {const} */ ([
  [/\bavp_[0-9a-f]{16}[A-Za-z0-9_-]{32}(?![A-Za-z0-9_-])/g, "TOKEN"],
  [/\bavp_[0-9a-f]{4,}…/g, "TOKEN"],
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, "UUID"],
  [/\b[0-9a-f]{16,64}\b…?/g, "HEX"],
  [/"requestId":( ?)"[\w-]{16}"/g, '"requestId":$1"ID"'],
  [/\(request [\w-]{16}\)/g, "(request ID)"],
  [/\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d+)?Z?/g, "TIME"],
  [/"(\w+Ms|pid|uid|seq)": \d+/g, '"$1": N'],
  [/\b[\d,]+ (bytes|entries)\b/g, "N $1"],
  // The sequence numbers that begin the lines of `audit`.
  [/^\d+ +(?=TIME)/gm, "N "],
  [/ +$/gm, ""],
]);

/**
 * `text` without what differs from run to run.
 *
 * @param {string} text
 */
export function comparable(text) {
  return VOLATILE.reduce((result, [pattern, name]) => result.replace(pattern, name), text);
}

/**
 * The commands of a transcript, and what the document says that each prints.
 *
 * @param {string} code
 * @returns {{ command: string, output: string }[]}
 */
export function transcriptOf(code) {
  /** @type {{ command: string, output: string }[]} */
  const turns = [];
  for (const line of code.split("\n")) {
    const last = turns.at(-1);
    if (line.startsWith("$ ")) turns.push({ command: line.slice(2), output: "" });
    else if (last === undefined) throw new Error("a transcript begins with a command");
    else if (line.startsWith("> ") && last.output === "") last.command += `\n${line.slice(2)}`;
    else last.output += `${line}\n`;
  }
  return turns.map(({ command, output }) => ({ command, output: output.trimEnd() }));
}
