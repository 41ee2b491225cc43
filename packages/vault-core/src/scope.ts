import { VaultError } from "./errors.ts";
import { requireIdentifier } from "./identifiers.ts";

/** Where a secret applies. */
export type Scope =
  | { readonly kind: "global" }
  | { readonly kind: "workspace"; readonly workspaceId: string }
  | { readonly kind: "group"; readonly workspaceId: string; readonly groupId: string };

/** A group that a secret is attached to. */
export interface GroupReference {
  readonly workspaceId: string;
  readonly groupId: string;
}

/** The scope of secrets that belong to no workspace. */
export const GLOBAL_SCOPE: Scope = { kind: "global" };

/**
 * Checks a scope that came from outside.
 *
 * @throws {VaultError} `VAULT_INVALID_INPUT`: the kind is unknown or an id is malformed.
 */
export function parseScope(value: unknown): Scope {
  if (typeof value === "object" && value !== null) {
    const { kind, workspaceId, groupId } = value as Record<string, unknown>;
    if (kind === "global" && workspaceId === undefined && groupId === undefined)
      return GLOBAL_SCOPE;
    if (kind === "workspace" && groupId === undefined) {
      return { kind, workspaceId: requireIdentifier(workspaceId, "workspace id") };
    }
    if (kind === "group") return { kind, ...parseGroupReference({ workspaceId, groupId }) };
  }
  throw new VaultError("VAULT_INVALID_INPUT", "a scope is global, a workspace, or a group");
}

/** @throws {VaultError} `VAULT_INVALID_INPUT`: an id is malformed. */
export function parseGroupReference(
  value: GroupReference | Record<string, unknown>,
): GroupReference {
  return {
    workspaceId: requireIdentifier(value.workspaceId, "workspace id"),
    groupId: requireIdentifier(value.groupId, "group id"),
  };
}

/** The scope as three fields for framing; every scope has exactly one such form. */
export function scopeFields(scope: Scope): readonly [string, string, string] {
  switch (scope.kind) {
    case "global":
      return ["global", "", ""];
    case "workspace":
      return ["workspace", scope.workspaceId, ""];
    case "group":
      return ["group", scope.workspaceId, scope.groupId];
  }
}

/** Whether two scopes are the same scope. */
export function sameScope(a: Scope, b: Scope): boolean {
  const other = scopeFields(b);
  return scopeFields(a).every((field, index) => field === other[index]);
}
