/**
 * Keeping what `secrets import` took out of a file, for as long as it may be put back.
 *
 * What is kept was sealed by whoever sends it, with a key that this process never sees: no route returns
 * a value (G3), and neither the vault nor the key is enough without the other.
 */

import {
  OPERATOR_ROUTES as ROUTES,
  type WireUndoGiven,
  type WireUndoKept,
} from "@aivault/client/protocol";
import type { Vault } from "@aivault/vault-core";
import { systemRandom } from "@aivault/vault-core/node";
import * as z from "zod";
import { readOctets } from "./body.ts";
import { requireConfirmation } from "./confirmations.ts";
import { ok, parameter } from "./exchange.ts";
import { Problem } from "./problem.ts";
import { parseQuery } from "./query.ts";
import type { Handler, Route } from "./routes.ts";
import { noQuery } from "./schemas.ts";

/** Whoever regrets it does so soon; what is kept longer is one more copy of every value. */
const LIFE_MS = 24 * 60 * 60_000;
const SEALED_BYTES_MAX = 256 * 1024;
const KEPT_MAX = 16;
const KIND = "state";
/** One document for all: there are few, and none is looked for among the others of its kind. */
const ID = "undo";

const documentSchema = z.record(
  z.string(),
  z.strictObject({ sealed: z.string(), expiresAtMs: z.number() }),
);
type Kept = z.output<typeof documentSchema>;

async function read(vault: Pick<Vault, "getDocument">): Promise<Kept> {
  const document = await vault.getDocument(KIND, ID);
  return document === null ? {} : documentSchema.parse(document.value);
}

function isLive(nowMs: number): (entry: readonly [string, Kept[string]]) => boolean {
  return ([, { expiresAtMs }]) => expiresAtMs > nowMs;
}

/** Forget what can no longer be undone. */
export async function dropExpiredUndo(vault: Vault, nowMs: number): Promise<void> {
  const all = await read(vault);
  if (Object.entries(all).every(isLive(nowMs))) return;
  await change(vault, "undo.expired", {}, (kept) =>
    Object.fromEntries(Object.entries(kept).filter(isLive(nowMs))),
  );
}

/** Change what is kept, on record. */
async function change(
  vault: Vault,
  kind: string,
  about: Readonly<Record<string, string | number>>,
  act: (kept: Kept) => Kept,
): Promise<void> {
  await vault.transaction(async (tx) => {
    const document = await tx.getDocument(KIND, ID);
    const next = act(document === null ? {} : documentSchema.parse(document.value));
    // Inside the transaction: what cannot be recorded is not changed.
    await vault.audit.append({ kind, ...about });
    if (Object.keys(next).length === 0) await tx.deleteDocument(KIND, ID);
    else await tx.putDocument(KIND, ID, next);
  });
}

const keep: Handler = async (exchange, { engine, vault }) => {
  parseQuery(exchange.query, noQuery);
  engine.requireUnlocked();
  const octets = await readOctets(exchange, SEALED_BYTES_MAX);
  try {
    if (octets.length === 0) throw new Problem("invalid_request", "there is nothing to keep");
    await dropExpiredUndo(vault, Date.now());
    const id = Buffer.from(systemRandom(16)).toString("base64url");
    const expiresAtMs = Date.now() + LIFE_MS;
    const sealed = Buffer.from(octets).toString("base64url");
    await change(vault, "undo.kept", { undo: id, expiresAtMs }, (kept) => {
      if (Object.keys(kept).length >= KEPT_MAX) {
        throw new Problem("conflict", `${KEPT_MAX} imports can be undone already`, {
          hint: "aivault secrets import --undo",
        });
      }
      return { ...kept, [id]: { sealed, expiresAtMs } };
    });
    return { status: 201, body: { id, expiresAtMs } satisfies WireUndoKept };
  } finally {
    octets.fill(0);
  }
};

const give: Handler = async (exchange, services) => {
  parseQuery(exchange.query, noQuery);
  const { engine, vault } = services;
  engine.requireUnlocked();
  const id = parameter(exchange, "id");
  const kept = await read(vault);
  const found = Object.hasOwn(kept, id) ? kept[id] : undefined;
  if (found === undefined || found.expiresAtMs <= Date.now()) throw gone();
  const says =
    "the values that an import replaced go back into their file in clear, where everything that runs " +
    "as its owner can read them";
  await requireConfirmation(exchange, services, "undo.give", says);
  await vault.audit.append({ kind: "undo.given", undo: id, uid: exchange.principal.uid });
  return ok({ sealed: found.sealed } satisfies WireUndoGiven);
};

const forget: Handler = async (exchange, { engine, vault }) => {
  parseQuery(exchange.query, noQuery);
  engine.requireUnlocked();
  const id = parameter(exchange, "id");
  if (!Object.hasOwn(await read(vault), id)) throw gone();
  await change(vault, "undo.forgotten", { undo: id }, ({ [id]: _, ...others }) => others);
  return ok({ id });
};

function gone(): Problem {
  return new Problem("not_found", "there is nothing to undo, or it is too long ago");
}

export const undoRoutes: readonly Route[] = [
  { method: "POST", path: ROUTES.undo, handler: keep },
  { method: "POST", path: `${ROUTES.undo}/{id}`, handler: give },
  { method: "DELETE", path: `${ROUTES.undo}/{id}`, handler: forget },
];
