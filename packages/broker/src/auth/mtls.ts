import type { MtlsScheme } from "@aivault/registry";
import { type Injection, type OpenSecrets, unusable } from "./injection.ts";
import { injectHeaders } from "./multi-header.ts";

/** The certificate and key to present; copies that their owner wipes. */
export interface CertificatePair {
  readonly certificate: Uint8Array;
  readonly privateKey: Uint8Array;
}

/** Takes the certificate pair out of the secrets, and puts further ones into headers. */
export function injectMtls(
  scheme: MtlsScheme,
  secrets: OpenSecrets,
): Injection & { readonly pair: CertificatePair } {
  const take = (placeholder: string) => {
    const value = secrets.get(placeholder);
    if (value === undefined || !startsLikePem(value)) throw unusable(placeholder, "is not PEM");
    return value.slice();
  };
  return {
    ...injectHeaders({ headers: scheme.headers ?? [] }, secrets),
    pair: { certificate: take(scheme.certificate), privateKey: take(scheme.privateKey) },
  };
}

function startsLikePem(value: Uint8Array): boolean {
  return Buffer.from(value.subarray(0, 1024)).includes("-----BEGIN ");
}
