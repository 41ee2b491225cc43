import type { DocumentKind } from "./identifiers.ts";
import type { JsonValue } from "./json.ts";
import type { GroupReference, Scope } from "./scope.ts";

/** Everything about a secret but its value. */
export interface SecretMetadata {
  /** Lower-case UUID. */
  readonly secretId: string;
  readonly name: string;
  /** Sorted, unique, never the name itself. */
  readonly aliases: readonly string[];
  readonly scope: Scope;
  /** The registry provider this secret may go to; once set it never changes. */
  readonly pinnedProvider: string | null;
  /** 1 for the first value; each rotation adds 1. */
  readonly valueVersion: number;
  /** Sorted, unique. */
  readonly attachedGroups: readonly GroupReference[];
  /** Unix milliseconds. */
  readonly createdAtMs: number;
  /** Unix milliseconds. */
  readonly updatedAtMs: number;
  /** Unix milliseconds; null while the secret has a value. */
  readonly deletedAtMs: number | null;
}

/** A policy document, decrypted. */
export interface SealedDocument {
  readonly kind: DocumentKind;
  readonly id: string;
  /** 1 when first put; each put adds 1. A document that is deleted and put again starts at 1. */
  readonly revision: number;
  readonly value: JsonValue;
  /** Unix milliseconds. */
  readonly updatedAtMs: number;
}

/** One page of a listing. */
export interface Page<T> {
  readonly items: readonly T[];
  /** Pass as `after` to go on; null on the last page. Opaque. */
  readonly next: string | null;
}
