// @ts-check
// The commands and programs in our documents, and how each is to be run. A fenced block of a language
// we can run must be preceded by a comment that says so:
//
//   <!-- run -->                          shell, must exit 0
//   <!-- run: exits 3 -->                 shell, must exit with that status
//   <!-- run: terminal, types TEXT -->    shell on a pseudo-terminal, where TEXT and Enter are typed
//   <!-- run: transcript -->              `console`: each `$ ` line on a terminal, and what it says
//   <!-- run: transcript, on another machine -->   the same with a home of its own, in the same directory
//   <!-- run: module -->                  an ES module
//   <!-- run: walk, WHO -->               shell, run by e2e/docs/walkthrough.e2e.ts as WHO
//   <!-- run: skip, REASON -->            not run, and why
//
// What is not run here is still checked: its syntax, and that our commands and flags exist.

/**
 * @typedef {object} Snippet
 * @property {string} file
 * @property {number} line - Of the opening fence, from 1.
 * @property {string} language
 * @property {string} mode - What follows `run:`; "" for a plain `run`; null when there is no comment.
 * @property {string} code
 */

const RUNNABLE = new Set(["sh", "bash", "shell", "console", "js", "javascript", "mjs"]);

/**
 * The snippets of one Markdown document, in order.
 *
 * @param {string} file - For messages only.
 * @param {string} markdown
 * @returns {Snippet[]}
 * @throws {Error} A block in a language that can be run does not say how.
 */
export function snippetsOf(file, markdown) {
  const lines = markdown.split("\n");
  /** @type {Snippet[]} */
  const snippets = [];
  for (let index = 0; index < lines.length; index += 1) {
    const opening = /^```(\w+)/.exec(lines[index] ?? "");
    if (!opening?.[1]) continue;
    const end = lines.indexOf("```", index + 1);
    const language = opening[1];
    if (RUNNABLE.has(language)) {
      const annotation = /^<!-- run(?:: (.+))? -->$/.exec(lines[index - 1] ?? "");
      if (!annotation)
        throw new Error(`${file}:${index + 1}: this block does not say how it is run`);
      const code = lines.slice(index + 1, end).join("\n");
      snippets.push({ file, line: index + 1, language, mode: annotation[1] ?? "", code });
    }
    index = end;
  }
  return snippets;
}
