/**
 * `--scope`, `--workspace-id` and `--group-id` to a scope.
 */
import type { WireScope } from "@aivault/client";
import { type ParsedArgs, text } from "./args.ts";
import { usageError } from "./errors.ts";

/**
 * The scope that the flags name; undefined when they name none.
 *
 * @throws {CliError} `CLI_USAGE`: an id without its scope, or a scope without its id.
 */
export function scopeFromFlags(args: ParsedArgs): WireScope | undefined {
  const workspaceId = text(args, "workspace-id");
  const groupId = text(args, "group-id");
  const kind = text(args, "scope") ?? impliedScope(workspaceId, groupId);
  if (kind === undefined) return undefined;
  if (kind === "global") {
    if (workspaceId ?? groupId) throw usageError("--scope global has no workspace or group");
    return { kind };
  }
  if (!workspaceId) throw usageError(`--scope ${kind} needs --workspace-id`);
  if (kind === "workspace") {
    if (groupId !== undefined)
      throw usageError("--scope workspace has no group; say --scope group");
    return { kind, workspaceId };
  }
  if (!groupId) throw usageError("--scope group needs --group-id");
  return { kind: "group", workspaceId, groupId };
}

function impliedScope(
  workspaceId: string | undefined,
  groupId: string | undefined,
): string | undefined {
  if (groupId !== undefined) return "group";
  return workspaceId === undefined ? undefined : "workspace";
}
