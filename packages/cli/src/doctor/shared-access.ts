import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { callerSockets } from "@aivault/client";
import type { Context } from "../context.ts";
import { findGroup } from "../setup/system.ts";
import { type Finding, ok, warning } from "./finding.ts";

const GROUP = "aivault";

/** Whether this account reaches the daemon that another account shares, where there is one. */
export async function sharedAccess({ env }: Context): Promise<readonly Finding[]> {
  const { platform } = process;
  if (platform !== "linux" && platform !== "darwin") return [];
  const shared = callerSockets({ env, home: env["HOME"] ?? "/", platform })[1];
  const directory = shared === undefined ? null : dirname(shared);
  const found = directory === null ? null : await stat(directory).catch(() => null);
  if (directory === null || found === null) return [];
  const groups = process.getgroups?.() ?? [];
  if (process.getuid?.() === 0 || found.uid === process.getuid?.() || groups.includes(found.gid)) {
    return [ok("group", `this account may reach the shared daemon in ${directory}`)];
  }
  const user = env["USER"] ?? "USER";
  const group = await findGroup(GROUP, platform).catch(() => null);
  const isMember = group?.members.includes(user) === true;
  return [
    warning(
      "group",
      `this account may not reach the shared daemon in ${directory}`,
      isMember
        ? `you are in the group ${GROUP} since you logged in: log out, and in again`
        : `its owner lets you in with: sudo aivault setup agent-access --agent-user ${user}`,
    ),
  ];
}
