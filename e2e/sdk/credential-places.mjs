// @ts-check
// Where a provider takes its credential, and what is left of a request without it.

/**
 * @typedef {import("./stand-in.mjs").Arrival} Arrival
 * @typedef {import("./stand-in.mjs").Verdict} Verdict
 */

/** Lines of a request's head. @param {string} target @param {Arrival["headers"]} headers */
function lines(target, headers) {
  return [target, ...headers.map(([name, value]) => `${name}: ${value}`)].join("\n");
}

/**
 * Exactly one header of this name, with exactly this value.
 *
 * @param {string} name - Lower case.
 * @param {string} value
 * @returns {(arrival: Arrival) => Verdict}
 */
export function inHeader(name, value) {
  return ({ target, headers }) => {
    const values = headers.filter(([given]) => given.toLowerCase() === name).map(([, one]) => one);
    const others = headers.filter(([given]) => given.toLowerCase() !== name);
    const complaints =
      values.length === 1 && values[0] === value ? [] : [`${name}: ${values.join(" and ")}`];
    // Whatever else it says of who is asking would be somebody else's.
    for (const [given] of others) {
      if (/^(?:authorization|proxy-authorization|cookie|x-api-key|x-goog-api-key)$/i.test(given)) {
        complaints.push(`${given} is not asked for`);
      }
    }
    return { complaints, rest: lines(target, others), target };
  };
}

/** @param {string} user @param {string} password */
export function inBasic(user, password) {
  const pair = Buffer.from(`${user}:${password}`).toString("base64");
  return inHeader("authorization", `Basic ${pair}`);
}

/**
 * The path begins with this, once.
 *
 * @param {...string} prefixes - Any of which may be the beginning; `/` follows.
 * @returns {(arrival: Arrival) => Verdict}
 */
export function inPath(...prefixes) {
  return ({ target, headers }) => {
    const prefix = prefixes.find((one) => target.startsWith(`${one}/`));
    const path = prefix === undefined ? target : target.slice(prefix.length);
    const complaints = prefix === undefined ? ["the path does not begin with the credential"] : [];
    if (headers.some(([name]) => name.toLowerCase() === "authorization")) {
      complaints.push("authorization is not asked for");
    }
    // Telegram tells files from methods by what stands before the credential.
    const file = prefix?.startsWith("/file/") === true ? "/file" : "";
    return { complaints, rest: lines(path, headers), target: file + path };
  };
}
