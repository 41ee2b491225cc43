import { createHash, createHmac } from "node:crypto";
import type { AwsSigV4Scheme } from "@aivault/registry";
import { BrokerError } from "../errors.ts";
import { cannotSignStream } from "./hmac.ts";
import {
  headersOnly,
  type Injection,
  type OpenSecrets,
  secretText,
  unusable,
} from "./injection.ts";
import type { SigningContext } from "./signing-context.ts";

// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

const ALGORITHM = "AWS4-HMAC-SHA256";
const UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD";
const UNSIGNED_WITH_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

/** Signs the request for AWS: Signature Version 4, in the `authorization` header. */
export function injectAwsSigV4(
  scheme: AwsSigV4Scheme,
  secrets: OpenSecrets,
  context: SigningContext,
): Injection {
  const secretAccessKey = secrets.get(scheme.secretAccessKey);
  if (secretAccessKey === undefined) throw unusable(scheme.secretAccessKey, "is missing");
  const accessKeyId = requireText(secrets, scheme.accessKeyId);
  const sessionToken =
    scheme.sessionToken !== undefined && secrets.has(scheme.sessionToken)
      ? requireText(secrets, scheme.sessionToken)
      : null;
  const service = scheme.services[context.hostEntry] ?? scheme.services[context.authority];
  if (service === undefined) {
    throw new BrokerError(
      "auth_failed",
      `no AWS signing name is known for \`${context.authority}\``,
    );
  }
  const isS3 = service === "s3";
  const payloadHash = hashPayload(context, isS3);
  const added: [string, string][] = [["x-amz-date", formatAmzDate(context.nowMs)]];
  if (isS3) added.push(["x-amz-content-sha256", payloadHash]);
  if (sessionToken !== null) added.push(["x-amz-security-token", sessionToken]);
  const signed = context.headers
    .filter(({ name }) => name.startsWith("x-amz-") || SIGNED_HEADERS.has(name))
    .map(({ name, value }) => [name, value] as [string, string]);
  const authorization = signAwsRequest({
    method: context.method,
    path: context.target.path,
    query: context.target.query,
    headers: [["host", context.authority], ...signed, ...added],
    payloadHash,
    amzDate: formatAmzDate(context.nowMs),
    region: region(scheme, context),
    service,
    accessKeyId,
    secretAccessKey,
  });
  return headersOnly([...added, ["authorization", authorization]]);
}

const SIGNED_HEADERS: ReadonlySet<string> = new Set(["content-type", "content-md5"]);

function requireText(secrets: OpenSecrets, placeholder: string): string {
  const text = secretText(secrets, placeholder);
  if (!/^[\x21-\x7e]+$/.test(text)) throw unusable(placeholder, "has unusable characters");
  return text;
}

function region(scheme: AwsSigV4Scheme, { hostEntry, hostVariables }: SigningContext): string {
  const named = hostEntry.includes(`{${scheme.regionVariable}}`)
    ? hostVariables[scheme.regionVariable]
    : undefined;
  return named ?? scheme.defaultRegion;
}

function hashPayload({ body, payloadHash }: SigningContext, isS3: boolean): string {
  if (body !== "streamed") return sha256(body ?? new Uint8Array(0));
  // The service compares it with what arrives: a false one spoils nothing but the sender's request.
  if (payloadHash !== null && /^[0-9a-f]{64}$/.test(payloadHash)) return payloadHash;
  // S3 alone admits these, and only where TLS protects the body, which it always does here.
  if (isS3) return payloadHash === UNSIGNED_WITH_TRAILER ? UNSIGNED_WITH_TRAILER : UNSIGNED_PAYLOAD;
  throw cannotSignStream();
}

/** Everything a signature is made of. */
export interface AwsSigningInput {
  readonly method: string;
  /** As on the wire, without dot segments. */
  readonly path: string;
  readonly query: string;
  /** What to sign; duplicates are joined. Must contain `host` and `x-amz-date`. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Lower-case hexadecimal SHA-256 of the body, or `UNSIGNED-PAYLOAD`. */
  readonly payloadHash: string;
  /** `YYYYMMDDTHHMMSSZ`. */
  readonly amzDate: string;
  readonly region: string;
  readonly service: string;
  readonly accessKeyId: string;
  /** Borrowed. */
  readonly secretAccessKey: Uint8Array;
}

/** @returns The value of `authorization`. */
export function signAwsRequest(input: AwsSigningInput): string {
  const { canonicalRequest, signedHeaders } = canonicalizeAwsRequest(input);
  const date = input.amzDate.slice(0, 8);
  const scope = `${date}/${input.region}/${input.service}/aws4_request`;
  const stringToSign = [ALGORITHM, input.amzDate, scope, sha256(canonicalRequest)].join("\n");
  const initial = Buffer.concat([Buffer.from("AWS4"), input.secretAccessKey]);
  let key = initial;
  for (const part of [date, input.region, input.service, "aws4_request"]) {
    const next = createHmac("sha256", key).update(part).digest();
    key.fill(0);
    key = next;
  }
  const signature = createHmac("sha256", key).update(stringToSign).digest("hex");
  key.fill(0);
  return `${ALGORITHM} Credential=${input.accessKeyId}/${scope}, SignedHeaders=${signedHeaders}, Signature=${signature}`;
}

/** The canonical request. S3 encodes the path once, every other service what was encoded already. */
export function canonicalizeAwsRequest({
  method,
  path,
  query,
  headers,
  payloadHash,
  service,
}: Pick<AwsSigningInput, "method" | "path" | "query" | "headers" | "payloadHash" | "service">): {
  canonicalRequest: string;
  signedHeaders: string;
} {
  const values = new Map<string, string[]>();
  for (const [name, value] of headers) {
    const key = name.toLowerCase();
    const folded = value.trim().replaceAll(/\s+/g, " ");
    const known = values.get(key);
    if (known === undefined) values.set(key, [folded]);
    else known.push(folded);
  }
  const names = [...values.keys()].sort();
  const signedHeaders = names.join(";");
  const canonicalRequest = [
    method,
    service === "s3" ? encodeOnce(path) : encode(path),
    canonicalQuery(query),
    ...names.map((name) => `${name}:${values.get(name)?.join(",")}`),
    "",
    signedHeaders,
    payloadHash,
  ].join("\n");
  return { canonicalRequest, signedHeaders };
}

/** Percent-encodes everything but unreserved characters and `/`. */
function encode(path: string): string {
  return path.split("/").map(encodeAll).join("/");
}

/** The same on the decoded path, which is how S3 reads the one it receives. */
function encodeOnce(path: string): string {
  return path
    .split("/")
    .map((segment) => encodeAll(decode(segment)))
    .join("/");
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function encodeAll(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function canonicalQuery(query: string): string {
  return query
    .split("&")
    .filter((pair) => pair !== "")
    .map((pair) => {
      const equals = pair.indexOf("=");
      const name = equals === -1 ? pair : pair.slice(0, equals);
      const value = equals === -1 ? "" : pair.slice(equals + 1);
      return [encodeAll(decode(name)), encodeAll(decode(value))] as const;
    })
    .sort(([nameA, valueA], [nameB, valueB]) =>
      nameA === nameB ? compare(valueA, valueB) : compare(nameA, nameB),
    )
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
}

/** By code point; all text here is ASCII. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function sha256(data: Uint8Array | string): string {
  return createHash("sha256").update(data).digest("hex");
}

function formatAmzDate(nowMs: number): string {
  return new Date(nowMs).toISOString().replaceAll(/[-:]|\.\d{3}/g, "");
}
