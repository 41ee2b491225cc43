// What opens the backups of the scenarios: a passphrase, and a derivation that is fast, because what it
// costs to guess is no concern here.
import { createHash } from "node:crypto";

export const backupKey = () => ({
  passphrase: new TextEncoder().encode("correct horse battery staple"),
  argon2id: async (passphrase, salt) =>
    new Uint8Array(createHash("sha256").update(passphrase).update(salt).digest()),
});
