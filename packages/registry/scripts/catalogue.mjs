// Writes docs/registry.md, the catalogue of the built-in providers. With --check, writes nothing and
// fails when the file is not what it would write.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { digestOf, readDefinitionFiles } from "./definitions.mjs";

const target = fileURLToPath(new URL("../../../docs/registry.md", import.meta.url));
const providers = readDefinitionFiles().map(({ text }) => JSON.parse(text));
const capabilities = providers.flatMap((provider) => provider.capabilities);
const categories = [...new Set(providers.map(({ category }) => category))].sort();

const cell = (text) => text.replaceAll("|", "\\|");
const code = (text) => `\`${text}\``;
const names = (secrets) => secrets.map(({ name }) => code(name)).join(", ");

const where = (auth) => {
  switch (auth.strategy) {
    case "header":
      return `header ${code(`${auth.name}: ${auth.template}`)}`;
    case "query":
      return `query ${code(auth.name)}`;
    case "path":
      return `path ${code(auth.template)}`;
    case "basic":
      return `Basic ${code(`${auth.username}:${auth.password}`)}`;
    case "multi-header":
      return `headers ${auth.headers.map(({ name }) => code(name)).join(", ")}`;
    case "multi-query":
      return `query ${auth.params.map(({ name }) => code(name)).join(", ")}`;
    case "oauth2":
      return `OAuth 2.0 (${auth.grants.join(", ")}) at ${code(auth.tokenUrl)}`;
    case "aws-sigv4":
      return "AWS Signature Version 4";
    case "hmac":
      return `HMAC-${auth.algorithm.toUpperCase()}`;
    default:
      return "client certificate";
  }
};

const allowedParameters = (allowed) =>
  allowed.length > 3 ? `only ${allowed.length} known parameters` : `only ${allowed.join(", ")}`;

const rule = ({ methods, path, match, query }) => {
  const tail = match === "prefix" ? (/[/.:]$/.test(path) ? "…" : "[/…]") : "";
  const conditions = [
    ...Object.entries(query?.required ?? {}).map(([name, value]) => `${name}=${value}`),
    ...(query?.forbidden ?? []).map((name) => `no ${name}`),
    ...(query?.allowed === undefined ? [] : [allowedParameters(query.allowed)]),
  ];
  return `${methods.join(" ")} ${path}${tail}${conditions.length > 0 ? ` (${conditions.join(", ")})` : ""}`;
};

const section = (provider) => {
  const lines = [`### ${provider.name}`, ""];
  const facts = [
    `Id ${code(provider.id)}`,
    `secrets ${names(provider.secrets)}`,
    where(provider.auth),
    `hosts ${provider.hosts.map(code).join(", ")}`,
  ];
  if (provider.regions) facts.push(`regions ${Object.keys(provider.regions).map(code).join(", ")}`);
  const checked =
    provider.checked === undefined
      ? "**not compared** path by path yet"
      : `compared on ${provider.checked}`;
  lines.push(`${facts.join(" · ")} · [documentation](${provider.docsUrl}), ${checked}`, "");
  for (const alternative of provider.alternatives ?? []) {
    lines.push(
      `- Or ${code(alternative.id)}: ${names(alternative.secrets)}, ${where(alternative.auth)}. ${alternative.description}`,
    );
  }
  for (const note of provider.notes ?? []) lines.push(`- ${note}`);
  if (provider.alternatives || provider.notes) lines.push("");
  lines.push("| capability | risk | what it is for | requests |", "|---|---|---|---|");
  for (const { id, risk, description, rules, notes } of provider.capabilities) {
    const shown = rules.slice(0, 4).map((entry) => code(cell(rule(entry))));
    if (rules.length > shown.length) shown.push(`and ${rules.length - shown.length} more`);
    const text = notes === undefined ? description : `${description} ${notes}`;
    lines.push(
      `| <a id="${rowAnchor(id)}"></a>${code(id)} | ${risk} | ${cell(text)} | ${shown.join("<br>")} |`,
    );
  }
  return lines.join("\n");
};

const anchor = (name) =>
  name
    .toLowerCase()
    .replaceAll(/[^a-z0-9 _-]/g, "")
    .replaceAll(" ", "-");

/** Where the row of a capability is; no heading makes such an anchor. */
const rowAnchor = (id) => `capability-${id.replace("/", "-")}`;

const compared = providers.filter(({ checked }) => checked !== undefined);
const rest = providers.filter(({ checked }) => checked === undefined);
const link = ({ name }) => `[${name}](#${anchor(name)})`;

const providerTable = providers
  .map((provider) => {
    const secrets = [provider, ...(provider.alternatives ?? [])].flatMap((way) => way.secrets);
    const unique = [...new Map(secrets.map((secret) => [secret.name, secret])).values()];
    const { id, capabilities: own, checked = "not yet" } = provider;
    return `| ${link(provider)} | ${code(id)} | ${names(unique)} | ${own.length} | ${checked} |`;
  })
  .join("\n");

const byName = new Map();
for (const { id } of capabilities) {
  const [provider, name] = id.split("/");
  byName.set(name, [...(byName.get(name) ?? []), `[${provider}](#${rowAnchor(id)})`]);
}
const capabilityTable = [...byName.keys()]
  .sort()
  .map((name) => `| ${code(name)} | ${byName.get(name).join(", ")} |`)
  .join("\n");

const page = `# Providers

${providers.length} providers with ${capabilities.length} capabilities, generated from
\`packages/registry/providers/\` by \`packages/registry/scripts/catalogue.mjs\`: change those files, not
this one. \`aivault provider list\` and \`aivault provider describe <id>\` show the same, and the digest of
what was compiled in: \`${digestOf(providers)}\`.

**${compared.length} of them were compared**, path by path and with methods and hosts, with the documentation, API
description or SDK that the provider publishes, on the day they show. **${rest.length} were not**: look at the
documentation before relying on one. These are ${rest.map(link).join(", ")}.

Look for a [provider](#by-provider), for [what it does](#by-capability), or search this page for a secret's
name (\`OPENAI_API_KEY\`), a host or a capability id. In the column *requests*, \`[/…]\` means that the path
may end there or go on with a slash, \`{name}\` is part of one segment, and \`{name+}\` is one or more
segments.

A definition of your own has the same form: [how one is written](../packages/registry/README.md#a-definition),
and \`aivault provider add file.json\` adds it.

## By category

${categories
  .map(
    (category) =>
      `- **${category}**: ${providers
        .filter((provider) => provider.category === category)
        .map(link)
        .join(", ")}`,
  )
  .join("\n")}

## By provider

| provider | id | secrets | capabilities | compared |
|---|---|---|---|---|
${providerTable}

## By capability

A capability's id is \`<provider>/<name>\`; this table goes by the name.

| name | providers |
|---|---|
${capabilityTable}

## The providers

${providers.map(section).join("\n\n")}
`;

if (process.argv.includes("--check")) {
  if (!existsSync(target) || readFileSync(target, "utf8") !== page) {
    console.error("docs/registry.md is stale: run node packages/registry/scripts/catalogue.mjs");
    process.exit(1);
  }
} else {
  writeFileSync(target, page);
}
