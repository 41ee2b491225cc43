import type { OperatorMtlsScheme } from "../auth-scheme.ts";
import { type Injection, type OpenSecrets, unusable } from "./injection.ts";
import { injectHeaders } from "./multi-header.ts";

/** The certificate and key to present; copies that their owner wipes. */
export interface CertificatePair {
  readonly certificate: Uint8Array;
  readonly privateKey: Uint8Array;
  /** Of an encrypted key. */
  readonly passphrase?: Uint8Array;
  /** PEM certificates to trust instead of the public authorities. */
  readonly ca?: Uint8Array;
}

/** Takes the certificate pair out of the secrets, and puts further ones into headers. */
export function injectMtls(
  scheme: OperatorMtlsScheme,
  secrets: OpenSecrets,
): Injection & { readonly pair: CertificatePair } {
  const take = (placeholder: string) => {
    const value = secrets.get(placeholder);
    if (value === undefined || !startsLikePem(value)) throw unusable(placeholder, "is not PEM");
    return value.slice();
  };
  const passphrase = scheme.passphrase === undefined ? undefined : secrets.get(scheme.passphrase);
  return {
    ...injectHeaders({ headers: scheme.headers ?? [] }, secrets),
    pair: {
      certificate: take(scheme.certificate),
      privateKey: take(scheme.privateKey),
      ...(passphrase === undefined ? {} : { passphrase: passphrase.slice() }),
      ...(scheme.ca === undefined ? {} : { ca: take(scheme.ca) }),
    },
  };
}

function startsLikePem(value: Uint8Array): boolean {
  return Buffer.from(value.subarray(0, 1024)).includes("-----BEGIN ");
}
