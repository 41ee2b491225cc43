import type { EnvelopeBody } from "@aivault/policy";
import type { RandomBytes } from "@aivault/vault-core";
import { BrokerError } from "./errors.ts";
import type { AnnouncedBody, Upload } from "./invocation.ts";

/** A request body, ready to send. */
export interface RequestBody {
  readonly body: null | Uint8Array | AsyncIterable<Uint8Array>;
  /** Null when it is not known beforehand. */
  readonly length: number | null;
  /** Replaces the caller's `content-type` when not null. */
  readonly contentType: string | null;
  /** See {@link AnnouncedBody.payloadHash}. */
  readonly payloadHash?: string | null;
}

/** What limits a body. */
export interface BodyLimits {
  readonly bytesMax: number;
  /** Told about every byte as it is sent. */
  readonly onBytes: (count: number) => void;
  /** Of an upload that is the whole body. */
  readonly announced?: AnnouncedBody | undefined;
}

/**
 * Builds the body. Uploads are streamed, in the order in which they arrive; nothing is buffered, and no
 * file is opened here (G22).
 *
 * @throws {BrokerError} `request_too_large`, here or while it is read; `invalid_request`: the uploads are
 * not those the envelope announced.
 */
export function buildBody(
  body: EnvelopeBody,
  uploads: AsyncIterable<Upload> | null,
  random: RandomBytes,
  limits: BodyLimits,
): RequestBody {
  switch (body.kind) {
    case "none":
      return { body: null, length: null, contentType: null };
    case "text":
      return whole(encoder.encode(body.text), null, limits);
    case "base64":
      return whole(body.bytes, null, limits);
    case "upload": {
      const { length = null, payloadHash = null } = limits.announced ?? {};
      // Before anybody is contacted.
      if (length !== null && length > limits.bytesMax) throw tooLarge(limits.bytesMax);
      const body = bounded(singleUpload(uploads), limits);
      return { body, length, contentType: null, payloadHash };
    }
    case "multipart": {
      const boundary = `aivault-${Buffer.from(random(16)).toString("hex")}`;
      const contentType = `multipart/form-data; boundary=${boundary}`;
      const fields = body.fields.map(({ name, value }) => fieldPart(boundary, name, value));
      const tail = encoder.encode(`--${boundary}--\r\n`);
      if (body.files.length === 0) {
        return whole(Buffer.concat([...fields, tail]), contentType, limits);
      }
      const parts = multipart(boundary, fields, body.files, uploads, tail);
      return { body: bounded(parts, limits), length: null, contentType };
    }
  }
}

const encoder = new TextEncoder();

function whole(bytes: Uint8Array, contentType: string | null, limits: BodyLimits): RequestBody {
  if (bytes.length > limits.bytesMax) throw tooLarge(limits.bytesMax);
  limits.onBytes(bytes.length);
  return { body: bytes, length: bytes.length, contentType };
}

async function* bounded(
  chunks: AsyncIterable<Uint8Array>,
  { bytesMax, onBytes }: BodyLimits,
): AsyncGenerator<Uint8Array> {
  let sent = 0;
  for await (const chunk of chunks) {
    sent += chunk.length;
    if (sent > bytesMax) throw tooLarge(bytesMax);
    onBytes(chunk.length);
    if (chunk.length > 0) yield chunk;
  }
}

function tooLarge(bytesMax: number): BrokerError {
  return new BrokerError(
    "request_too_large",
    `the request body has more than ${bytesMax} bytes, which is this capability's limit`,
  );
}

async function* singleUpload(uploads: AsyncIterable<Upload> | null): AsyncGenerator<Uint8Array> {
  let found = false;
  for await (const upload of uploads ?? []) {
    if (found || upload.field !== "body") throw unexpectedPart(upload.field, "body");
    found = true;
    yield* measured(upload);
  }
  if (!found) throw missingPart("body");
}

async function* multipart(
  boundary: string,
  fields: readonly Uint8Array[],
  files: readonly { readonly field: string; readonly filename: string | null }[],
  uploads: AsyncIterable<Upload> | null,
  tail: Uint8Array,
): AsyncGenerator<Uint8Array> {
  yield* fields;
  let next = 0;
  for await (const upload of uploads ?? []) {
    const file = files[next++];
    if (file === undefined || file.field !== upload.field) {
      throw unexpectedPart(upload.field, file?.field);
    }
    const filename = file.filename ?? upload.filename ?? file.field;
    const type = mediaType(upload.contentType);
    yield encoder.encode(
      `--${boundary}\r\nContent-Disposition: form-data; name="${escapeName(file.field)}"; ` +
        `filename="${escapeName(filename)}"\r\nContent-Type: ${type}\r\n\r\n`,
    );
    yield* measured(upload);
    yield encoder.encode("\r\n");
  }
  const missing = files[next];
  if (missing !== undefined) throw missingPart(missing.field);
  yield tail;
}

async function* measured({ body, length, field }: Upload): AsyncGenerator<Uint8Array> {
  let received = 0;
  for await (const chunk of body) {
    received += chunk.length;
    yield chunk;
  }
  if (length != null && received !== length) {
    throw new BrokerError(
      "invalid_request",
      `the part \`${shown(field)}\` has ${received} bytes instead of ${length}`,
    );
  }
}

function fieldPart(boundary: string, name: string, value: string): Uint8Array {
  return encoder.encode(
    `--${boundary}\r\nContent-Disposition: form-data; name="${escapeName(name)}"\r\n\r\n${value}\r\n`,
  );
}

/** @see https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data */
function escapeName(name: string): string {
  return name.replaceAll("\n", "%0A").replaceAll("\r", "%0D").replaceAll('"', "%22");
}

const MEDIA_TYPE = /^[!#$&^_.+A-Za-z0-9-]+\/[!#$&^_.+A-Za-z0-9-]+(?:[ \t]*;[\x20-\x7e]*)?$/;

function mediaType(text: string | null): string {
  return text !== null && MEDIA_TYPE.test(text) ? text : "application/octet-stream";
}

function unexpectedPart(got: string, expected: string | undefined): BrokerError {
  return new BrokerError(
    "invalid_request",
    expected === undefined
      ? `the part \`${shown(got)}\` was not announced in the envelope`
      : `the part \`${shown(got)}\` came where the envelope announced \`${shown(expected)}\``,
  );
}

function missingPart(field: string): BrokerError {
  return new BrokerError("invalid_request", `the announced part \`${shown(field)}\` did not come`);
}

function shown(text: string): string {
  return text.slice(0, 64).replaceAll(/[^\x20-\x7e]/g, "?");
}
