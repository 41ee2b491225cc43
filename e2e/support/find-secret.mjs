// @ts-check
// Looks for a secret the way a thief with some patience would: in every form that turns back into it.

/**
 * The part of `secret`'s base64 that is the same wherever it stands in a larger encoded text, for
 * each of the three alignments at which it can begin.
 * @param {Buffer} secret @param {"base64" | "base64url"} encoding
 */
function alignments(secret, encoding) {
  return [0, 1, 2].map((offset) => {
    const encoded = Buffer.concat([Buffer.alloc(offset), secret]).toString(encoding);
    // Six bits to a character: those that mix in a neighbour's bits are left out at both ends.
    const first = Math.ceil((offset * 8) / 6);
    const last = Math.floor(((offset + secret.length) * 8) / 6);
    return encoded.slice(first, last);
  });
}

/**
 * What {@link findSecret} searches for.
 * @param {string} secret - At least eight characters, so that none of its forms appears by chance.
 */
function secretForms(secret) {
  if (secret.length < 8) throw new RangeError("a secret this short is found everywhere");
  const bytes = Buffer.from(secret);
  const pairs = [...bytes].map((byte) => byte.toString(16).padStart(2, "0"));
  const [first, second, third] = alignments(bytes, "base64");
  return {
    exact: {
      raw: secret,
      base64: first ?? "",
      "base64, shifted by one": second ?? "",
      "base64, shifted by two": third ?? "",
      ...Object.fromEntries(
        alignments(bytes, "base64url").map((form, index) => [
          `base64url, shifted by ${index}`,
          form,
        ]),
      ),
      "UTF-16": Buffer.from(secret, "utf16le").toString("latin1"),
      reversed: [...secret].reverse().join(""),
    },
    // Letters of either case mean the same in these.
    folded: {
      hex: pairs.join(""),
      percent: encodeURIComponent(secret).toLowerCase(),
      "percent, every byte": pairs.map((pair) => `%${pair}`).join(""),
      "JSON escapes": pairs.map((pair) => `\\u00${pair}`).join(""),
      "HTML, decimal": [...bytes].map((byte) => `&#${byte};`).join(""),
      "HTML, hexadecimal": pairs.map((pair) => `&#x${pair};`).join(""),
    },
  };
}

/**
 * @param {string} secret
 * @param {Buffer | string} haystack
 * @returns {string[]} The forms in which it was found; empty is good.
 */
export function findSecret(secret, haystack) {
  const { exact, folded } = secretForms(secret);
  // Latin-1 keeps bytes and characters the same, whatever the haystack is.
  const text = Buffer.from(haystack).toString("latin1");
  const lower = text.toLowerCase();
  return [
    ...Object.entries(exact).filter(([, form]) => text.includes(form)),
    ...Object.entries(folded).filter(([, form]) => lower.includes(form)),
  ].map(([name]) => name);
}
