/** The vault as a whole, on the operator socket: its master key, and backups of it. */

import { once } from "node:events";
import { RESPONSE_HEADERS, OPERATOR_ROUTES as ROUTES } from "@aivault/client/protocol";
import { systemArgon2id } from "@aivault/vault-core/node";
import { JSON_BYTES_MAX, parseJson, VALUE_BYTES_MAX } from "./body.ts";
import { requireConfirmation } from "./confirmations.ts";
import { ok } from "./exchange.ts";
import { partOf, withForm } from "./form.ts";
import { Problem } from "./problem.ts";
import { parseQuery } from "./query.ts";
import type { Handler, Route } from "./routes.ts";
import { noQuery, rotateMaster as rotateMasterSchema } from "./schemas.ts";

const ROTATE = [
  { name: "options", bytesMax: JSON_BYTES_MAX },
  { name: "passphrase", bytesMax: VALUE_BYTES_MAX, optional: true },
  { name: "key", bytesMax: 4096, optional: true },
];

const rotateMaster: Handler = async (exchange, services) => {
  parseQuery(exchange.query, noQuery);
  const { engine, vault } = services;
  engine.requireUnlocked();
  return await withForm(exchange, ROTATE, async (parts) => {
    const { to = null } = parseJson(partOf(parts, "options"), rotateMasterSchema);
    const from = vault.status().keyProvider;
    const place = to === null ? `\`${from.kind}\`` : `\`${JSON.stringify(to)}\``;
    const says =
      `the vault gets a new master key, kept by ${place}; the present one (\`${from.kind}\`) stops ` +
      "opening it, and backups of the key alone become worthless";
    await requireConfirmation(exchange, services, "master.rotate", says);
    return ok(
      await engine.rotateMaster({
        to,
        passphrase: parts.get("passphrase") ?? null,
        key: parts.get("key") ?? null,
      }),
    );
  });
};

const BACKUP = [{ name: "passphrase", bytesMax: VALUE_BYTES_MAX }];
/** Changes of the vault wait for a backup; so a client that does not read is not waited for. */
const STALLED_MS = 30_000;

/** The octets of a backup file. They end broken when it fails. */
const backup: Handler = async (exchange, { engine, vault }) => {
  parseQuery(exchange.query, noQuery);
  engine.requireUnlocked();
  return await withForm(exchange, BACKUP, async (parts) => {
    const passphrase = partOf(parts, "passphrase");
    if (passphrase.length === 0) throw new Problem("invalid_request", "the passphrase is empty");
    const { requestId, response, principal, signal } = exchange;
    await vault.audit.append({ kind: "backup.begun", requestId, uid: principal.uid });
    const pieces = vault.backup({ passphrase, argon2id: systemArgon2id });
    try {
      let next = await pieces.next();
      response.writeHead(200, {
        "content-type": "application/octet-stream",
        "cache-control": "no-store",
        [RESPONSE_HEADERS.requestId]: requestId,
      });
      for (; next.done !== true; next = await pieces.next()) {
        if (response.write(next.value)) continue;
        const stalled = AbortSignal.timeout(STALLED_MS);
        await once(response, "drain", { signal: AbortSignal.any([signal, stalled]) });
      }
      const { records, lastSeq, skipped } = next.value;
      const left = { records, lastSeq, skipped: [...skipped] };
      await vault.audit.append({ kind: "backup.created", requestId, ...left });
      response.end();
      return null;
    } finally {
      await pieces.return?.(undefined as never);
    }
  });
};

export const masterRoutes: readonly Route[] = [
  { method: "POST", path: ROUTES.rotateMaster, handler: rotateMaster },
  { method: "POST", path: ROUTES.backup, handler: backup },
];
