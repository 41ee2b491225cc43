// @ts-check
// How each provider recognises its callers, stated here independently of the registry: if a
// registry entry is wrong, the stand-in provider answers 401 as the real one would.

/**
 * @typedef {(
 *   | { strategy: "header", name: string, template: string }
 *   | { strategy: "query", name: string, template: string }
 *   | { strategy: "path", template: string }
 *   | { strategy: "basic", username: string, password: string }
 *   | { strategy: "multi-header", headers: { name: string, template: string }[] }
 *   | { strategy: "multi-query", params: { name: string, template: string }[] }
 *   | { strategy: "none" }
 * )} Scheme
 *   `none` is a host that asks for nothing, such as an attacker's.
 *
 * @typedef {Readonly<Record<string, string>>} Secrets - By the placeholder the templates use.
 *
 * @typedef {object} Arrival - The parts of a request that can carry a credential, as they arrived.
 * @property {string} target - Path and query.
 * @property {readonly string[]} rawHeaders - Name, value, name, value…
 *
 * @typedef {object} Verdict
 * @property {boolean} authorized - Every part of the credential arrived, exactly right, exactly once.
 * @property {string} path - The path without a credential that was in it.
 */

/** @type {Readonly<Record<string, Scheme>>} */
export const SCHEMES = {
  "api.openai.com": { strategy: "header", name: "authorization", template: "Bearer {{secret}}" },
  "api.anthropic.com": { strategy: "header", name: "x-api-key", template: "{{secret}}" },
  "api.github.com": { strategy: "header", name: "authorization", template: "Bearer {{secret}}" },
  "slack.com": { strategy: "header", name: "authorization", template: "Bearer {{secret}}" },
  "api.stripe.com": { strategy: "header", name: "authorization", template: "Bearer {{secret}}" },
  "api.telegram.org": { strategy: "path", template: "/bot{{secret}}" },
  "api.trello.com": {
    strategy: "multi-query",
    params: [
      { name: "key", template: "{{key}}" },
      { name: "token", template: "{{token}}" },
    ],
  },
  "generativelanguage.googleapis.com": {
    strategy: "header",
    name: "x-goog-api-key",
    template: "{{secret}}",
  },
};

/** @param {string} template @param {Secrets} secrets */
function fill(template, secrets) {
  return template.replace(/\{\{([^}]+)\}\}/g, (_, placeholder) => {
    const value = secrets[placeholder];
    if (value === undefined) throw new Error(`no secret for placeholder \`${placeholder}\``);
    return value;
  });
}

/** @param {Arrival} arrival @param {string} name @param {string} expected */
function headerIs({ rawHeaders }, name, expected) {
  const values = rawHeaders.filter(
    (_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === name.toLowerCase(),
  );
  return values.length === 1 && values[0] === expected;
}

/** @param {Arrival} arrival @param {string} name @param {string} expected */
function parameterIs({ target }, name, expected) {
  const values = new URL(target, "https://stand-in.invalid").searchParams.getAll(name);
  return values.length === 1 && values[0] === expected;
}

/**
 * Whether `arrival` carries the credential of `scheme`, nothing missing and nothing twice.
 *
 * @param {Scheme} scheme
 * @param {Secrets} secrets
 * @param {Arrival} arrival
 * @returns {Verdict}
 */
export function checkCredential(scheme, secrets, arrival) {
  const path = arrival.target.replace(/[?#].*$/s, "");
  switch (scheme.strategy) {
    case "none":
      return { authorized: true, path };
    case "header":
      return {
        authorized: headerIs(arrival, scheme.name, fill(scheme.template, secrets)),
        path,
      };
    case "multi-header":
      return {
        authorized: scheme.headers.every(({ name, template }) =>
          headerIs(arrival, name, fill(template, secrets)),
        ),
        path,
      };
    case "basic": {
      const pair = `${fill(scheme.username, secrets)}:${fill(scheme.password, secrets)}`;
      const expected = `Basic ${Buffer.from(pair).toString("base64")}`;
      return { authorized: headerIs(arrival, "authorization", expected), path };
    }
    case "query":
      return {
        authorized: parameterIs(arrival, scheme.name, fill(scheme.template, secrets)),
        path,
      };
    case "multi-query":
      return {
        authorized: scheme.params.every(({ name, template }) =>
          parameterIs(arrival, name, fill(template, secrets)),
        ),
        path,
      };
    case "path": {
      const prefix = fill(scheme.template, secrets);
      const authorized = path.startsWith(`${prefix}/`);
      return { authorized, path: authorized ? path.slice(prefix.length) : path };
    }
  }
}
