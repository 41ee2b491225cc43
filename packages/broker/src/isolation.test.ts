import type { Scope } from "@aivault/vault-core";
import { describe, expect, it } from "vitest";
import { isWithinReach, type Owned, type ScopeContext } from "./isolation.ts";

const global: Scope = { kind: "global" };
const w1: Scope = { kind: "workspace", workspaceId: "w1" };
const g1: Scope = { kind: "group", workspaceId: "w1", groupId: "g1" };
const secret = (scope: Scope, ...groups: [string, string][]): Owned => ({
  scope,
  attachedGroups: groups.map(([workspaceId, groupId]) => ({ workspaceId, groupId })),
});
const at = (workspaceId: string, groupId: string | null = null): ScopeContext => ({
  workspaceId,
  groupId,
});

describe("W-F3: isWithinReach", () => {
  it.each<[string, ScopeContext | null, Owned, boolean]>([
    ["nowhere, global secret", null, secret(global), true],
    ["nowhere, workspace secret", null, secret(w1), false],
    ["nowhere, group secret", null, secret(g1, ["w1", "g2"]), false],
    ["nowhere, group credential", null, { scope: g1 }, false],
    ["workspace, global secret", at("w1"), secret(global), true],
    ["workspace, own secret", at("w1"), secret(w1), true],
    ["workspace, another's secret", at("w2"), secret(w1), false],
    ["workspace, a group's secret", at("w1"), secret(g1), false],
    ["group, own secret", at("w1", "g1"), secret(g1), true],
    ["group, its workspace's secret", at("w1", "g1"), secret(w1), true],
    ["group, another group's secret", at("w1", "g2"), secret(g1), false],
    ["group, another group's secret, attached", at("w1", "g2"), secret(g1, ["w1", "g2"]), true],
    ["group, global secret", at("w1", "g1"), secret(global), false],
    ["group, global secret, attached", at("w1", "g1"), secret(global, ["w1", "g1"]), true],
    [
      "group, global secret, attached elsewhere",
      at("w1", "g1"),
      secret(global, ["w2", "g1"]),
      false,
    ],
    ["same group name elsewhere", at("w2", "g1"), secret(g1, ["w2", "g1"]), false],
    ["group, global credential", at("w1", "g1"), { scope: global }, true],
    ["group, own credential", at("w1", "g1"), { scope: g1 }, true],
    ["group, another workspace's credential", at("w2", "g1"), { scope: g1 }, false],
  ])("%s", (_name, context, owned, expected) => {
    expect(isWithinReach(context, owned)).toBe(expected);
  });
});
