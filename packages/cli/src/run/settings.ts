import type { WireInternalService, WireSettings } from "@aivault/client";
import { wantsJson } from "../args.ts";
import type { Context } from "../context.ts";
import { durationText, parseDuration } from "../duration.ts";
import { usageError } from "../errors.ts";
import { readTextInput } from "../text-input.ts";
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
  const change = await READERS[setting](value);
  const settings = await (await session.operator()).changeSettings(change);
  if (wantsJson(args) || !out.isTerminal) out.json(settings);
  else show(context, settings);
}

type Reader = (value: string) => Partial<WireSettings> | Promise<Partial<WireSettings>>;

const READERS: Readonly<Record<keyof WireSettings, Reader>> = {
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
  allowedInternal: async (value) => ({
    allowedInternal: value === "none" ? [] : await Promise.all(value.split(",").map(internal)),
  }),
};

/** `HOST:PORT`, or `HOST:PORT=FILE` with the certificates to trust for it. */
async function internal(entry: string): Promise<WireInternalService> {
  const at = entry.indexOf("=");
  if (at === -1) return { service: entry, ca: null };
  return { service: entry.slice(0, at), ca: await readTextInput(entry.slice(at + 1)) };
}

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
  if (name === "allowedInternal") return internalText(value as WireSettings["allowedInternal"]);
  if (value === null) return name === "auditRetentionDays" ? "all" : "never";
  return name.includes("Ms") ? durationText(Number(value)) : String(value);
}

function internalText(services: WireSettings["allowedInternal"]): string {
  if (services.length === 0) return "none";
  const texts = services.map(({ service, ca }) =>
    ca === null ? service : `${service} (with certificates of its own)`,
  );
  return texts.join(", ");
}
