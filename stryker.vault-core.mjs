import { mutating } from "./stryker.base.mjs";

/** Cryptography, the stored forms, and the store. */
export const files = [
  "aead",
  "audit-head",
  "bytes",
  "checkpoint",
  "framing",
  "identifiers",
  "key-ring",
  "labels",
  "mac",
  "manifest",
  "memory-store",
  "passphrase",
  "record",
  "session",
  "sha256",
  "transaction",
  "vault-file",
  "verify",
  "node/file-store",
  "node/journal",
];

export default mutating("vault-core", files);
