import type { WireNewToken, WireToken } from "@aivault/client";
import { count, isOn, list, type ParsedArgs, text, wantsJson } from "../args.ts";
import type { Context } from "../context.ts";
import { durationText, parseDuration } from "../duration.ts";
import { usageError } from "../errors.ts";
import { counted, table } from "../table.ts";

/** Make a token and print it: the only time that it can be. */
export async function runMint({ args, out, session }: Context): Promise<void> {
  const minted = await (await session.operator()).mintToken(newToken(args));
  if (isOn(args, "token-only")) out.answer(minted.token);
  else if (wantsJson(args) || !out.isTerminal) out.json(minted);
  else {
    out.answer(minted.token);
    out.note(
      `${minted.tokenId} lives ${durationText(minted.expiresAtMs - minted.createdAtMs)}; it is not shown again`,
    );
  }
}

export async function runList({ args, out, session }: Context): Promise<void> {
  const tokens = await (await session.operator()).tokens();
  if (wantsJson(args)) {
    out.json(tokens);
    return;
  }
  if (tokens.length === 0) {
    out.answer("no tokens");
    out.note("`aivault token mint --capability ID` makes one");
    return;
  }
  const nowMs = Date.now();
  const columns = [
    { title: "id", style: out.colors.bold },
    { title: "label" },
    { title: "state" },
    { title: "uses" },
    { title: "capabilities", flexible: true as const },
  ];
  const rows = tokens.map((token) => [
    token.tokenId,
    token.label ?? "-",
    stateText(token, nowMs),
    token.usesMax === null ? "any" : `at most ${token.usesMax}`,
    token.capabilities.join(", "),
  ]);
  for (const line of table(columns, rows, out.columns)) out.answer(line);
  out.note(counted(tokens.length, "token"));
}

export async function runRevoke(context: Context): Promise<void> {
  const { args, out, session } = context;
  const operator = await session.operator();
  const revoked = await operator.revokeToken(await idOf(context));
  if (wantsJson(args) || !out.isTerminal) out.json(revoked);
  else out.answer(`revoked ${revoked.tokenId}`);
}

// A label is what people remember; an id is always one word of its own.
async function idOf({ args, session }: Context): Promise<string> {
  const given = args.positionals["id"] as string;
  const live = (await (await session.operator()).tokens()).filter(
    ({ tokenId, label, revokedAtMs }) =>
      tokenId === given || (label === given && revokedAtMs === null),
  );
  const [only, ...more] = live;
  if (more.length > 0 && !live.some(({ tokenId }) => tokenId === given)) {
    const ids = live.map(({ tokenId }) => tokenId).join(", ");
    throw usageError(
      `${live.length} tokens have the label \`${given}\`: ${ids}`,
      "name one by its id",
    );
  }
  return only?.tokenId ?? given;
}

function stateText({ revokedAtMs, expiresAtMs }: WireToken, nowMs: number): string {
  if (revokedAtMs !== null) return "revoked";
  if (expiresAtMs <= nowMs) return "expired";
  const leftS = Math.ceil((expiresAtMs - nowMs) / 1000);
  return `${remaining(leftS)} left`;
}

// In units that say enough at a glance: 40s, 59m, 1h, 1h 30m, 7d.
function remaining(leftS: number): string {
  if (leftS < 120) return `${leftS}s`;
  const minutes = Math.floor(leftS / 60);
  if (minutes < 60) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours >= 48) return `${Math.floor(hours / 24)}d`;
  return minutes % 60 === 0 ? `${hours}h` : `${hours}h ${minutes % 60}m`;
}

function newToken(args: ParsedArgs): WireNewToken {
  const ttl = text(args, "ttl");
  if (text(args, "group-id") !== undefined && text(args, "workspace-id") === undefined) {
    throw usageError("--group-id needs --workspace-id");
  }
  const given = {
    capabilities: list(args, "capability"),
    credential: text(args, "credential"),
    workspaceId: text(args, "workspace-id"),
    groupId: text(args, "group-id"),
    ttlMs: ttl === undefined ? undefined : parseDuration("--ttl", ttl),
    usesMax: count(args, "uses"),
    perMinute: count(args, "rate-limit-per-minute"),
    concurrency: count(args, "concurrency"),
    requestBytesMax: count(args, "max-request-body-bytes"),
    responseBytesMax: count(args, "max-response-body-bytes"),
    label: text(args, "label"),
    publicKey: text(args, "public-key"),
  };
  return Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined),
  ) as unknown as WireNewToken;
}
