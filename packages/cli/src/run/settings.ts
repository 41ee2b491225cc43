import type { WireSettings } from "@aivault/client";
import { wantsJson } from "../args.ts";
import type { Context } from "../context.ts";
import { durationText, parseDuration } from "../duration.ts";
import { usageError } from "../errors.ts";
import { section } from "./status.ts";

export async function runList(context: Context): Promise<void> {
  const { args, out, session } = context;
  const settings = await (await session.operator()).settings();
  if (wantsJson(args) || !out.isTerminal) out.json(settings);
  else show(context, settings);
}

export async function runSet(context: Context): Promise<void> {
  const { args, out, session } = context;
  const { setting, value } = args.positionals as { setting: keyof WireSettings; value: string };
  const change = READERS[setting](value);
  const settings = await (await session.operator()).changeSettings(change);
  if (wantsJson(args) || !out.isTerminal) out.json(settings);
  else show(context, settings);
}

const READERS: Readonly<Record<keyof WireSettings, (value: string) => Partial<WireSettings>>> = {
  requireToken: (value) => ({
    requireToken: oneOf("requireToken", value, ["true", "false"]) === "true",
  }),
  lockAfterIdleMs: (value) => ({
    lockAfterIdleMs: value === "never" ? null : parseDuration("lockAfterIdleMs", value),
  }),
  tokenTtlMsMax: (value) => ({ tokenTtlMsMax: parseDuration("tokenTtlMsMax", value) }),
  auditDurability: (value) => ({
    auditDurability: oneOf("auditDurability", value, ["group", "disk"] as const),
  }),
  auditRetentionDays: (value) => ({ auditRetentionDays: value === "never" ? null : days(value) }),
};

function oneOf<T extends string>(name: string, value: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === value);
  if (found === undefined) throw usageError(`${name} is one of ${choices.join(", ")}`);
  return found;
}

function days(value: string): number {
  if (!/^[1-9]\d{0,5}$/.test(value)) {
    throw usageError("auditRetentionDays is a number of days, or never");
  }
  return Number(value);
}

function show(context: Context, settings: WireSettings): void {
  section(
    context,
    "Settings",
    Object.entries(settings).map(([name, value]) => [name, settingText(name, value)]),
  );
}

function settingText(name: string, value: unknown): string {
  if (value === null) return name === "auditRetentionDays" ? "all" : "never";
  return name.includes("Ms") ? durationText(Number(value)) : String(value);
}
