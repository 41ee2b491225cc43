/**
 * The KEK in the operating system's keychain: macOS Keychain, Secret Service, Credential Manager.
 *
 * One binding, `@github/keytar`, serves all three. It is optional at installation and loaded only when
 * a vault is kept this way. The keychain speaks strings, so a copy of the key, in text, is left to the
 * engine's collector each time it is read; the daemon reads it once, at unlock (G23).
 */

import { type KeyProvider, type KeyProviderConfig, VaultError } from "@aivault/vault-core";

/** The part of keytar that is used. */
export interface KeychainBinding {
  getPassword(service: string, account: string): Promise<string | null>;
  setPassword(service: string, account: string, password: string): Promise<void>;
  deletePassword(service: string, account: string): Promise<boolean>;
}

type KeychainConfig = Extract<KeyProviderConfig, { service: string }>;

const KEY_BYTES = 32;
/** A keychain that is locked may put a dialog in front of somebody who is not there. */
const ANSWER_MS = 30_000;

const NAMES: Readonly<Record<KeychainConfig["kind"], string>> = {
  "macos-keychain": "the macOS Keychain",
  "secret-service": "the Secret Service",
  "credential-manager": "the Windows Credential Manager",
};

/** Which keychain each system has. */
const SYSTEMS: Readonly<Record<KeychainConfig["kind"], string>> = {
  "macos-keychain": "darwin",
  "secret-service": "linux",
  "credential-manager": "win32",
};

/**
 * Load the keychain binding of this system.
 *
 * @param system - As `process.platform` names it.
 * @throws {VaultError} `VAULT_KEY_UNAVAILABLE`: another system's keychain, or the binding or the
 * library below it is missing; the message says what to install.
 */
export async function loadKeychain(
  kind: KeychainConfig["kind"],
  system: string,
): Promise<KeychainBinding> {
  if (SYSTEMS[kind] !== system) {
    throw new VaultError(
      "VAULT_KEY_UNAVAILABLE",
      `${NAMES[kind]} does not exist on ${system}; choose another key provider`,
    );
  }
  try {
    const { default: binding } = (await import("@github/keytar")) as unknown as {
      default: KeychainBinding;
    };
    return binding;
  } catch (cause) {
    const missing =
      system === "linux"
        ? "install @github/keytar and the system's libsecret (Debian: libsecret-1-0)"
        : "install @github/keytar";
    throw new VaultError("VAULT_KEY_UNAVAILABLE", `cannot use ${NAMES[kind]}: ${missing}`, {
      cause,
    });
  }
}

/**
 * A key provider over a keychain.
 *
 * The binding answers the same for an entry that is missing and one that is locked. So no key is ever
 * made because a look-up found nothing, except for a vault that is being created, and a key that is
 * already there is used and never replaced.
 *
 * @param load - Called at the first use of the keychain.
 */
export function keychainKeyProvider(
  config: KeychainConfig,
  load: () => Promise<KeychainBinding>,
  answerMs: number = ANSWER_MS,
): KeyProvider {
  const { kind, service, account } = config;
  const stagedAccount = `${account}:next`;
  const keychain = NAMES[kind];

  async function ask<T>(question: (binding: KeychainBinding) => Promise<T>): Promise<T> {
    const binding = await load();
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(unavailable(`${keychain} did not answer; is it waiting to be unlocked?`)),
        answerMs,
      );
    });
    try {
      return await Promise.race([question(binding), silence]);
    } catch (cause) {
      if (cause instanceof VaultError) throw cause;
      throw unavailable(
        `${keychain} refused; unlock it, and check that a session is running`,
        cause,
      );
    } finally {
      clearTimeout(timer);
    }
  }

  async function read(from: string): Promise<Uint8Array | null> {
    const stored = await ask((binding) => binding.getPassword(service, from));
    return stored === null ? null : decodeKey(stored, keychain, service, from);
  }

  /** Write, then read back: a keychain that forgets must not be found out at the next start. */
  async function write(to: string, key: Uint8Array): Promise<void> {
    const text = Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("base64");
    await ask((binding) => binding.setPassword(service, to, text));
    const kept = await read(to);
    const same = kept !== null && Buffer.compare(kept, key) === 0;
    kept?.fill(0);
    if (!same) throw unavailable(`${keychain} did not keep the key it was given`);
  }

  return {
    config,
    async create(random) {
      const existing = await read(account);
      if (existing !== null) return existing;
      const key = random(KEY_BYTES);
      await write(account, key);
      return key;
    },
    async obtain() {
      const key = await read(account);
      if (key !== null) return key;
      throw unavailable(
        `${keychain} has no entry for service \`${service}\`, account \`${account}\`, or is locked`,
      );
    },
    async stage(random) {
      const key = random(KEY_BYTES);
      await write(stagedAccount, key);
      return key;
    },
    obtainStaged: () => read(stagedAccount),
    async discardStaged() {
      await ask((binding) => binding.deletePassword(service, stagedAccount));
    },
    async promote() {
      const staged = await read(stagedAccount);
      if (staged === null) return;
      try {
        // Replacing an entry is one operation of the keychain; only then does the staged one go.
        await write(account, staged);
        await ask((binding) => binding.deletePassword(service, stagedAccount));
      } finally {
        staged.fill(0);
      }
    },
  };
}

function unavailable(message: string, cause?: unknown): VaultError {
  return new VaultError("VAULT_KEY_UNAVAILABLE", message, { cause });
}

function decodeKey(text: string, keychain: string, service: string, account: string): Uint8Array {
  const key = new Uint8Array(Buffer.from(text, "base64"));
  // Buffer ignores what is not base64; encoding again tells a key from something like one.
  const exact = Buffer.from(key.buffer).toString("base64") === text;
  if (exact && key.byteLength === KEY_BYTES) return key;
  key.fill(0);
  throw unavailable(
    `${keychain} holds something that is not a key for service \`${service}\`, account \`${account}\`; ` +
      "aivault will not replace it",
  );
}
