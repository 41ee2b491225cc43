/**
 * The flags of `invoke` to a request, and `--request` payloads to the same.
 */
import type { InvokeRequest, WireCapability, WireEnvelope, WireHeader } from "@aivault/client";
import { count, list, type ParsedArgs, text } from "./args.ts";
import { usageError } from "./errors.ts";
import { parseHeader, parsePair } from "./headers.ts";

/** What the flags say, before the capability fills in a method or path. */
export interface FlagRequest {
  readonly method: string | undefined;
  readonly path: string | undefined;
  /** All but method and path. */
  readonly rest: Omit<InvokeRequest, "method" | "path">;
}

/** @throws {CliError} `CLI_USAGE` */
export function requestFromFlags(args: ParsedArgs): FlagRequest {
  const fields = list(args, "multipart-field").map((pair) => parsePair("multipart-field", pair));
  const files = list(args, "multipart-file").map((pair) => {
    const [field, path] = parsePair("multipart-file", pair);
    return { field, path };
  });
  const names = fields.map(([name]) => name);
  if (new Set(names).size < names.length)
    throw usageError("--multipart-field names each field once");
  const body = text(args, "body");
  const bodyPath = text(args, "body-file-path");
  const headers = list(args, "header").map(parseHeader);
  return {
    method: text(args, "method"),
    path: text(args, "path"),
    rest: {
      headers: [...headers, ...jsonContentType(body, headers)],
      ...(body === undefined ? {} : { body }),
      ...(bodyPath === undefined ? {} : bodySource(bodyPath)),
      ...(fields.length + files.length === 0
        ? {}
        : { multipart: { fields: Object.fromEntries(fields), files } }),
    },
  };
}

function bodySource(path: string): Pick<InvokeRequest, "body" | "bodyPath"> {
  return path === "-" ? { body: process.stdin as AsyncIterable<Uint8Array> } : { bodyPath: path };
}

// A document is what people mean by JSON here; a body of `42` or `true` is as likely to be text.
function jsonContentType(body: string | undefined, headers: readonly WireHeader[]): WireHeader[] {
  const given = headers.some(({ name }) => name.toLowerCase() === "content-type");
  if (given || body === undefined || !/^\s*[[{]/.test(body)) return [];
  try {
    JSON.parse(body);
    return [{ name: "content-type", value: "application/json" }];
  } catch {
    return [];
  }
}

/**
 * Fill in the method and path that a capability leaves no choice about.
 *
 * @throws {CliError} `CLI_USAGE`: there is a choice; the message lists it.
 */
export function completeRequest(
  { method, path, rest }: FlagRequest,
  capability: WireCapability,
): InvokeRequest {
  const fitting = capability.rules.filter(
    ({ methods }) => method === undefined || methods.includes(method.toUpperCase()),
  );
  // A method the capability does not have is the daemon's to refuse, and to audit.
  const rules = fitting.length > 0 ? fitting : capability.rules;
  return {
    method:
      method ??
      onlyOne(
        "method",
        rules.flatMap(({ methods }) => methods),
        capability.id,
      ),
    path: path ?? onlyOne("path", rules.map(pathOf), capability.id),
    ...rest,
  };
}

function onlyOne(what: string, choices: readonly (string | null)[], id: string): string {
  const distinct = [...new Set(choices)];
  const [only] = distinct;
  if (distinct.length === 1 && typeof only === "string") return only;
  const shown = distinct.filter((choice) => choice !== null);
  throw usageError(
    `\`${id}\` needs --${what}${shown.length > 0 ? `, one of ${shown.join(", ")}` : ""}`,
    `\`aivault capability describe ${id}\` says what it allows`,
  );
}

// Only a path that can be called as it stands: `/users/{id}` and `/api/chat.` are not.
function pathOf({ match, path }: WireCapability["rules"][number]): string | null {
  if (match === "pattern") return path.includes("{") ? null : path;
  return match === "prefix" && /[./:]$/.test(path) ? null : path;
}

/**
 * Read `--request`: an envelope, or the request inside one.
 *
 * Unknown members are left in: the daemon names and refuses them, and records that it did.
 *
 * @throws {CliError} `CLI_USAGE`: not JSON, not an object, or another capability's envelope.
 */
export function envelopeFromPayload(
  json: string,
  capability: string,
  options: { readonly credential?: string | undefined; readonly dryRun: boolean },
): WireEnvelope {
  const payload = parseObject(json);
  const isEnvelope = "request" in payload;
  const envelope = (isEnvelope ? payload : { request: payload }) as unknown as WireEnvelope;
  const named: unknown = envelope.capability;
  if (typeof named === "string" && named.trim() !== "" && named !== capability) {
    throw usageError(`the payload is for \`${named}\`, the command line for \`${capability}\``);
  }
  if (envelope.credential !== undefined && options.credential !== undefined) {
    throw usageError("the payload and --credential both name a credential");
  }
  const credential = envelope.credential ?? options.credential;
  return {
    ...envelope,
    capability,
    ...(credential === undefined ? {} : { credential }),
    ...(options.dryRun ? { dryRun: true } : {}),
  };
}

function parseObject(json: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    // The parser's own message quotes the payload.
    throw usageError("the request is not JSON");
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw usageError("the request is a JSON object");
  }
  return value as Record<string, unknown>;
}

/** The options that go beside a request. */
export function invokeOptions(args: ParsedArgs): { credential?: string; timeoutMs?: number } {
  const credential = text(args, "credential");
  const timeoutMs = count(args, "timeout-ms");
  return {
    ...(credential === undefined ? {} : { credential }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
}
