/**
 * What a caller asks for, and how it is put on the wire: an envelope alone, or an envelope followed
 * by the octets it announces.
 */
import { basename } from "node:path";
import { AivaultError } from "./errors.ts";
import type { Part } from "./multipart.ts";
import type { WireEnvelope, WireHeader } from "./protocol.ts";

/** One file of a multipart request. Give its octets, or the path of a regular file to read them from. */
export interface InvokeFile {
  readonly field: string;
  /** Default: the last segment of `path`, when there is one. */
  readonly filename?: string;
  readonly contentType?: string;
  readonly body?: Uint8Array | string | AsyncIterable<Uint8Array>;
  /** Opened here, with this process's rights. */
  readonly path?: string;
}

/**
 * The request as the provider documents it, without its credential.
 *
 * At most one of `body`, `json`, `bodyPath` and `multipart`.
 */
export interface InvokeRequest {
  /** Default: `POST` with a body, else `GET`. */
  readonly method?: string;
  /** Path and optional query. */
  readonly path: string;
  /** An array keeps duplicates and order. */
  readonly headers?: Readonly<Record<string, string>> | readonly WireHeader[];
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array> | null;
  /** Serialised as the body; adds `content-type: application/json` unless one is given. */
  readonly json?: unknown;
  /** A regular file, opened here and streamed as the whole body. */
  readonly bodyPath?: string;
  readonly multipart?: {
    readonly fields?: Readonly<Record<string, string>>;
    readonly files?: readonly InvokeFile[];
  };
}

/** A request ready to send. Nothing has been read from its iterables yet. */
export interface PreparedRequest {
  readonly envelope: WireEnvelope;
  /** The parts that follow the envelope; empty when it is sent as plain JSON. */
  readonly parts: readonly Part[];
  /** Close the files, when the request is not going to be sent. */
  discard(): Promise<void>;
}

// A body up to this size goes inside the envelope, which is one small write; larger ones are streamed.
const INLINE_BYTES_MAX = 64 * 1024;

/**
 * @throws {AivaultError} `invalid_request`: two bodies at once, or a part that cannot be written;
 * `CLIENT_FILE_UNREADABLE`.
 */
export async function prepare(
  capability: string,
  request: InvokeRequest,
  options: { readonly credential?: string | undefined; readonly dryRun?: boolean },
): Promise<PreparedRequest> {
  requireOneBody(request);
  const opened: { close(): Promise<void> }[] = [];
  const discard = async () => {
    for (const file of opened) await file.close();
  };
  try {
    const body = await prepareBody(request, async (path) => {
      const file = await (await import("./file.ts")).openFile(path);
      opened.push(file);
      return file.body;
    });
    const headers = [...headerList(request.headers), ...body.headers(request)];
    return {
      envelope: {
        capability,
        ...(options.credential === undefined ? {} : { credential: options.credential }),
        ...(options.dryRun === true ? { dryRun: true } : {}),
        request: {
          method: request.method ?? (body.empty ? "GET" : "POST"),
          path: request.path,
          ...(headers.length > 0 ? { headers } : {}),
          ...body.members,
        },
      },
      parts: body.parts,
      discard,
    };
  } catch (error) {
    await discard();
    throw error;
  }
}

interface PreparedBody {
  readonly empty: boolean;
  readonly members: Partial<WireEnvelope["request"]>;
  readonly parts: readonly Part[];
  headers(request: InvokeRequest): readonly WireHeader[];
}

type OpenPath = (path: string) => Promise<AsyncIterable<Uint8Array>>;

const noHeaders = () => [];

async function prepareBody(request: InvokeRequest, openPath: OpenPath): Promise<PreparedBody> {
  if (request.json !== undefined) {
    return { ...wholeBody(JSON.stringify(request.json)), headers: jsonContentType };
  }
  if (request.multipart !== undefined) return multipartBody(request.multipart, openPath);
  if (request.bodyPath !== undefined) return wholeBody(await openPath(request.bodyPath));
  if (request.body !== undefined && request.body !== null) return wholeBody(request.body);
  return { empty: true, members: {}, parts: [], headers: noHeaders };
}

function wholeBody(body: string | Uint8Array | AsyncIterable<Uint8Array>): PreparedBody {
  const base = { empty: false, parts: [], headers: noHeaders };
  if (typeof body === "string" && body.length <= INLINE_BYTES_MAX)
    return { ...base, members: { body } };
  if (body instanceof Uint8Array && body.length <= INLINE_BYTES_MAX) {
    const { buffer, byteOffset, byteLength } = body;
    const bodyBase64 = Buffer.from(buffer, byteOffset, byteLength).toString("base64");
    return { ...base, members: { bodyBase64 } };
  }
  const part = { name: "body", filename: "body", contentType: "application/octet-stream", body };
  return { ...base, members: { bodyUpload: true }, parts: [part] };
}

async function multipartBody(
  form: NonNullable<InvokeRequest["multipart"]>,
  openPath: OpenPath,
): Promise<PreparedBody> {
  const files = form.files ?? [];
  const parts: Part[] = [];
  for (const file of files) {
    if ((file.body === undefined) === (file.path === undefined)) {
      throw new AivaultError(
        "invalid_request",
        `file \`${file.field}\` needs either a body or a path`,
      );
    }
    parts.push({
      name: file.field,
      filename: filenameOf(file) ?? "file",
      contentType: file.contentType ?? "application/octet-stream",
      body: file.path === undefined ? (file.body as Uint8Array) : await openPath(file.path),
    });
  }
  const multipartFiles = files.map((file) => {
    const filename = filenameOf(file);
    return { field: file.field, ...(filename === undefined ? {} : { filename }) };
  });
  const members = {
    multipart: { ...form.fields },
    ...(files.length > 0 ? { multipartFiles } : {}),
  };
  return { empty: false, members, parts, headers: noHeaders };
}

function filenameOf(file: InvokeFile): string | undefined {
  return file.filename ?? (file.path === undefined ? undefined : basename(file.path));
}

function jsonContentType(request: InvokeRequest): readonly WireHeader[] {
  const given = headerList(request.headers).some(
    ({ name }) => name.toLowerCase() === "content-type",
  );
  return given ? [] : [{ name: "content-type", value: "application/json" }];
}

function headerList(headers: InvokeRequest["headers"]): readonly WireHeader[] {
  if (headers === undefined) return [];
  if (Array.isArray(headers)) return headers as readonly WireHeader[];
  return Object.entries(headers).map(([name, value]) => ({ name, value: value as string }));
}

function requireOneBody(request: InvokeRequest): void {
  const given = (["body", "json", "bodyPath", "multipart"] as const).filter(
    (member) => request[member] !== undefined && request[member] !== null,
  );
  if (given.length > 1) {
    throw new AivaultError(
      "invalid_request",
      `a request has one body, not ${given.join(" and ")}`,
      {
        reason: "body_mode_conflict",
      },
    );
  }
}
