/** Diagnostics: structured lines on stderr. What happened to whom is the audit log's business. */

import type { Writable } from "node:stream";
import { type Logger, pino, stdSerializers } from "pino";

/**
 * A logger that cannot be made to print what a request carried.
 *
 * Call sites pass ids, codes and errors. Errors are reduced to class, code, message and stack, since
 * libraries hang requests, sockets and options on them; `cause` chains are cut for the same reason.
 *
 * @param destination - Default stderr; false for none.
 */
export function createLog(destination: Writable | false | undefined): Logger {
  return pino(
    {
      level: destination === false ? "silent" : "info",
      base: { pid: process.pid },
      serializers: { err: describe },
      redact: { paths: ["req", "res", "headers", "body", "*.headers", "*.body"], remove: true },
    },
    destination === false || destination === undefined
      ? pino.destination({ fd: 2, sync: true })
      : destination,
  );
}

function describe(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { type: typeof error };
  const { type, message, stack } = stdSerializers.err(new Error(error.message));
  const code = "code" in error ? { code: String(error.code) } : {};
  return { type: error.name || type, ...code, message, stack: error.stack ?? stack };
}
