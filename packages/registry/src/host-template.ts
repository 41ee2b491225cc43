import { RegistryError } from "./errors.ts";
import type { HostVariable, Provider } from "./provider.ts";

const LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
const SINGLE_LABEL = new RegExp(`^${LABEL}$`);

const literally = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** Tells whether a host entry has variables and so is not a host name yet. */
export const isHostTemplate = (host: string): boolean => host.includes("{");

/** The names of the variables in a host entry or URL, in order. */
export const hostVariableNames = (text: string): string[] =>
  [...text.matchAll(/\{([a-z]+)\}/g)].map((match) => match[1] ?? "");

function accepts(variable: HostVariable, value: string): boolean {
  if (variable.values !== undefined) return variable.values.includes(value);
  // Whatever the pattern says, a value stays one label: a dot would let `{shop}.example` name another
  // registrable domain's subdomain tree, and an `@` or `/` another authority (G4).
  return SINGLE_LABEL.test(value) && matchesWhole(variable.pattern ?? "", value);
}

/** Whether a pattern matches all of a text, also one with alternatives that are anchored on one side only. */
export function matchesWhole(pattern: string, text: string): boolean {
  return new RegExp(`^(?:${pattern})$`, "u").test(text);
}

/**
 * Puts values into a host template, or into a token URL of the provider.
 *
 * @param values - By variable name; a variable that is absent takes its default.
 * @returns A host name in lower case, or the URL.
 * @throws {RegistryError} `REGISTRY_INVALID`: a variable has no value, or one it does not accept.
 */
export function expandHost(
  provider: Provider,
  template: string,
  values: Readonly<Record<string, string>>,
): string {
  return template.replaceAll(/\{([a-z]+)\}/g, (_match, name: string) => {
    const variable = provider.hostVariables?.[name];
    const value = Object.hasOwn(values, name) ? values[name] : variable?.default;
    if (variable === undefined || value === undefined) {
      throw new RegistryError(
        "REGISTRY_INVALID",
        `host \`${template}\` of ${provider.id} needs a value for \`${name}\``,
      );
    }
    if (!accepts(variable, value)) {
      throw new RegistryError(
        "REGISTRY_INVALID",
        `\`${name}\` of ${provider.id} does not accept the value given: ${variable.description}`,
      );
    }
    return value;
  });
}

/**
 * Reads a host variable off a secret, where the provider says how.
 *
 * @param secretText - The secret's value. It is a string and cannot be wiped: keep it short-lived.
 * @returns The value, or null when nothing in the secret tells it.
 */
export function hostVariableFromSecret(
  variable: HostVariable,
  placeholder: string,
  secretText: string,
): string | null {
  for (const source of variable.fromSecret ?? []) {
    if (source.placeholder !== placeholder) continue;
    const match = new RegExp(source.pattern, "u").exec(secretText);
    const value = match === null ? undefined : (source.value ?? match[1]);
    if (value !== undefined && accepts(variable, value)) return value;
  }
  return null;
}

/**
 * Reads a host variable off what a person stored under one of its `env` names: the value itself, or a host
 * of the provider with it (`acme` or `acme.example.com`, with or without `https://`).
 *
 * @returns The value, or null when it is none that the variable accepts.
 */
export function hostVariableFromText(
  provider: Provider,
  name: string,
  text: string,
): string | null {
  const variable = provider.hostVariables?.[name];
  if (variable === undefined) return null;
  const bare = text
    .trim()
    .replace(/^https:\/\//i, "")
    .replace(/\/$/, "")
    .toLowerCase();
  if (accepts(variable, bare)) return bare;
  for (const template of provider.hosts) {
    if (hostVariableNames(template).join() !== name) continue;
    const [before = "", after = ""] = template.split(`{${name}}`);
    if (!bare.startsWith(before) || !bare.endsWith(after)) continue;
    const value = bare.slice(before.length, bare.length - after.length);
    if (accepts(variable, value)) return value;
  }
  return null;
}

/** The fixed text after the last variable of a template, from its first dot: what to index it by. */
export const fixedSuffix = (template: string): string => {
  const rest = template.slice(template.lastIndexOf("}") + 1);
  return rest.slice(rest.indexOf(".") + 1);
};

/** Tells whether a host name is an expansion of a provider's template. */
export function hostMatchesTemplate(provider: Provider, template: string, host: string): boolean {
  const names = hostVariableNames(template);
  const parts = template.split(/\{[a-z]+\}/).map(literally);
  // Only listed values may span labels, so anything else is matched within one.
  const gaps = names.map((name) =>
    provider.hostVariables?.[name]?.values === undefined ? "([a-z0-9-]+)" : "([a-z0-9.-]+)",
  );
  const source = parts.map((part, i) => part + (gaps[i] ?? "")).join("");
  const match = new RegExp(`^${source}$`).exec(host);
  return (
    match !== null &&
    names.every((name, i) => {
      const variable = provider.hostVariables?.[name];
      return variable !== undefined && accepts(variable, match[i + 1] ?? "");
    })
  );
}

/**
 * The host name to send to: a host entry, in a region if one was chosen, with its variables filled in.
 *
 * @param entry - One of the provider's `hosts`, as a capability names it.
 * @param region - A key of the provider's `regions`, or null.
 * @throws {RegistryError} `REGISTRY_INVALID`: no such region, or as {@link expandHost}.
 */
export function resolveHost(
  provider: Provider,
  entry: string,
  region: string | null,
  values: Readonly<Record<string, string>>,
): string {
  if (region === null) return expandHost(provider, entry, values);
  const regions = provider.regions ?? {};
  const chosen = Object.hasOwn(regions, region) ? regions[region] : undefined;
  if (chosen === undefined) {
    const known = Object.keys(regions).join(", ");
    throw new RegistryError(
      "REGISTRY_INVALID",
      `${provider.id} has no region of that name; it has: ${known === "" ? "none" : known}`,
    );
  }
  return chosen.hosts[entry] ?? expandHost(provider, entry, values);
}

/**
 * The region a secret belongs to, where its look tells.
 *
 * @param secretText - As for {@link hostVariableFromSecret}.
 */
export function regionFromSecret(
  provider: Provider,
  placeholder: string,
  secretText: string,
): string | null {
  for (const [name, { fromSecret }] of Object.entries(provider.regions ?? {})) {
    if (
      fromSecret?.placeholder === placeholder &&
      new RegExp(fromSecret.pattern, "u").test(secretText)
    ) {
      return name;
    }
  }
  return null;
}
