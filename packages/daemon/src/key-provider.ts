/** Where the KEK of a vault comes from: the operator's choice, or what the vault says. */

import { existsSync } from "node:fs";
import {
  type KeyProvider,
  type KeyProviderConfig,
  passphraseKeyProvider,
} from "@aivault/vault-core";
import { environmentKeyProvider, fileKeyProvider, systemArgon2id } from "@aivault/vault-core/node";
import type { VaultPaths } from "./paths.ts";
import { platformName } from "./platform/index.ts";
import { keychainKeyProvider, loadKeychain } from "./platform/keychain.ts";

/** The operator's choice when a vault is made. */
export type KeyProviderChoice =
  /** A file of ours, 0600. Without a path: {@link VaultPaths.keyFile}. */
  | { readonly kind: "file"; readonly path?: string }
  /** A variable that the operator has filled with 32 bytes, base64. Default `AIVAULT_KEY`. */
  | { readonly kind: "env"; readonly variable?: string }
  /** @param passphrase - UTF-8 octets; borrowed, the caller wipes them. */
  | { readonly kind: "passphrase"; readonly passphrase: Uint8Array }
  | { readonly kind: "macos-keychain" | "secret-service" | "credential-manager" };

type Environment = Readonly<Record<string, string | undefined>>;

/** The key provider an operator chose for a new vault. */
export function chosenKeyProvider(
  choice: KeyProviderChoice,
  paths: VaultPaths,
  env: Environment,
): KeyProvider {
  switch (choice.kind) {
    case "file":
      return fileKeyProvider(choice.path ?? paths.keyFile);
    case "env":
      return environmentKeyProvider(choice.variable ?? "AIVAULT_KEY", env);
    case "passphrase":
      return passphraseProvider(choice.passphrase);
    default:
      return keychain({ kind: choice.kind, service: "aivault", account: keychainAccount(paths) });
  }
}

/**
 * Ask a chosen provider for nothing in particular, so that one that cannot be used is found out before
 * anything is made.
 *
 * @throws {VaultError} `VAULT_KEY_UNAVAILABLE`.
 */
export async function requireUsable(provider: KeyProvider): Promise<void> {
  const { config } = provider;
  switch (config.kind) {
    case "passphrase":
      return;
    case "file":
      if (!existsSync(config.path)) return;
      break;
    case "env":
      break;
    default:
      // A keychain says the same of an entry that is missing and one that is not to be had. Any answer
      // shows that it answers.
      (await provider.obtainStaged?.())?.fill(0);
      return;
  }
  (await provider.obtain()).fill(0);
}

/** The key provider of a passphrase somebody has just said; borrowed until the vault is unlocked. */
export function passphraseProvider(passphrase: Uint8Array): KeyProvider {
  return passphraseKeyProvider(passphrase, { argon2id: systemArgon2id });
}

/**
 * The key provider that a vault names, when it can be asked without an operator.
 *
 * @returns null for a passphrase vault: it stays locked until somebody says the passphrase.
 */
export function storedKeyProvider(config: KeyProviderConfig, env: Environment): KeyProvider | null {
  switch (config.kind) {
    case "file":
      return fileKeyProvider(config.path);
    case "env":
      return environmentKeyProvider(config.variable, env);
    case "passphrase":
      return null;
    default:
      return keychain(config);
  }
}

function keychain(config: Extract<KeyProviderConfig, { service: string }>): KeyProvider {
  return keychainKeyProvider(config, () => loadKeychain(config.kind, platformName));
}

/** `kek`, as it always was, for the vault of this account; a vault elsewhere has an entry of its own. */
function keychainAccount(paths: VaultPaths): string {
  return paths.isDefault ? "kek" : `kek:${paths.root}`;
}
