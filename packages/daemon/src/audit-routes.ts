/** The audit log on the operator socket. */

import { once } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import {
  REQUEST_HEADERS,
  RESPONSE_HEADERS,
  OPERATOR_ROUTES as ROUTES,
  type WireAuditCheckpoint,
  type WireAuditCheckpoints,
  type WireAuditEntry,
} from "@aivault/client/protocol";
import type { AuditEntry, Vault } from "@aivault/vault-core";
import { ok } from "./exchange.ts";
import { Problem } from "./problem.ts";
import { parseQuery } from "./query.ts";
import type { Handler, Route } from "./routes.ts";
import * as schemas from "./schemas.ts";

/** How often the tail looks. */
const LOOK_MS = 200;
const PAGE = 100;
const CHECKPOINT = "audit.checkpoint";
/** The newest ones are shown. At one an hour that is more than a year. */
const CHECKPOINTS_MAX = 10_000;
/** A tail is not for reading the whole log. */
const BEHIND_MAX = 10_000;

const readAudit: Handler = async ({ query }, { vault }) => {
  const { limit, beforeSeq } = parseQuery(query, schemas.auditQuery);
  const items = await vault.audit.read({
    ...(limit === undefined ? {} : { limit }),
    ...(beforeSeq === undefined ? {} : { beforeSeq }),
  });
  return ok({ items: items.map(show) });
};

function show({ seq, tsMs, event, clockBack }: AuditEntry): WireAuditEntry {
  return { seq, tsMs, ...(clockBack === true ? { clockBack } : {}), event };
}

const verifyAudit: Handler = async ({ query }, { vault }) => {
  parseQuery(query, schemas.noQuery);
  return ok(await vault.audit.verify());
};

/** What an auditor needs besides the log's files: the signed statements in them, and the key. */
const listCheckpoints: Handler = async ({ query }, { vault, engine }) => {
  parseQuery(query, schemas.listQuery);
  engine.requireUnlocked();
  const items: WireAuditCheckpoint[] = [];
  for await (const line of vault.audit.lines()) {
    if (!isCheckpoint(line)) continue;
    const { seq, tsMs, event } = JSON.parse(Buffer.from(line).toString()) as AuditEntry;
    // Looked at again: the words may stand anywhere in an entry.
    if (event.kind !== CHECKPOINT) continue;
    const { checkpoint, signature } = event;
    items.push({ seq, tsMs, checkpoint, signature });
    if (items.length > CHECKPOINTS_MAX) items.shift();
  }
  const publicKey = Buffer.from(vault.auditPublicKey).toString("base64");
  return ok({ items, publicKey } satisfies WireAuditCheckpoints);
};

function isCheckpoint(line: Uint8Array): boolean {
  return Buffer.from(line.buffer, line.byteOffset, line.byteLength).includes(CHECKPOINT);
}

/** Entries as they are written, until the client goes, its session ends or the vault is locked. */
const tailAudit: Handler = async (exchange, { vault, engine }) => {
  const { afterSeq } = parseQuery(exchange.query, schemas.tailQuery);
  engine.requireUnlocked();
  const session = exchange.request.headers[REQUEST_HEADERS.operatorSession];
  const { response, signal } = exchange;
  const newest = (await vault.audit.read({ limit: 1 }))[0]?.seq ?? 0;
  let lastSeq = afterSeq ?? newest;
  if (newest - lastSeq > BEHIND_MAX) {
    throw new Problem("invalid_request", `\`afterSeq\` is more than ${BEHIND_MAX} entries ago`, {
      hint: "aivault audit",
    });
  }
  exchange.endless();
  response.writeHead(200, {
    "content-type": "application/x-ndjson",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    [RESPONSE_HEADERS.requestId]: exchange.requestId,
  });
  response.flushHeaders();
  try {
    while (!signal.aborted) {
      await engine.operators.require(typeof session === "string" ? session : undefined);
      for (const entry of await entriesAfter(vault, lastSeq)) {
        lastSeq = entry.seq;
        const goesOn = response.write(`${JSON.stringify(show(entry))}\n`);
        if (!goesOn) await once(response, "drain", { signal });
      }
      await wait(LOOK_MS, undefined, { signal });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  response.destroy();
  return null;
};

/** Oldest first. */
async function entriesAfter(vault: Vault, seq: number): Promise<readonly AuditEntry[]> {
  const found: AuditEntry[] = [];
  for (let beforeSeq = Number.MAX_SAFE_INTEGER; ; ) {
    const page = await vault.audit.read({ limit: PAGE, beforeSeq });
    const wanted = page.filter((entry) => entry.seq > seq);
    found.push(...wanted);
    const last = page.at(-1);
    if (wanted.length < page.length || page.length < PAGE || last === undefined) break;
    beforeSeq = last.seq;
  }
  return found.reverse();
}

export const auditRoutes: readonly Route[] = [
  { method: "GET", path: ROUTES.audit, handler: readAudit },
  { method: "GET", path: ROUTES.auditVerify, handler: verifyAudit },
  { method: "GET", path: ROUTES.auditCheckpoints, handler: listCheckpoints },
  { method: "GET", path: ROUTES.auditTail, handler: tailAudit },
];
