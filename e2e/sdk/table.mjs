// @ts-check
// docs/sdks.md, from the programs that are run and from what they are given: it cannot say what was not
// tried.
import { readFileSync } from "node:fs";
import { CASES } from "./cases.mjs";

/** @typedef {import("./cases.mjs").Case} Case */

const { devDependencies } = JSON.parse(
  readFileSync(new URL("package.json", import.meta.url), "utf8"),
);

const HEAD = `# SDKs

Each of these is run as its makers publish it, in a process that has nothing but the broker's address and a
token, against a provider that accepts only the real key, in its place and nowhere else. This page is
generated from those programs by \`e2e/sdk/write-table.mjs\`; edit them.

They speak TCP, so the daemon has to [listen](daemon.md#tcp), and each needs a token
([agents.md](agents.md#give-it-less)). The programs below expect both in their environment:

<!-- run: skip, the daemon stays in the foreground -->
\`\`\`sh
aivaultd --listen 127.0.0.1:19790 &
export AIVAULT_URL=http://127.0.0.1:19790
export AIVAULT_TOKEN=$(aivault token mint --capability 'openai/*' --credential openai --ttl 1h --token-only)
\`\`\`

\`openai\` is the credential's id (\`aivault credential list\`). The token stands where the provider's key
would; the broker takes it out and puts the key in.
`;

/** The whole page. */
export function sdksPage() {
  const titles = [...new Set(CASES.map(({ title }) => title))];
  const sections = titles.map((title) => CASES.filter((one) => one.title === title));
  const rows = sections.map(rowOf);
  return [
    HEAD,
    "| SDK | tried with | credential | base URL: our address and | or by environment alone |",
    "| --- | --- | --- | --- | --- |",
    `${rows.join("\n")}\n`,
    ...sections.map(sectionOf),
  ].join("\n");
}

/** @param {readonly Case[]} cases */
function rowOf(cases) {
  const { title, packages } = /** @type {Case} */ (cases[0]);
  const anchor = title
    .toLowerCase()
    .replace(/[^a-z0-9 -]/g, "")
    .replaceAll(" ", "-");
  const columns = [
    [`[${title}](#${anchor})`],
    packages.length > 0
      ? packages.map((name) => `\`${name}\` ${devDependencies[name]}`)
      : ["the system's"],
    cases.map(({ credential }) => `\`${credential}\``),
    cases.map((one) => `\`${basePath(one)}\``),
    cases.some(isEnvironmentAlone) ? ["yes"] : ["no"],
  ];
  return `| ${columns.map((cells) => [...new Set(cells)].join("<br>")).join(" | ")} |`;
}

/** @param {Case} one */
export function isEnvironmentAlone(one) {
  return configurationOf(one) === null;
}

/**
 * What follows our address where a program is configured, or the environment is; `/` if nothing does.
 *
 * @param {Case} one
 */
export function basePath(one) {
  const text = configurationOf(one) ?? Object.values(one.environment ?? {}).join("\n");
  return /AIVAULT_URL[^\n/]*(?:\/\/\})?(\/v(?:\/\w[\w.-]*)+\/?)/.exec(text)?.[1] ?? "/";
}

/** @param {readonly Case[]} cases */
function sectionOf(cases) {
  const { title } = /** @type {Case} */ (cases[0]);
  const parts = [`## ${title}\n`];
  for (const one of cases) {
    const code = configurationOf(one);
    if (code !== null) parts.push(block(one.shell === true ? "sh" : "js", code));
    if (one.environment !== undefined) {
      const lines = Object.entries(one.environment).map(
        ([name, value]) => `export ${name}="${value}"`,
      );
      parts.push(code === null ? "By environment alone:\n" : "with\n");
      parts.push(block("sh", lines.join("\n")));
    }
    if (one.notes !== undefined) parts.push(`${one.notes.map((note) => `- ${note}`).join("\n")}\n`);
  }
  return parts.join("\n");
}

/** @param {string} language @param {string} code */
function block(language, code) {
  return `<!-- run: skip, e2e/sdk runs it -->\n\`\`\`${language}\n${code}\n\`\`\`\n`;
}

/**
 * The part of a program that is not the same without a broker, with the imports that it needs.
 *
 * @param {Case} one
 */
function configurationOf({ id, shell }) {
  const file = `programs/${id}.${shell === true ? "sh" : "mjs"}`;
  const text = readFileSync(new URL(file, import.meta.url), "utf8");
  const [, region] = /#region configure\n(.*?)\n(?:\/\/|#) #endregion/s.exec(text) ?? [];
  if (region === undefined) return null;
  const imports = [...text.matchAll(/^import (.+?) from ("[^"]+");$/gms)].flatMap(
    ([, names = "", from]) => {
      const [, whole] = /^(\w+)/.exec(names) ?? [];
      const [, listed = ""] = /\{(.*)\}/s.exec(names) ?? [];
      const isUsed = (/** @type {string | undefined} */ name) =>
        name !== undefined && name !== "" && new RegExp(`\\b${name}\\b`).test(region);
      const used = listed
        .split(",")
        .map((name) => name.trim())
        .filter(isUsed);
      const kept = [
        ...(isUsed(whole) ? [whole] : []),
        ...(used.length > 0 ? [`{ ${used.join(", ")} }`] : []),
      ];
      return kept.length === 0 ? [] : [`import ${kept.join(", ")} from ${from};`];
    },
  );
  return imports.length === 0 ? region : `${imports.join("\n")}\n\n${region}`;
}
