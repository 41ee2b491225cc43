/**
 * JSON as Markdown for a language model to read.
 *
 * What a provider answers is data, and data may try to look like instructions. Every wrapper carries
 * a nonce that the answer's author cannot know, wrapper-like text inside is escaped, and names come
 * through as plain words, so nothing inside can end its wrapper early (W-E8).
 */

export interface MarkdownOptions {
  /** Unguessable; in every wrapper of one document. */
  readonly nonce: string;
  /** Wraps the whole document. */
  readonly namespace?: string | undefined;
  /** Left out wherever they occur. */
  readonly excludeFields: ReadonlySet<string>;
  /** Their strings are wrapped, below the top level. */
  readonly wrapFields: ReadonlySet<string>;
}

// Deeper than any documented API answers; recursion on hostile nesting ends here.
const DEPTH_MAX = 64;
const NONE = "None";

/** Render parsed JSON. An empty document stays empty, also in a namespace. */
export function toMarkdown(value: unknown, options: MarkdownOptions): string {
  const text = renderTop(value, options);
  if (options.namespace === undefined || text === "") return text;
  return `${wrapped(options.namespace, text, options)}\n`;
}

function renderTop(value: unknown, options: MarkdownOptions): string {
  if (value === null) return "";
  if (isObject(value)) return sections(value, options, 1) ?? (isEmpty(value) ? NONE : "");
  if (isArrayOfObjects(value)) return blocks(value, options, 1);
  return renderInline(undefined, value, options, 1);
}

function renderInline(
  key: string | undefined,
  value: unknown,
  options: MarkdownOptions,
  depth: number,
): string {
  if (isEmpty(value)) return NONE;
  if (depth > DEPTH_MAX) return "(nested too deep to show)";
  if (isObject(value)) {
    return wrapped(key ?? "item", sections(value, options, depth + 1) ?? NONE, options);
  }
  if (isArrayOfObjects(value))
    return wrapped(key ?? "items", blocks(value, options, depth + 1), options);
  if (Array.isArray(value)) return items(key, value, options, depth + 1);
  const text = escapeWrappers(String(value));
  const wraps = typeof value === "string" && key !== undefined && options.wrapFields.has(key);
  return wraps && depth > 1 ? wrapped(key, text, options) : text;
}

/** A heading and a value per member, by name; null when every member is excluded or there is none. */
function sections(
  object: Readonly<Record<string, unknown>>,
  options: MarkdownOptions,
  depth: number,
): string | null {
  const keys = Object.keys(object)
    .filter((key) => !options.excludeFields.has(key))
    .sort();
  if (keys.length === 0) return null;
  return keys
    .map((key) => `# ${titleOf(key)}\n\n${renderInline(key, object[key], options, depth)}`)
    .join("\n\n");
}

function blocks(
  objects: readonly Record<string, unknown>[],
  options: MarkdownOptions,
  depth: number,
): string {
  return objects.map((object) => sections(object, options, depth) ?? NONE).join("\n\n");
}

// Every element is rendered, whatever stands beside it.
function items(
  key: string | undefined,
  values: readonly unknown[],
  options: MarkdownOptions,
  depth: number,
): string {
  return values
    .map((value) => {
      const nested = typeof value === "object" && !isEmpty(value);
      const text = renderInline(nested ? (key ?? "items") : undefined, value, options, depth);
      return nested ? text : `  - ${text.replaceAll("\n", "\n    ")}`;
    })
    .join("\n");
}

function wrapped(name: string, text: string, { nonce }: MarkdownOptions): string {
  const tag = `${plainWord(name)} ${nonce}`;
  return `<begin ${tag}>\n${text}\n</end ${tag}>`;
}

// With the nonce alone nothing inside could match; this keeps a reader from being fooled by eye.
function escapeWrappers(text: string): string {
  return text.replace(/<(\/?)(begin|end)\b/gi, "&lt;$1$2");
}

function titleOf(key: string): string {
  return plainWord(key)
    .split(/[_-]+/)
    .filter((word) => word !== "")
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join(" ");
}

// A name is the answer's author's too: no line breaks, no angle brackets.
function plainWord(name: string): string {
  return name.replace(/[^\p{L}\p{N}_.:@ -]/gu, "_").slice(0, 100);
}

function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined) return true;
  if (typeof value === "string") return value.trim() === "";
  return typeof value === "object" && Object.keys(value).length === 0;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isArrayOfObjects(value: unknown): value is Record<string, unknown>[] {
  return Array.isArray(value) && value.length > 0 && value.every(isObject);
}
