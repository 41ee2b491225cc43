// @ts-check
// How the demo looks. Colour only where there is a terminal, and never the only bearer of meaning.

// NO_COLOR and TERM=dumb are heeded by hasColors.
const colourful = process.stdout.isTTY === true && process.stdout.hasColors();

/** @param {number} code */
const style = (code) => (/** @type {string} */ text) =>
  colourful ? `\u001b[${code}m${text}\u001b[0m` : text;

export const bold = style(1);
export const dim = style(2);
export const green = style(32);
export const red = style(31);
export const yellow = style(33);
export const cyan = style(36);

const WIDTH = 78;
const LABEL_WIDTH = 38;

/** @param {string} text */
export function write(text) {
  process.stdout.write(text);
}

/** @param {string} [text] */
export function line(text = "") {
  write(`${text}\n`);
}

/** @param {number} number @param {string} title */
export function heading(number, title) {
  const text = `${number}  ${title} `;
  line(`\n${bold(cyan(text))}${dim("─".repeat(Math.max(0, WIDTH - text.length)))}\n`);
}

/** @param {string} text @param {number} width */
function wrap(text, width) {
  if (text.length <= width) return [text];
  /** @type {string[]} */
  const rows = [];
  for (const word of text.trim().split(/\s+/)) {
    const last = rows.at(-1);
    if (last !== undefined && last.length + word.length < width)
      rows[rows.length - 1] += ` ${word}`;
    else rows.push(word);
  }
  return rows;
}

/** @param {string} text */
export function prose(text) {
  for (const row of wrap(text, WIDTH - 2)) line(`  ${row}`);
}

/** A command as it would be typed. @param {string} text */
export function command(text) {
  line(`\n  ${dim("$")} ${bold(text)}`);
}

/** What a command said. @param {string} text */
export function output(text) {
  for (const said of text.trimEnd().split("\n")) {
    for (const row of wrap(said, WIDTH - 4)) line(`  ${dim("│")} ${row}`);
  }
}

const MARKS = {
  good: { mark: "✓", paint: green },
  known: { mark: "–", paint: yellow },
  bad: { mark: "✗", paint: red },
};

/**
 * One thing that was tried and how it went; `known` is a weakness that is documented.
 * @param {string} label @param {string} result @param {keyof typeof MARKS} verdict
 */
export function row(label, result, verdict) {
  const dots = dim(".".repeat(Math.max(3, LABEL_WIDTH - label.length)));
  const { mark, paint } = MARKS[verdict];
  line(`  ${paint(mark)} ${label} ${dots} ${paint(result)}`);
}
