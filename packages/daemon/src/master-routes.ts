/** The vault as a whole, on the operator socket: its master key. */

import { OPERATOR_ROUTES as ROUTES } from "@aivault/client/protocol";
import { JSON_BYTES_MAX, parseJson, VALUE_BYTES_MAX } from "./body.ts";
import { requireConfirmation } from "./confirmations.ts";
import { ok } from "./exchange.ts";
import { partOf, withForm } from "./form.ts";
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

export const masterRoutes: readonly Route[] = [
  { method: "POST", path: ROUTES.rotateMaster, handler: rotateMaster },
];
