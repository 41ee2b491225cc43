import type { WireAuditEntry } from "@aivault/client";
import type { OperatorClient } from "@aivault/client/operator";
import { count, isOn, type ParsedArgs, text, wantsJson } from "../args.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit-status.ts";
import { type Colors, printable } from "../output.ts";
import { auditShape } from "../shapes.ts";
import { counted, table } from "../table.ts";

const LIMIT = 200;
const PAGE = 500;

/** Print the newest entries. */
export async function runAudit(context: Context): Promise<void> {
  const { args, out, session } = context;
  const operator = await session.operator();
  const limit = count(args, "limit") ?? LIMIT;
  const entries = await newest(operator, limit, wantedBy(args));
  if (wantsJson(args) || !out.isTerminal) {
    out.json(entries.map(auditShape));
    return;
  }
  if (entries.length === 0) {
    out.answer("no audit entries");
    return;
  }
  const columns = [
    { title: "seq" },
    { title: "time", style: out.colors.dim },
    { title: "event" },
    { title: "what", flexible: true as const, style: markDenied(out.colors) },
  ];
  const rows = entries.map(({ seq, tsMs, event }) => [
    String(seq),
    localTime(tsMs),
    event.kind,
    detailText(event),
  ]);
  for (const line of table(columns, rows, out.columns)) out.answer(line);
  out.note(`${counted(entries.length, "entry", "entries")}; --json has every field`);
}

/** Check the chain, and fail if it does not hold. */
export async function runAuditVerify({ args, out, session }: Context): Promise<number> {
  const result = await (await session.operator()).verifyAudit();
  const isWhole = result["ok"] === true;
  if (wantsJson(args) || !out.isTerminal) out.json(result);
  else out.answer(verdictText(result));
  return isWhole ? EXIT.done : EXIT.failed;
}

/** Print entries as they are written, until ^C or as many as asked for. */
export async function runAuditTail({ args, out, session, signal }: Context): Promise<void> {
  const operator = await session.operator();
  const asJson = wantsJson(args) || !out.isTerminal;
  const afterSeq = count(args, "after-seq");
  let left = count(args, "limit") ?? Number.POSITIVE_INFINITY;
  const abort = new AbortController();
  const either = AbortSignal.any([signal, abort.signal]);
  const entries = operator.tailAudit({
    ...(afterSeq === undefined ? {} : { afterSeq }),
    signal: either,
  });
  try {
    for await (const entry of entries) {
      const { seq, tsMs, event } = entry;
      out.answer(
        asJson
          ? JSON.stringify(auditShape(entry))
          : printable(`${seq}  ${localTime(tsMs)}  ${event.kind}  ${detailText(event)}`),
      );
      left -= 1;
      if (left <= 0) break;
    }
  } catch (error) {
    // ^C is how one stops looking.
    if (!either.aborted) throw error;
  } finally {
    abort.abort();
  }
}

/** Print what an auditor needs to check the log without any secret. */
export async function runAuditCheckpoints({ out, session }: Context): Promise<void> {
  out.json(await (await session.operator()).auditCheckpoints());
}

/** What a verification found, in a line. */
export function verdictText(result: Readonly<Record<string, unknown>>): string {
  const { ok, entries, gaps, firstBrokenSeq, problem } = result;
  if (ok !== true) {
    return `the audit log does not hold from entry ${String(firstBrokenSeq)} on: ${String(problem)}`;
  }
  const lost =
    Array.isArray(gaps) && gaps.length > 0 ? `; ${counted(gaps.length, "recorded gap")}` : "";
  return `the audit log is whole: ${counted(Number(entries), "entry", "entries")}${lost}`;
}

/** What to print of the log. */
interface Wanted {
  readonly includes: (entry: WireAuditEntry) => boolean;
  /** Nothing can leave out any. */
  readonly isAll: boolean;
  /** Whether no older entry can be wanted, once this one was seen. */
  readonly isLast: (entry: WireAuditEntry) => boolean;
}

function wantedBy(args: ParsedArgs): Wanted {
  const beforeTsMs = count(args, "before-ts-ms") ?? 0;
  const denied = isOn(args, "denied");
  const capability = text(args, "capability");
  const requestId = text(args, "request-id");
  const tests: ((entry: WireAuditEntry) => boolean)[] = [
    ...(beforeTsMs > 0 ? [({ tsMs }: WireAuditEntry) => tsMs < beforeTsMs] : []),
    ...(denied ? [isDenied] : []),
    ...(capability === undefined ? [] : [has("capability", capability)]),
    ...(requestId === undefined ? [] : [has("requestId", requestId)]),
  ];
  return {
    includes: (entry) => tests.every((test) => test(entry)),
    isAll: tests.length === 0,
    // A call is decided before anything else is written about it.
    isLast: ({ event }) =>
      requestId !== undefined &&
      event["requestId"] === requestId &&
      event.kind === "invocation.decided",
  };
}

function has(field: string, value: string): (entry: WireAuditEntry) => boolean {
  return ({ event }) => event[field] === value;
}

function isDenied({ event }: WireAuditEntry): boolean {
  return event["decision"] === "deny";
}

async function newest(
  operator: OperatorClient,
  limit: number,
  { includes, isAll, isLast }: Wanted,
): Promise<readonly WireAuditEntry[]> {
  const found: WireAuditEntry[] = [];
  let beforeSeq: number | undefined;
  while (found.length < limit) {
    const page = await operator.audit({
      limit: isAll ? Math.min(PAGE, limit - found.length) : PAGE,
      ...(beforeSeq === undefined ? {} : { beforeSeq }),
    });
    const last = page.at(-1);
    if (last === undefined) break;
    found.push(...page.filter(includes));
    if (page.some(isLast)) break;
    beforeSeq = last.seq;
  }
  return found.slice(0, limit);
}

// The fields most worth a glance, in this order; the rest is in the JSON.
const GLANCE = [
  "capability",
  "credential",
  "method",
  "path",
  "reason",
  "status",
  "outcome",
  "name",
  "id",
  "secretId",
];

const DENIED = "denied";

function detailText(event: WireAuditEntry["event"]): string {
  const verdict = event["decision"] === "deny" ? DENIED : null;
  return [verdict, ...GLANCE.map((field) => event[field])]
    .filter((value) => typeof value === "string" || typeof value === "number")
    .join(" ");
}

function markDenied({ red }: Colors): (text: string) => string {
  return (text) => (text.startsWith(`${DENIED} `) ? red(text) : text);
}

function localTime(tsMs: number): string {
  const at = new Date(tsMs);
  const two = (n: number) => String(n).padStart(2, "0");
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}
