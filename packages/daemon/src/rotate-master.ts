/** Replacing the key that everything depends on: by another of the same kind, or of another. */

import type { WireKeyProviderChoice, WireMasterRotated } from "@aivault/client/protocol";
import {
  type KeyProvider,
  type KeyProviderConfig,
  parseKeyText,
  type Vault,
} from "@aivault/vault-core";
import { describeVault } from "./describe-vault.ts";
import { chosenKeyProvider, type KeyProviderChoice } from "./key-provider.ts";
import type { VaultPaths } from "./paths.ts";
import { Problem } from "./problem.ts";

export interface RotateMasterOptions {
  readonly vault: Vault;
  readonly paths: VaultPaths;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Null for where the key is now. */
  readonly to: WireKeyProviderChoice | null;
  /** UTF-8 octets of the new passphrase, borrowed; null unless that is where the key goes. */
  readonly passphrase: Uint8Array | null;
  /** Key text, borrowed, for an environment variable that does not hold the new key yet; or null. */
  readonly key: Uint8Array | null;
}

/**
 * Rotate the master key. It is one event in the vault: cut off anywhere, one of the two keys opens it.
 *
 * @throws {Problem} `invalid_request`: material that the provider has no use for, or lacks; `conflict`:
 * where the key is to go there is one already.
 * @throws {VaultError} `VAULT_KEY_UNAVAILABLE`, `VAULT_INVALID_INPUT`, and those of a transaction.
 */
export async function rotateMaster(options: RotateMasterOptions): Promise<WireMasterRotated> {
  const { vault, paths, env } = options;
  const from = vault.status().keyProvider;
  const choice = chooseProvider(options, from);
  const provider = chosenKeyProvider(choice, paths, env);
  if (!isSame(provider.config, from)) await requireVacant(provider);
  const newKey = options.key === null ? null : readKey(options.key);
  try {
    // Recorded first, so that a rotation that was cut off is on record as well.
    await vault.audit.append({ kind: "master.rotation.begun", from: from.kind, to: choice.kind });
    const { rewrapped, skipped, confirmed } = await vault.rotateMaster({
      provider,
      ...(newKey === null ? {} : { newKey }),
    });
    await vault.audit.append({
      kind: "master.rotated",
      from: from.kind,
      to: choice.kind,
      rewrapped,
      skipped,
      confirmed,
    });
    const { keyProvider, previousKeyProvider } = describeVault(vault);
    const next = whatIsLeft(from, vault.status().keyProvider, confirmed);
    return { keyProvider, previousKeyProvider, rewrapped, skipped, next };
  } finally {
    newKey?.fill(0);
  }
}

function chooseProvider(
  { to, passphrase, key }: RotateMasterOptions,
  from: KeyProviderConfig,
): KeyProviderChoice {
  const choice = to ?? from;
  if (passphrase !== null && choice.kind !== "passphrase") {
    throw new Problem("invalid_request", "a passphrase goes with the key provider `passphrase`");
  }
  if (key !== null && choice.kind !== "env") {
    throw new Problem("invalid_request", "a key is sent for the key provider `env` only");
  }
  switch (choice.kind) {
    case "passphrase":
      if (passphrase === null || passphrase.length === 0) {
        throw new Problem(
          "invalid_request",
          "the new passphrase is missing: the part `passphrase`",
        );
      }
      return { kind: "passphrase", passphrase };
    case "file": {
      const path = choice.path ?? (from.kind === "file" ? from.path : undefined);
      return { kind: "file", ...(path === undefined ? {} : { path }) };
    }
    case "env": {
      const variable = choice.variable ?? (from.kind === "env" ? from.variable : undefined);
      return { kind: "env", ...(variable === undefined ? {} : { variable }) };
    }
    default:
      return { kind: choice.kind };
  }
}

/** Whether two providers keep one and the same entry. */
function isSame(a: KeyProviderConfig, b: KeyProviderConfig): boolean {
  if (a.kind === "passphrase" || b.kind === "passphrase") return a.kind === b.kind;
  return JSON.stringify(placeOf(a)) === JSON.stringify(placeOf(b));
}

function placeOf(config: Exclude<KeyProviderConfig, { kind: "passphrase" }>): unknown {
  if (config.kind === "file") return ["file", config.path];
  if (config.kind === "env") return ["env", config.variable];
  return [config.kind, config.service, config.account];
}

/**
 * A key that is already at the new place is not the vault's new key: it may be one that was retired
 * here, or the only one that opens another vault.
 */
async function requireVacant(provider: KeyProvider): Promise<void> {
  const { config } = provider;
  // An operator fills a variable; a passphrase is kept nowhere.
  if (config.kind === "passphrase" || config.kind === "env") return;
  const found = await provider.obtain().catch(() => null);
  if (found === null) return;
  found.fill(0);
  const place = config.kind === "file" ? config.path : `the ${config.kind}`;
  throw new Problem("conflict", `there is a key in ${place} already; move it away first`);
}

function readKey(text: Uint8Array): Uint8Array {
  const key = parseKeyText(text);
  if (key !== null) return key;
  throw new Problem(
    "invalid_request",
    "the key is neither base64 of 32 bytes nor 64 hexadecimal digits",
  );
}

function whatIsLeft(
  from: KeyProviderConfig,
  to: KeyProviderConfig,
  confirmed: boolean,
): string | null {
  if (!confirmed && to.kind === "env") {
    return (
      `set ${to.variable} to the new key and run \`aivault restart\`; ` +
      "until the new key has opened the vault once, the old one does too"
    );
  }
  if (isSame(from, to)) return null;
  switch (from.kind) {
    case "file":
      return `${from.path} opens older copies of this vault only; remove it when you keep none`;
    case "env":
      return `${from.variable} opens older copies of this vault only; take it out of the environment`;
    default:
      return null;
  }
}
