/** What an operator demands of a capability's use. */
import type { WirePolicy } from "@aivault/client";
import { count, isOn, list, type ParsedArgs, text, wantsJson } from "../args.ts";
import type { Context } from "../context.ts";
import { durationText, parseDuration } from "../duration.ts";
import { usageError } from "../errors.ts";
import { policyShape } from "../shapes.ts";
import { section } from "./status.ts";

export async function runSet(context: Context): Promise<void> {
  const id = capabilityOf(context);
  const policy = policyFromFlags(context.args);
  if (Object.keys(policy).length === 0) {
    throw usageError("no limit is given", "`aivault capability policy delete` lifts them all");
  }
  const operator = await context.session.operator();
  const before = await operator.policy(id);
  show(context, id, await operator.setPolicy(id, policy));
  // All of it is replaced. Whoever meant to add a limit should hear which ones that lifted.
  const lifted = limits(before).filter(([name]) => !(name in policy));
  if (lifted.length > 0) {
    const which = lifted.map(([name, value]) => `${name} ${value}`).join(", ");
    context.out.note(`this replaces all limits; lifted: ${which}`);
  }
}

export async function runShow(context: Context): Promise<void> {
  const id = capabilityOf(context);
  show(context, id, await (await context.session.operator()).policy(id));
}

export async function runDelete(context: Context): Promise<void> {
  const { args, out, session } = context;
  const id = capabilityOf(context);
  await (await session.operator()).deletePolicy(id);
  if (wantsJson(args) || !out.isTerminal) out.json({ capabilityId: id, removedPolicy: true });
  else out.answer(`${id} has no limits of yours any more`);
}

/** The capability that the word or the older flag names. */
export function capabilityOf({ args, command }: Context): string {
  const word = args.positionals["id"];
  const older = text(args, "capability");
  if (word !== undefined && older !== undefined) {
    throw usageError("the capability is given twice, as a word and as --capability");
  }
  const id = word ?? older;
  if (id === undefined) {
    const name = command.words.join(" ");
    throw usageError(`\`aivault ${name}\` needs a capability`, `see \`aivault ${name} --help\``);
  }
  return id;
}

function policyFromFlags(args: ParsedArgs): WirePolicy {
  const block = list(args, "response-block");
  const redirectHosts = list(args, "redirect-host");
  if (redirectHosts.length > 0 && !isOn(args, "follow-redirects")) {
    throw usageError("--redirect-host goes with --follow-redirects");
  }
  const given = {
    requestsPerMinute: count(args, "rate-limit-per-minute"),
    concurrency: count(args, "concurrency"),
    requestBytesMax: count(args, "max-request-body-bytes"),
    responseBytesMax: count(args, "max-response-body-bytes"),
    totalMs: duration(args, "max-duration"),
    idleMs: duration(args, "max-idle"),
    responseBlock: block.length === 0 ? undefined : block,
    followRedirects: isOn(args, "follow-redirects") ? true : undefined,
    redirectHosts: redirectHosts.length === 0 ? undefined : redirectHosts,
  };
  return Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined),
  ) as WirePolicy;
}

function duration(args: ParsedArgs, flag: string): number | undefined {
  const value = text(args, flag);
  return value === undefined ? undefined : parseDuration(`--${flag}`, value);
}

function show(context: Context, id: string, policy: WirePolicy): void {
  const { args, out } = context;
  if (wantsJson(args) || !out.isTerminal) {
    out.json({ capabilityId: id, policy: policyShape(policy) });
    return;
  }
  const rows = limits(policy);
  if (rows.length === 0) out.answer(`${id} has no limits of yours`);
  else section(context, id, rows);
}

function limits(policy: WirePolicy): readonly (readonly [string, string])[] {
  return Object.entries(policy).map(([name, value]) => [
    name,
    name.endsWith("Ms") ? durationText(Number(value)) : String(value),
  ]);
}
