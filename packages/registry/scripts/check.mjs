// registry:check [directory...]: judges definition files, one by one and together, and names every fault.
// Exit status 1 when there is one. Several directories are judged apart from each other; without one, the
// built-in definitions are.

import { importSource, providersDirectory, readDefinitionFiles } from "./definitions.mjs";

const { parseProvider } = await importSource("parse-provider.ts");
const { createRegistry } = await importSource("registry.ts");
const { rulesOverlap } = await importSource("path-language.ts");

// A path made of nothing but versions and the like says nothing about what it admits.
const GENERIC =
  /^(?:v?\d+(?:\.\d+)*|v\d+(?:alpha|beta)\d*|api|rest|admin|client|public|\{[a-z_]+\})$/;
const isBroad = ({ match, path }) =>
  (match === "prefix" || /\{[a-z_]+\+\}$/.test(path)) &&
  path
    .replace(/\/\{[a-z_]+\+\}$/, "")
    .split("/")
    .filter((segment) => segment !== "")
    .every((segment) => GENERIC.test(segment));

function judge(directory) {
  const faults = [];
  const fault = (file, text) => faults.push(`${file}: ${text}`);

  const providers = [];
  for (const { name, text } of readDefinitionFiles(directory)) {
    let json;
    try {
      json = JSON.parse(text);
    } catch (error) {
      fault(name, `is not JSON: ${error.message}`);
      continue;
    }
    try {
      providers.push({ file: name, provider: parseProvider(json) });
    } catch (error) {
      for (const complaint of error.complaints ?? [error.message]) fault(name, complaint);
    }
  }

  try {
    createRegistry(providers.map(({ provider }) => provider));
  } catch (error) {
    for (const complaint of error.complaints ?? [error.message]) fault("together", complaint);
  }

  for (const { file, provider } of providers) {
    if (file !== `${provider.id}.json`) fault(file, `is the file of ${provider.id}`);
    if (/\bexample\b|localhost/.test(new URL(provider.docsUrl).hostname)) {
      fault(file, "$.docsUrl: is a placeholder");
    }
    if (provider.checked !== undefined && Date.parse(provider.checked) > Date.now() + 864e5)
      fault(file, "$.checked: is in the future");
    provider.capabilities.forEach((capability, i) => {
      capability.rules.forEach((rule, j) => {
        const path = `$.capabilities[${i}].rules[${j}]`;
        const risk = rule.risk ?? capability.risk;
        // Reading everything is a choice a file can make; changing everything is not a capability.
        if (isBroad(rule) && capability.wholeHost === undefined && risk !== "read") {
          fault(file, `${path}: \`${rule.path}\` is too broad for ${risk}`);
        }
        if (rule.methods.includes("OPTIONS")) fault(file, `${path}: OPTIONS is for browsers`);
      });
      if (!/[.!]$/.test(capability.description)) {
        fault(file, `$.capabilities[${i}].description: is not a sentence`);
      }
    });
  }

  for (const [i, one] of providers.entries()) {
    for (const other of providers.slice(i + 1)) {
      if (one.provider.name.toLowerCase() === other.provider.name.toLowerCase()) {
        fault(other.file, `$.name: ${one.file} has it too`);
      }
      const shared = one.provider.hosts.filter((host) => other.provider.hosts.includes(host));
      for (const host of shared) {
        // Two providers may share a host, as Google's do, but not a request: it would be unclear whose
        // secret it may carry.
        const rules = ({ provider }) =>
          provider.capabilities.filter((c) => c.host === host).flatMap((c) => c.rules);
        const clash = rules(one).flatMap((a) =>
          rules(other)
            .filter((b) => rulesOverlap(a, b))
            .map((b) => `${a.path} and ${b.path}`),
        )[0];
        if (clash !== undefined) {
          fault(other.file, `${host}: overlaps with ${one.file} (${clash})`);
        }
      }
    }
  }

  const secrets = providers.flatMap(({ file, provider }) =>
    [provider.secrets, ...(provider.alternatives ?? []).map(({ secrets }) => secrets)]
      .flat()
      .map((secret) => ({ file, secret })),
  );
  for (const { file, secret } of secrets) {
    if (secret.opaque) continue;
    const other = secrets.find(
      (entry) =>
        entry.secret.name !== secret.name &&
        new RegExp(secret.pattern, "u").test(entry.secret.example),
    );
    if (other !== undefined) {
      fault(
        file,
        `${secret.name}: its pattern takes ${other.secret.name} of ${other.file} for its own`,
      );
    }
  }
  const capabilities = providers.flatMap(({ provider }) => provider.capabilities);
  return {
    faults,
    count: `${providers.length} providers with ${capabilities.length} capabilities`,
  };
}

const directories = process.argv.slice(2);
for (const directory of directories.length > 0 ? directories : [providersDirectory]) {
  const { faults, count } = judge(directory);
  if (directories.length > 1) console.log(`${directory}:`);
  if (faults.length > 0) process.exitCode = 1;
  console.log(faults.length > 0 ? faults.join("\n") : `${count}: no fault found`);
}
