import type { GroupReference, Scope } from "@aivault/vault-core";

/** Where an invocation stands, as its token or principal says. Nothing of it comes from the envelope. */
export interface ScopeContext {
  readonly workspaceId: string;
  /** Null for the workspace as a whole. */
  readonly groupId: string | null;
}

/** Something that belongs somewhere: a credential, a binding, a secret. */
export interface Owned {
  readonly scope: Scope;
  /** The groups a secret was attached to; left out for what cannot be attached. */
  readonly attachedGroups?: readonly GroupReference[];
}

/**
 * Decides whether something may be used from somewhere. Isolation is decided here and nowhere else
 * (W-F3): what lies outside the context does not exist for it.
 *
 * Without a context only what is global is in reach. A workspace reaches its own and what is global. A
 * group reaches its own and its workspace's; of the secrets that belong to everybody, or to another group
 * of the workspace, only those that were attached to it. Attachment never crosses a workspace.
 *
 * @param context - Null for whoever stands nowhere in particular.
 */
export function isWithinReach(context: ScopeContext | null, owned: Owned): boolean {
  const { scope, attachedGroups } = owned;
  if (context === null) return scope.kind === "global";
  const isAttached = attachedGroups?.some(
    ({ workspaceId, groupId }) =>
      workspaceId === context.workspaceId && groupId === context.groupId,
  );
  switch (scope.kind) {
    case "global":
      return context.groupId === null || attachedGroups === undefined || isAttached === true;
    case "workspace":
      return scope.workspaceId === context.workspaceId;
    case "group":
      return (
        scope.workspaceId === context.workspaceId &&
        (scope.groupId === context.groupId || isAttached === true)
      );
  }
}

/** The context of whoever stands exactly in a scope. */
export function contextOf(scope: Scope): ScopeContext | null {
  switch (scope.kind) {
    case "global":
      return null;
    case "workspace":
      return { workspaceId: scope.workspaceId, groupId: null };
    case "group":
      return { workspaceId: scope.workspaceId, groupId: scope.groupId };
  }
}
