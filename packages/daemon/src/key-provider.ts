/** Where the KEK of a vault comes from, as an operator chooses it. */

/** The operator's choice when a vault is made. */
export type KeyProviderChoice =
  /** A file of ours, 0600. Without a path: {@link VaultPaths.keyFile}. */
  | { readonly kind: "file"; readonly path?: string }
  /** A variable that the operator has filled with 32 bytes, base64. Default `AIVAULT_KEY`. */
  | { readonly kind: "env"; readonly variable?: string }
  /** @param passphrase - UTF-8 octets; borrowed, the caller wipes them. */
  | { readonly kind: "passphrase"; readonly passphrase: Uint8Array }
  | { readonly kind: "macos-keychain" | "secret-service" | "credential-manager" };
