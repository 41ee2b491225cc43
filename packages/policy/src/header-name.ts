/**
 * Classes of header names. One place, used for requests and responses alike.
 *
 * Names are compared in folded form: lower-case, with `_` and `.` read as `-`, because CGI-like servers
 * cannot tell them apart (`X_API_KEY` arrives as `x-api-key`).
 */

/** A header as the caller or the upstream wrote it. */
export interface HeaderPair {
  readonly name: string;
  readonly value: string;
}

/** RFC 9110 §5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Whether a name is an RFC 9110 token of at most 256 characters. */
export function isHeaderName(name: string): boolean {
  return name.length <= 256 && TOKEN.test(name);
}

/** The form in which names are compared. ASCII only: call {@link isHeaderName} first. */
export function foldHeaderName(name: string): string {
  const lower = name.toLowerCase();
  return /[._]/.test(lower) ? lower.replace(/[._]/g, "-") : lower;
}

// Words that make a name a credential when they are its last: `x-acme-token`, `x-csrftoken`, `apikey`.
// Not every word in `key`: `x-monkey` and `x-ms-documentdb-partitionkey` are none.
const AUTH_LAST_WORD =
  /(?:^|-)(?:[a-z0-9]*(?:token|secret|password|passwd|passphrase|(?:api|auth|access|private|secret|master)key)|auth|authorization|authentication|cookie2?|credentials?|jwt|key|otp|sign|signature)$/;

// Words that make a name a credential wherever they stand.
const AUTH_ANYWHERE =
  /(?:^|-)(?:api-?key|authorization|authentication|client-cert|client-certificate|ssl-client|dpop)(?:-|$)/;

const AUTH_NAMES: ReadonlySet<string> = new Set([
  "plaid-client-id",
  "signature-input",
  "www-authenticate",
  "x-amzn-oidc-data",
  "x-clickhouse-user",
  "x-forwarded-user",
  "x-honeycomb-team",
  "x-hub-signature-256",
  "x-remote-user",
  "x-ssl-cert",
  "x-webauth-user",
  "remote-user",
]);

// Names that end like a credential and are none: they select, page, order, or encrypt the caller's data.
const NOT_AUTH_NAMES: ReadonlySet<string> = new Set([
  "access-control-allow-credentials",
  "idempotence-key",
  "idempotency-key",
  "sec-websocket-key",
  "x-idempotence-key",
  "x-idempotency-key",
  "x-amz-client-token",
  "x-amz-copy-source-server-side-encryption-customer-key",
  "x-amz-server-side-encryption-customer-key",
  "x-cache-key",
  "x-goog-copy-source-encryption-key",
  "x-goog-encryption-key",
  "x-ms-continuation-token",
  "x-ms-encryption-key",
  "x-continuation-token",
  "x-next-page-token",
  "x-page-token",
  "x-partition-key",
  "x-deduplication-key",
  "x-ordering-key",
  "x-routing-key",
  "x-sort-key",
  "cache-key",
  "partition-key",
  "routing-key",
  "surrogate-key",
]);

// Names a caller gives to properties of its own stored objects.
const OBJECT_METADATA = /^x-(?:amz|goog|ms)-meta-/;

/**
 * Whether a folded name carries a credential, a session, or a signature (G6, G9).
 *
 * A short list of known names would always be one provider behind, so the form of the name decides and
 * the exceptions are listed.
 */
export function isAuthHeader(folded: string): boolean {
  const known = judged.get(folded);
  if (known !== undefined) return known;
  const isAuth = judge(folded);
  // Programs send the same few names again and again; whoever sends others only empties this.
  if (judged.size >= JUDGED_MAX) judged.clear();
  judged.set(folded, isAuth);
  return isAuth;
}

const judged = new Map<string, boolean>();
const JUDGED_MAX = 512;

function judge(folded: string): boolean {
  if (NOT_AUTH_NAMES.has(folded) || OBJECT_METADATA.test(folded)) return false;
  return AUTH_LAST_WORD.test(folded) || AUTH_NAMES.has(folded) || AUTH_ANYWHERE.test(folded);
}

const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "proxy-authenticate",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Whether a folded name concerns one connection and not the message (RFC 9110 §7.6.1). */
export function isHopByHopHeader(folded: string): boolean {
  return HOP_BY_HOP.has(folded);
}

const BROKER_OWNED: ReadonlySet<string> = new Set([
  // The broker's connection and framing.
  "accept-encoding",
  "alt-used",
  "expect",
  "host",
  "http2-settings",
  "max-forwards",
  // What a proxy in front would say about the client.
  "cf-connecting-ip",
  "cf-connecting-ipv6",
  "cf-ipcountry",
  "cf-pseudo-ipv4",
  "cf-ray",
  "cf-visitor",
  "client-ip",
  "fastly-client-ip",
  "fastly-ff",
  "fastly-ssl",
  "fly-client-ip",
  "forwarded",
  "forwarded-for",
  "front-end-https",
  "proxy",
  "true-client-ip",
  "via",
  "x-appengine-user-ip",
  "x-arr-ssl",
  "x-azure-clientip",
  "x-azure-socketip",
  "x-backend-host",
  "x-client-ip",
  "x-cluster-client-ip",
  "x-forward-for",
  "x-forwarded",
  "x-forwarder-for",
  "x-host",
  "x-originating-ip",
  "x-originating-url",
  "x-port",
  "x-proxy-url",
  "x-proxyuser-ip",
  "x-real-host",
  "x-real-ip",
  "x-remote-addr",
  "x-remote-ip",
  "x-scheme",
  "x-true-client-ip",
  "x-true-ip",
  "x-url-scheme",
  "x-wap-profile",
  "x-goog-authenticated-user-email",
  "x-goog-authenticated-user-id",
  "x-ms-client-principal",
  "x-ms-client-principal-id",
  "x-ms-client-principal-name",
  // What would make the provider act on another method, path or host than the one decided.
  "x-custom-url",
  "x-host-override",
  "x-http-destinationurl",
  "x-http-host-override",
  "x-http-method",
  "x-http-method-override",
  "x-http-path-override",
  "x-method",
  "x-method-override",
  "x-middleware-subrequest",
  "x-override-url",
  "x-path-override",
  "x-rewrite-path",
  "x-rewrite-url",
  "x-url-override",
  "-method",
  "method-override",
  "http-method-override",
]);

const BROKER_OWNED_PREFIXES =
  /^(?:sec-websocket-|x-forwarded-|x-envoy-|proxy-|x-original-(?:url|uri|path|query|method|host|proto|scheme|port|forwarded|remote|client|dst|src)(?:-|$))/;

/** Whether a folded request header is the broker's to set or to leave out; a caller's is dropped. */
export function isBrokerOwnedHeader(folded: string): boolean {
  return HOP_BY_HOP.has(folded) || BROKER_OWNED.has(folded) || BROKER_OWNED_PREFIXES.test(folded);
}
