/** `POST /aivault/proxy`: an envelope, alone or with the files it announces, to the broker and back. */

import type { Invocation, Upload } from "@aivault/broker";
import type { WirePlan } from "@aivault/client/protocol";
import { type Envelope, parseEnvelopeText } from "@aivault/policy";
import { admit, restrict } from "./admission.ts";
import { collect, isJson, JSON_BYTES_MAX, readBody } from "./body.ts";
import { type Exchange, ok, type Reply } from "./exchange.ts";
import { invoke } from "./invoke.ts";
import { isMultipart, type MultipartReader, readMultipart } from "./multipart.ts";
import { Problem, problemOf } from "./problem.ts";
import { parseQuery } from "./query.ts";
import { noQuery } from "./schemas.ts";
import type { Services } from "./services.ts";
import { invocationContext } from "./tokens/invocation-context.ts";

const TIMEOUT_MS_MAX = 24 * 60 * 60 * 1000;

/** Serve an invocation. Returns the plan for a dry run, null when the answer went through the sink. */
export async function proxy(exchange: Exchange, services: Services): Promise<Reply | null> {
  const broker = services.engine.broker();
  const chain = await admit(exchange, services);
  if (exchange.query !== "") parseQuery(exchange.query, noQuery);
  const timeoutMs = readTimeout(exchange);
  const { envelope, reader } = await readEnvelope(exchange);
  try {
    const invocation: Invocation = {
      requestId: exchange.requestId,
      principal: exchange.principal,
      envelope: chain === null ? envelope : restrict(envelope, chain),
      uploads: reader === null ? null : uploads(reader),
      ...(timeoutMs === null ? {} : { timeoutMs }),
    };
    if (envelope.dryRun) {
      exchange.invoked();
      const context = invocationContext(chain);
      const plan = await broker.plan({ ...invocation, ...(context && { context }) });
      return ok({ decision: "allow", ...plan } satisfies WirePlan);
    }
    await invoke({ exchange, services, invocation, chain });
    return null;
  } finally {
    reader?.close();
  }
}

async function readEnvelope(
  exchange: Exchange,
): Promise<{ envelope: Envelope; reader: MultipartReader | null }> {
  const { request } = exchange;
  if (isJson(request)) {
    exchange.continueBody();
    const octets = await readBody(request, JSON_BYTES_MAX, exchange.body);
    return { envelope: parse(octets, false), reader: null };
  }
  if (!isMultipart(request)) {
    throw new Problem(
      "invalid_request",
      "the content type must be application/json or multipart/form-data",
    );
  }
  exchange.continueBody();
  const reader = readMultipart(request, exchange.body);
  try {
    const first = await reader.next();
    if (first?.name !== "envelope") {
      throw new Problem("invalid_request", "the first part must be named `envelope`");
    }
    return { envelope: parse(await collect(first.body, JSON_BYTES_MAX), true), reader };
  } catch (error) {
    reader.close();
    throw error;
  }
}

function parse(octets: Uint8Array, withUploads: boolean): Envelope {
  const envelope = parseEnvelopeText(octets, { uploads: withUploads });
  if (!envelope.ok) throw problemOf(envelope);
  return envelope.value;
}

async function* uploads(reader: MultipartReader): AsyncGenerator<Upload, void, undefined> {
  for (;;) {
    const part = await reader.next();
    if (part === null) return;
    const { name, filename, contentType, body } = part;
    yield { field: name, filename, contentType, body };
  }
}

/** The deadline a caller asks for in a header, or null. */
export function readTimeout({ request }: Exchange): number | null {
  const text = request.headers["aivault-timeout-ms"];
  if (text === undefined) return null;
  const ms = typeof text === "string" && /^[1-9][0-9]{0,8}$/.test(text) ? Number(text) : null;
  if (ms === null || ms > TIMEOUT_MS_MAX) {
    throw new Problem("invalid_request", "`aivault-timeout-ms` must be 1 to 86400000");
  }
  return ms;
}
