import { BrokerError } from "../errors.ts";
import { render } from "../template.ts";

/** What a credential adds to a request. */
export interface Injection {
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Query parameters, encoded: `name=value`. */
  readonly params: readonly string[];
  /** Goes in front of the path; "" for nothing. */
  readonly pathPrefix: string;
  /** What else must not come back, besides the secrets' values. Copied by the redactor, then wiped. */
  readonly derived: readonly Uint8Array[];
}

/** The opened secrets by placeholder. Borrowed for the duration of the call. */
export type OpenSecrets = ReadonlyMap<string, Uint8Array>;

/** An injection of headers only. */
export function headersOnly(headers: Injection["headers"]): Injection {
  return { headers, params: [], pathPrefix: "", derived: [] };
}

/** An injection of parameters only. */
export function paramsOnly(params: readonly string[]): Injection {
  return { headers: [], params, pathPrefix: "", derived: [] };
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The secret as text.
 *
 * A string cannot be wiped. It is made here because undici takes header values and paths as strings, and
 * it is referred to only by the request, so it is garbage once the request has been written.
 *
 * @throws {BrokerError} `auth_failed`: it is not UTF-8.
 */
export function secretText(secrets: OpenSecrets, placeholder: string): string {
  const value = secrets.get(placeholder);
  if (value === undefined) {
    throw new BrokerError("auth_failed", `the credential has no secret for {{${placeholder}}}`);
  }
  try {
    return decoder.decode(value);
  } catch {
    throw unusable(placeholder, "is not text");
  }
}

/** The error for a secret whose value cannot go where the scheme puts it. */
export function unusable(placeholder: string, why: string): BrokerError {
  return new BrokerError(
    "auth_failed",
    `the secret for {{${placeholder}}} ${why}; rotate it to a usable value`,
    { hint: "aivault secrets rotate" },
  );
}

/**
 * A header value from a template.
 *
 * @throws {BrokerError} `auth_failed`: a secret holds a control character or one beyond ASCII, which would
 * end the header or arrive as something else (RFC 9110 section 5.5).
 */
export function renderHeader(template: string, secrets: OpenSecrets): string {
  return render(template, (placeholder) =>
    requireHeaderText(secretText(secrets, placeholder), placeholder),
  );
}

/** @throws {BrokerError} `auth_failed`: the text is not visible ASCII with inner spaces. */
export function requireHeaderText(text: string, placeholder: string): string {
  if (!/^[\x20-\x7e]+$/.test(text) || text !== text.trim()) {
    throw unusable(placeholder, "is empty or has characters that cannot be in a header");
  }
  return text;
}

/** A query parameter from a template, percent-encoded but for RFC 3986's unreserved characters. */
export function renderParam(name: string, template: string, secrets: OpenSecrets): string {
  const value = render(template, (placeholder) => {
    const text = secretText(secrets, placeholder);
    if (text === "" || CONTROL.test(text)) {
      throw unusable(placeholder, "is empty or has control characters");
    }
    return text;
  });
  return `${encodeParam(name)}=${encodeParam(value)}`;
}

const CONTROL = /\p{Cc}/u;

/** Percent-encodes everything but RFC 3986's unreserved characters. */
export function encodeParam(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
