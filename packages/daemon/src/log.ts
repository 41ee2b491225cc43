/** Diagnostics: structured lines on stderr. What happened to whom is the audit log's business. */

import type { Writable } from "node:stream";
import { isBrokerError } from "@aivault/broker";
import { isVaultError } from "@aivault/vault-core";
import { type Logger, pino } from "pino";
import { isDaemonError } from "./errors.ts";
import { Problem } from "./problem.ts";

/**
 * A logger that cannot be made to print what a request carried.
 *
 * Call sites pass ids, codes and errors. G3: of errors there is left what {@link describe} leaves, since
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

/**
 * Class, code and place of an error; what it says only where that was written to be shown. Other messages
 * quote: `JSON.parse` the text it read, libraries the request they made.
 */
function describe(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { type: typeof error };
  const code = "code" in error ? { code: String(error.code) } : {};
  const message = isOurs(error) || isSystemError(error) ? { message: error.message } : {};
  return { type: error.name, ...code, ...message, stack: framesOf(error).join("\n") };
}

/** The stack begins with the message, any line of which may look like a frame. */
function framesOf({ stack = "", message }: Error): readonly string[] {
  const at = stack.indexOf(message);
  if (at === -1) return [];
  const lines = stack.slice(at + message.length).split("\n");
  return lines.filter((line) => /^ {4}at /.test(line));
}

function isOurs(error: Error): boolean {
  return (
    error instanceof Problem || isBrokerError(error) || isDaemonError(error) || isVaultError(error)
  );
}

/** libuv's messages name a call, a code and a path or an address. */
function isSystemError(error: Error): boolean {
  return "syscall" in error && "errno" in error;
}
