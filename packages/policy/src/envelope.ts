import type { HeaderPair } from "./header-name.ts";
import { accept, type Denial, forbid, invalid, quote, type Result } from "./result.ts";
import { JSON_BYTES_MAX, type Json, parseStrictJson } from "./strict-json.ts";

/** What a caller asks for: `POST /aivault/proxy`. docs/protocol.md#envelope */
export interface Envelope {
  /** 1 to 256 printable ASCII characters. Not yet known to exist. */
  readonly capability: string;
  /** 1 to 256 printable ASCII characters, or null to let the broker choose. Not yet known to exist. */
  readonly credential: string | null;
  /** Decide and plan, and spend nothing. */
  readonly dryRun: boolean;
  readonly request: EnvelopeRequest;
}

/** The request to make upstream. Scheme, host and port are not in it: they come from policy (G5). */
export interface EnvelopeRequest {
  /** Not yet read; see {@link parseMethod}. */
  readonly method: string;
  /** Not yet read; see {@link parseTarget}. */
  readonly path: string;
  /** Not yet checked; see {@link requestHeaders}. */
  readonly headers: readonly HeaderPair[];
  readonly body: EnvelopeBody;
}

/** Where the bytes of the body come from. No form of it names a file of the daemon's machine (G22). */
export type EnvelopeBody =
  | { readonly kind: "none" }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "base64"; readonly bytes: Uint8Array }
  /** The whole body is the upload part named `body`. */
  | { readonly kind: "upload" }
  | {
      readonly kind: "multipart";
      readonly fields: readonly HeaderPair[];
      /** In the order in which the upload parts follow. */
      readonly files: readonly { readonly field: string; readonly filename: string | null }[];
    };

/** How the envelope arrived. */
export interface EnvelopeOptions {
  /** True when it is the part `envelope` of a `multipart/form-data` request. */
  readonly uploads: boolean;
}

/** Bytes an envelope may have; a larger body travels as an upload. */
export const ENVELOPE_BYTES_MAX = JSON_BYTES_MAX;

const ID_CHARS_MAX = 256;
const FIELD_CHARS_MAX = 1024;
const PARTS_MAX = 1000;

const ENVELOPE_MEMBERS = ["capability", "credential", "dryRun", "request"];
const REQUEST_MEMBERS = [
  "method",
  "path",
  "headers",
  "body",
  "bodyBase64",
  "bodyUpload",
  "bodyFilePath",
  "multipart",
  "multipartFiles",
  "url",
];

/**
 * Parse the bytes of a JSON envelope that came without uploads.
 *
 * @param body - UTF-8 without a byte order mark. Borrowed.
 * @returns `invalid_request` for what is not strict JSON or not an envelope; see {@link parseEnvelope}.
 */
export function parseEnvelopeText(
  body: Uint8Array,
  options: EnvelopeOptions = { uploads: false },
): Result<Envelope> {
  const json = parseStrictJson(body, { bytesMax: ENVELOPE_BYTES_MAX });
  return json.ok ? parseEnvelope(json.value, options) : json;
}

// One optional parameter, in the two spellings clients send. RFC 8259 §8.1: JSON is UTF-8.
const JSON_CONTENT_TYPE = /^application\/json(?:[ \t]*;[ \t]*charset=(?:utf-8|"utf-8"))?$/i;

/**
 * Check the content type of an envelope that came without uploads.
 *
 * Nothing else is accepted, in particular none of the types an HTML form of another origin can send.
 *
 * @param contentType - The header's value, or null when there is none.
 * @returns null, or why it is refused.
 */
export function checkJsonContentType(contentType: string | null): Denial | null {
  if (contentType !== null && JSON_CONTENT_TYPE.test(contentType)) return null;
  return invalid("the content type must be application/json, in UTF-8");
}

/**
 * Read an envelope.
 *
 * Unknown members are refused at every level: a member that one version ignores and another obeys is
 * a way round both.
 *
 * @param json - From {@link parseStrictJson}, or any value; only own enumerable members are read.
 * @returns `policy_violation` with `host_not_allowed` for `request.url`, `file_path_not_accepted` for a
 * path to a file, `body_mode_conflict` for more than one body; `invalid_request` for everything else.
 */
export function parseEnvelope(json: unknown, options: EnvelopeOptions): Result<Envelope> {
  try {
    return accept(readEnvelope(json, options));
  } catch (error) {
    if (error instanceof Refused) return error.denial;
    throw error;
  }
}

/** Carries a denial out of the readers below; never leaves this file. */
class Refused extends Error {
  readonly denial: Denial;

  constructor(denial: Denial) {
    super(denial.message);
    this.denial = denial;
  }
}

function refuse(denial: Denial): never {
  throw new Refused(denial);
}

function readEnvelope(json: unknown, options: EnvelopeOptions): Envelope {
  const envelope = readObject(json, "the envelope", ENVELOPE_MEMBERS);
  const capability = readId(envelope.get("capability"), "capability");
  const credential = envelope.has("credential")
    ? readId(envelope.get("credential"), "credential")
    : null;
  const dryRun = envelope.has("dryRun") ? envelope.get("dryRun") : false;
  if (typeof dryRun !== "boolean") refuse(invalid("`dryRun` must be true or false"));
  return { capability, credential, dryRun, request: readRequest(envelope.get("request"), options) };
}

function readRequest(json: unknown, options: EnvelopeOptions): EnvelopeRequest {
  const request = readObject(json, "`request`", REQUEST_MEMBERS);
  if (request.has("url")) {
    // G5: the caller has no say in scheme, host and port.
    refuse(
      forbid(
        "host_not_allowed",
        "`request.url` is not accepted: the host comes from the capability",
      ),
    );
  }
  const method = readText(request.get("method"), "request.method");
  const path = readText(request.get("path"), "request.path");
  if (method === "") refuse(invalid("`request.method` is empty"));
  if (path === "") refuse(invalid("`request.path` is empty; it begins with `/`"));
  const headers = request.has("headers") ? readHeaders(request.get("headers")) : [];
  return { method, path, headers, body: readBody(request, options) };
}

function readHeaders(json: unknown): HeaderPair[] {
  return readList(json, "request.headers").map((entry) => {
    const header = readObject(entry, "a header", ["name", "value"]);
    return {
      name: readText(header.get("name"), "request.headers` member `name"),
      value: readText(header.get("value"), "request.headers` member `value"),
    };
  });
}

function readBody(request: ReadonlyMap<string, unknown>, options: EnvelopeOptions): EnvelopeBody {
  if (request.has("bodyFilePath")) {
    readText(request.get("bodyFilePath"), "request.bodyFilePath");
    refuse(filePathRefused("request.bodyFilePath"));
  }
  const modes = ["body", "bodyBase64", "bodyUpload"].filter((member) => request.has(member));
  const multipart = request.has("multipart") || request.has("multipartFiles");
  if (modes.length + (multipart ? 1 : 0) > 1) {
    refuse(
      forbid(
        "body_mode_conflict",
        "a request has one body: `body`, `bodyBase64`, `bodyUpload`, or `multipart` with `multipartFiles`",
      ),
    );
  }
  if (multipart) return readMultipart(request, options);
  switch (modes[0]) {
    case "body":
      return { kind: "text", text: readText(request.get("body"), "request.body") };
    case "bodyBase64":
      return { kind: "base64", bytes: readBase64(request.get("bodyBase64")) };
    case "bodyUpload":
      if (request.get("bodyUpload") !== true) refuse(invalid("`request.bodyUpload` must be true"));
      if (!options.uploads) refuse(uploadsMissing("request.bodyUpload"));
      return { kind: "upload" };
    default:
      return { kind: "none" };
  }
}

function readMultipart(
  request: ReadonlyMap<string, unknown>,
  options: EnvelopeOptions,
): EnvelopeBody {
  const fields = request.has("multipart")
    ? [...readObject(request.get("multipart"), "`request.multipart`", null)]
    : [];
  const files = request.has("multipartFiles")
    ? readList(request.get("multipartFiles"), "request.multipartFiles")
    : [];
  if (fields.length + files.length > PARTS_MAX) refuse(invalid(`more than ${PARTS_MAX} parts`));
  return {
    kind: "multipart",
    fields: fields.map(([name, value]) => ({
      name: readFieldName(name, "multipart"),
      value: readText(value, "request.multipart` member `value"),
    })),
    files: files.map((entry) => readFile(entry, options)),
  };
}

function readFile(
  json: unknown,
  options: EnvelopeOptions,
): { field: string; filename: string | null } {
  const file = readObject(json, "an entry of `request.multipartFiles`", [
    "field",
    "filename",
    "path",
  ]);
  const field = readFieldName(file.get("field"), "multipartFiles");
  if (file.has("path")) refuse(filePathRefused("path` in `request.multipartFiles"));
  if (!options.uploads) refuse(uploadsMissing("request.multipartFiles"));
  if (!file.has("filename")) return { field, filename: null };
  const filename = readText(file.get("filename"), "filename");
  // A name for the provider, never a place: separators would be read as one by some of them.
  if (filename === "" || filename.length > FIELD_CHARS_MAX || NOT_IN_FILENAME.test(filename)) {
    refuse(
      invalid("`filename` must be a plain file name without separators or control characters"),
    );
  }
  return { field, filename };
}

// G22: the daemon opens no file because a caller named it.
function filePathRefused(member: string): Denial {
  return forbid(
    "file_path_not_accepted",
    `\`${member}\` is not accepted: the client reads the file and uploads it with multipart/form-data`,
  );
}

function uploadsMissing(member: string): Denial {
  return invalid(`\`${member}\` needs a multipart/form-data request that carries the bytes`);
}

const CONTROL = /\p{Cc}/u;
const NOT_IN_FILENAME = /[\p{Cc}/\\]/u;

function readFieldName(json: unknown, member: string): string {
  const name = readText(json, `field\` in \`request.${member}`);
  if (name === "" || name.length > FIELD_CHARS_MAX || CONTROL.test(name)) {
    refuse(invalid(`a field name in \`request.${member}\` is empty, too long, or has controls`));
  }
  return name;
}

function readId(json: unknown, member: string): string {
  const id = readText(json, member);
  // `!` to `~`: ids are compared exactly, so nothing invisible or look-alike may be in one.
  if (id.length === 0 || id.length > ID_CHARS_MAX || !/^[!-~]+$/.test(id)) {
    refuse(invalid(`\`${member}\` must be 1 to ${ID_CHARS_MAX} printable ASCII characters`));
  }
  return id;
}

function readText(json: unknown, member: string): string {
  if (typeof json !== "string") refuse(invalid(`\`${member}\` must be a string`));
  return json;
}

function readList(json: unknown, member: string): readonly unknown[] {
  if (!Array.isArray(json)) refuse(invalid(`\`${member}\` must be a list`));
  return json;
}

/**
 * The own members of an object, as a Map: a name can then never be an inherited one. With `known`, any
 * other member is refused.
 */
function readObject(
  json: unknown,
  what: string,
  known: readonly string[] | null,
): ReadonlyMap<string, unknown> {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    refuse(invalid(`${what} must be an object`));
  }
  const members = new Map<string, unknown>(Object.entries(json as Record<string, Json>));
  for (const name of members.keys()) {
    if (known === null ? name === "__proto__" : !known.includes(name)) {
      refuse(invalid(`${what} has the unknown member ${quote(name)}`));
    }
  }
  return members;
}

const BASE64_VALUE: ReadonlyMap<number, number> = new Map(
  [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"].map((letter, index) => [
    letter.charCodeAt(0),
    index,
  ]),
);

/** RFC 4648 §4 with padding, canonical (no stray bits): one text for one sequence of bytes. */
function readBase64(json: unknown): Uint8Array {
  const text = readText(json, "request.bodyBase64");
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const bytes = new Uint8Array(Math.floor(((text.length - padding) * 3) / 4));
  let bits = 0;
  let held = 0;
  let at = 0;
  let good = text.length % 4 === 0;
  for (let i = 0; good && i < text.length - padding; i++) {
    const value = BASE64_VALUE.get(text.charCodeAt(i));
    if (value === undefined) {
      good = false;
      break;
    }
    bits = (bits << 6) | value;
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes[at++] = (bits >> held) & 0xff;
      bits &= (1 << held) - 1;
    }
  }
  if (!good || bits !== 0) {
    refuse(invalid("`request.bodyBase64` must be base64 with padding (RFC 4648 section 4)"));
  }
  return bytes;
}
