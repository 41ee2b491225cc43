import { KEY_BYTES } from "./aead.ts";
import { decodeHex, encodeHex, type RandomBytes, wipe } from "./bytes.ts";
import { decodeUint64, encodeUint64 } from "./framing.ts";
import { LABELS } from "./labels.ts";
import { deriveKey, Mac } from "./mac.ts";

// The keys of an unlocked vault. The KEK wraps the ring and is then forgotten; everything else is
// reached through the ring. Rotating the KEK adds a vault key to its front and, when no record
// needs the old one, drops that from its end. The index and audit keys stay: names must still be
// found and old audit entries still be checked after a rotation.

const RING_VERSION = 1;
const ENTRY_BYTES = 1 + 16 + 8 + KEY_BYTES;
const PURPOSES = { vault: 1, index: 2, audit: 3, auditSigning: 4 } as const;
type Purpose = (typeof PURPOSES)[keyof typeof PURPOSES];

interface RingEntry {
  readonly purpose: Purpose;
  /** 16 random bytes, hexadecimal: says which key, nothing about the key (W-B10). */
  readonly id: string;
  readonly createdAtMs: number;
  readonly key: Uint8Array;
}

/** One generation of the vault key, with the keys derived from it. */
export interface VaultKey {
  readonly id: string;
  readonly createdAtMs: number;
  readonly dek: Uint8Array;
  readonly metadata: Uint8Array;
  readonly document: Uint8Array;
  readonly config: Mac;
  readonly manifestRoot: Mac;
  readonly manifestHead: Mac;
}

/** The key ring: wiped as a whole when the vault is locked. */
export class KeyRing {
  readonly #entries: readonly RingEntry[];
  readonly #vaultId: string;
  readonly #vaultKeys = new Map<string, VaultKey>();
  readonly currentId: string;
  readonly nameMac: Mac;
  readonly documentIdMac: Mac;

  private constructor(entries: readonly RingEntry[], vaultId: string) {
    this.#entries = entries;
    this.#vaultId = vaultId;
    this.currentId = this.#entry(PURPOSES.vault).id;
    const index = this.#entry(PURPOSES.index).key;
    this.nameMac = new Mac(index, [LABELS.name, vaultId]);
    this.documentIdMac = new Mac(index, [LABELS.documentId, vaultId]);
  }

  /** The ring of a new vault. */
  static create(vaultId: string, random: RandomBytes, nowMs: number): KeyRing {
    const entries = [PURPOSES.vault, PURPOSES.index, PURPOSES.audit, PURPOSES.auditSigning].map(
      (purpose) => newEntry(purpose, random, nowMs),
    );
    return new KeyRing(entries, vaultId);
  }

  /**
   * @param bytes - What {@link serialize} gave; borrowed.
   * @returns null for anything else.
   */
  static parse(bytes: Uint8Array, vaultId: string): KeyRing | null {
    const count = bytes[1] ?? 0;
    if (bytes[0] !== RING_VERSION || bytes.length !== 2 + count * ENTRY_BYTES) return null;
    const entries: RingEntry[] = [];
    for (let offset = 2; offset < bytes.length; offset += ENTRY_BYTES) {
      const purpose = Object.values(PURPOSES).find((known) => known === bytes[offset]);
      const createdAtMs = decodeUint64(bytes, offset + 17);
      if (purpose === undefined || createdAtMs === null) return null;
      entries.push({
        purpose,
        id: encodeHex(bytes.subarray(offset + 1, offset + 17)),
        createdAtMs,
        key: bytes.slice(offset + 25, offset + ENTRY_BYTES),
      });
    }
    for (const purpose of Object.values(PURPOSES)) {
      if (!entries.some((entry) => entry.purpose === purpose)) return null;
    }
    return new KeyRing(entries, vaultId);
  }

  /**
   * version (1) || count (1) || count times purpose (1) || id (16) || created (8) || key (32).
   * The caller owns the bytes and wipes them. Binary, because a string cannot be wiped.
   */
  serialize(): Uint8Array {
    const bytes = new Uint8Array(2 + this.#entries.length * ENTRY_BYTES);
    bytes[0] = RING_VERSION;
    bytes[1] = this.#entries.length;
    let offset = 2;
    for (const { purpose, id, createdAtMs, key } of this.#entries) {
      bytes[offset] = purpose;
      bytes.set(decodeHex(id) as Uint8Array, offset + 1);
      bytes.set(encodeUint64(createdAtMs), offset + 17);
      bytes.set(key, offset + 25);
      offset += ENTRY_BYTES;
    }
    return bytes;
  }

  /** A ring with a fresh current vault key in front of the present ones. */
  withNewVaultKey(random: RandomBytes, nowMs: number): KeyRing {
    const copies = this.#entries.map((entry) => ({ ...entry, key: entry.key.slice() }));
    return new KeyRing([newEntry(PURPOSES.vault, random, nowMs), ...copies], this.#vaultId);
  }

  /** A ring without the vault keys that are no longer current. */
  withoutOldVaultKeys(): KeyRing {
    const kept = this.#entries.filter(
      ({ purpose, id }) => purpose !== PURPOSES.vault || id === this.currentId,
    );
    return new KeyRing(
      kept.map((entry) => ({ ...entry, key: entry.key.slice() })),
      this.#vaultId,
    );
  }

  /** How many vault keys there are; more than one while records are being rewrapped. */
  get vaultKeyCount(): number {
    return this.#entries.filter(({ purpose }) => purpose === PURPOSES.vault).length;
  }

  /** The vault key with this id, or null. */
  vaultKey(id: string): VaultKey | null {
    const known = this.#vaultKeys.get(id);
    if (known !== undefined) return known;
    const entry = this.#entries.find((e) => e.purpose === PURPOSES.vault && e.id === id);
    if (entry === undefined) return null;
    const derived = deriveVaultKey(entry, this.#vaultId);
    this.#vaultKeys.set(id, derived);
    return derived;
  }

  /** The vault key that seals whatever is written now. */
  get current(): VaultKey {
    return this.vaultKey(this.currentId) as VaultKey;
  }

  /** The id of the vault whose keys these are. */
  get vaultId(): string {
    return this.#vaultId;
  }

  /** A MAC for one use of the audit key; the caller wipes it. */
  auditMac(label: string): Mac {
    return new Mac(this.#entry(PURPOSES.audit).key, [label, this.#vaultId]);
  }

  /** The Ed25519 seed that signs audit checkpoints; borrowed, lives as long as the ring. */
  get auditSigningSeed(): Uint8Array {
    return this.#entry(PURPOSES.auditSigning).key;
  }

  /** G23: overwrites every key. The ring is useless afterwards. */
  wipe(): void {
    for (const { key } of this.#entries) wipe(key);
    for (const key of this.#vaultKeys.values()) {
      wipe(key.dek, key.metadata, key.document);
      for (const mac of [key.config, key.manifestRoot, key.manifestHead]) mac.wipe();
    }
    this.#vaultKeys.clear();
    this.nameMac.wipe();
    this.documentIdMac.wipe();
  }

  #entry(purpose: Purpose): RingEntry {
    return this.#entries.find((entry) => entry.purpose === purpose) as RingEntry;
  }
}

function newEntry(purpose: Purpose, random: RandomBytes, nowMs: number): RingEntry {
  return { purpose, id: encodeHex(random(16)), createdAtMs: nowMs, key: random(KEY_BYTES) };
}

function deriveVaultKey({ id, createdAtMs, key }: RingEntry, vaultId: string): VaultKey {
  const mac = (label: string): Mac => {
    const derived = deriveKey(key, vaultId, label);
    try {
      return new Mac(derived, [label, vaultId]);
    } finally {
      wipe(derived);
    }
  };
  return {
    id,
    createdAtMs,
    dek: deriveKey(key, vaultId, LABELS.dek),
    metadata: deriveKey(key, vaultId, LABELS.metadata),
    document: deriveKey(key, vaultId, LABELS.document),
    config: mac(LABELS.config),
    manifestRoot: mac(LABELS.manifestRoot),
    manifestHead: mac(LABELS.manifestHead),
  };
}
