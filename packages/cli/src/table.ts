/**
 * Tables of short texts that fit the terminal.
 */
import { printable } from "./output.ts";

export interface Column {
  readonly title: string;
  /** Narrowed first when the terminal is too small; the rest keep their width. */
  readonly flexible?: true;
  /** Applied to the padded text, so that it cannot change a width. */
  readonly style?: (text: string) => string;
}

const GAP = "  ";
const NARROWEST = 8;

/**
 * Lay out `rows` under `columns`; one below the other where there is no room for that.
 *
 * @param width - Columns available; `Infinity` for a pipe, where nothing is cut.
 * @returns Lines without trailing blanks, the titles first.
 */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number,
): readonly string[] {
  const cells = rows.map((row) => row.map(printable));
  const widths = columns.map(({ title }, index) =>
    Math.max(cellWidth(title), ...cells.map((row) => cellWidth(row[index] ?? ""))),
  );
  if (!fit(columns, widths, width)) return stacked(columns, cells, width);
  const line = (row: readonly string[], styled: boolean) =>
    columns
      .map((column, index) => {
        const last = index === columns.length - 1;
        const cut = clip(row[index] ?? "", widths[index] as number);
        const text = last ? cut : cut + " ".repeat((widths[index] as number) - cellWidth(cut));
        return styled && column.style !== undefined ? column.style(text) : text;
      })
      .join(GAP)
      .trimEnd();
  return [
    line(
      columns.map(({ title }) => title.toUpperCase()),
      false,
    ),
    ...cells.map((row) => line(row, true)),
  ];
}

/** Narrow `widths` to fit. @returns False when even the narrowest do not. */
function fit(columns: readonly Column[], widths: number[], width: number): boolean {
  let over = widths.reduce((sum, w) => sum + w, 0) + GAP.length * (columns.length - 1) - width;
  const order = [...columns.keys()].sort((a, b) => (widths[b] as number) - (widths[a] as number));
  for (const onlyFlexible of [true, false]) {
    for (const index of order) {
      if (over <= 0) return true;
      if (onlyFlexible && columns[index]?.flexible !== true) continue;
      const cut = Math.min(over, Math.max(0, (widths[index] as number) - NARROWEST));
      widths[index] = (widths[index] as number) - cut;
      over -= cut;
    }
  }
  return over <= 0;
}

// A terminal as narrow as a phone: the first cell, and the others below it by name.
function stacked(
  columns: readonly Column[],
  cells: readonly (readonly string[])[],
  width: number,
): readonly string[] {
  return cells.flatMap((row) =>
    columns.map(({ title, style = (text) => text }, index) => {
      const text = clip(index === 0 ? (row[0] ?? "") : `  ${title}: ${row[index] ?? ""}`, width);
      return index === 0 ? style(text) : text;
    }),
  );
}

function clip(text: string, width: number): string {
  if (cellWidth(text) <= width) return text;
  let kept = "";
  let used = 0;
  for (const character of text) {
    const next = cellWidth(character);
    if (used + next > width - 1) break;
    kept += character;
    used += next;
  }
  return `${kept}…`;
}

// East Asian wide and emoji blocks take two columns. Names are nearly always ASCII, so blocks will do.
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}]/u;

function cellWidth(text: string): number {
  let width = 0;
  for (const character of text) width += WIDE.test(character) ? 2 : 1;
  return width;
}

/** `1 secret`, `2 secrets`, `0 capabilities`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
