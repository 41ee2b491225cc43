import { createPrivateKey, createSign, type KeyObject } from "node:crypto";
import { BrokerError } from "./errors.ts";

/** What a signed JWT says about itself. */
export interface Assertion {
  readonly key: string;
  /** The key's id at the provider, or null. */
  readonly keyId: string | null;
  readonly claims: Readonly<Record<string, string | number>>;
}

/**
 * Signs a JWT: RS256 with an RSA key, ES256 with one on P-256.
 *
 * @throws {BrokerError} `auth_failed`: the key is not usable.
 * @see RFC 7515 section 3.1, RFC 7518 sections 3.3 and 3.4
 */
export function signAssertion({ key, keyId, claims }: Assertion): string {
  try {
    const privateKey = createPrivateKey(key);
    const alg = algorithmOf(privateKey);
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const head = encode({ alg, typ: "JWT", ...(keyId === null ? {} : { kid: keyId }) });
    const input = `${head}.${encode(claims)}`;
    const signature = createSign("sha256")
      .update(input)
      .sign({ key: privateKey, dsaEncoding: "ieee-p1363" }, "base64url");
    return `${input}.${signature}`;
  } catch {
    // What the library says may quote the key.
    throw new BrokerError("auth_failed", "the OAuth secret's private key is not usable; rotate it");
  }
}

function algorithmOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): "RS256" | "ES256" {
  if (asymmetricKeyType === "rsa") return "RS256";
  if (asymmetricKeyType === "ec" && asymmetricKeyDetails?.namedCurve === "prime256v1") {
    return "ES256";
  }
  throw new TypeError("neither RSA nor P-256");
}
