import { describe, expect, it } from "vitest";
import { HEADERS_MAX, requestHeaders, responseHeaders } from "./headers.ts";

type Pairs = readonly (readonly [name: string, value: string])[];
const pairs = (list: Pairs) => list.map(([name, value]) => ({ name, value }));
const request = (list: Pairs, managed: readonly string[] = []) => {
  const headers = requestHeaders(pairs(list), { managed });
  return headers.ok ? headers.value.map(({ name, value }) => [name, value]) : headers;
};
const response = (list: Pairs, managed: readonly string[] = []) =>
  responseHeaders(pairs(list), { managed }).map(({ name }) => name);
const denied = (reason: string) => expect.objectContaining({ ok: false, reason });

describe("requestHeaders", () => {
  it("passes what applications need, in order, lower-case and trimmed", () => {
    expect(
      request([
        ["Content-Type", "application/json"],
        ["Idempotency-Key", " k-1\t"],
        ["anthropic-version", "2023-06-01"],
        ["x-note", "caf\u00e9"],
        ["user-agent", ""],
      ]),
    ).toEqual([
      ["content-type", "application/json"],
      ["idempotency-key", "k-1"],
      ["anthropic-version", "2023-06-01"],
      ["x-note", "caf\u00e9"],
      ["user-agent", ""],
    ]);
  });

  it.each([
    "Authorization",
    "PROXY_AUTHORIZATION",
    "x-api-key",
    "X.Api.Key",
    "apikey",
    "x-acme-api-key-v2",
    "x-goog-api-key",
    "Ocp-Apim-Subscription-Key",
    "x-some-new-token",
    "x-csrftoken",
    "X-AuthToken",
    "x-acme-secret",
    "x-acme-password",
    "x-auth",
    "cookie",
    "cookie2",
    "set-cookie",
    "dpop",
    "signature",
    "signature-input",
    "x-client-cert-sha",
    "x-amz-security-token",
    "x-vault-token",
    "x-forwarded-access-token",
    "x-honeycomb-team",
    "developer-token",
  ])("G6: refuses %s", (name) => {
    expect(request([[name, "v"]])).toEqual(denied("auth_header_rejected"));
  });

  it.each([
    "authorized-by",
    "x-author",
    "x-tokens-used",
    "cookie-policy",
    "x-monkey",
    "x-keyword",
    "host-name",
    "tokenizer",
    "x-ms-continuation-token",
    "x-ms-documentdb-partitionkey",
    "x-amz-meta-api-key",
    "x-amz-server-side-encryption-customer-key",
    "idempotency-key",
    "mcp-session-id",
    "x-original-filename",
  ])("lets %s pass", (name) => {
    expect(request([[name, "v"]])).toEqual([[name, "v"]]);
  });

  it.each(["X-Acme-Id", "x_acme_id", "x.acme-ID"])("G6: refuses the managed name as %s", (name) => {
    expect(request([[name, "v"]], ["x-acme-id"])).toEqual(denied("auth_header_rejected"));
  });

  it("refuses a managed name even where the broker would drop it", () => {
    expect(request([["x-forwarded-for", "v"]], ["X-Forwarded-For"])).toEqual(
      denied("auth_header_rejected"),
    );
  });

  it.each([
    "Host",
    "connection",
    "content-length",
    "transfer-encoding",
    "TE",
    "trailer",
    "upgrade",
    "expect",
    "accept-encoding",
    "sec-websocket-key",
    "x-forwarded-host",
    "X_Forwarded_For",
    "forwarded",
    "via",
    "x-real-ip",
    "x-http-method-override",
    "X-Method_Override",
    "x-original-url",
    "x-rewrite-url",
    "x-envoy-internal",
    "proxy-connection",
  ])("G6: drops %s", (name) => {
    expect(request([[name, "v"]])).toEqual([]);
  });

  it("drops what Connection nominates, and only of the caller's", () => {
    expect(
      request([
        ["x-hop", "1"],
        ["connection", "close, X_Hop ,authorization"],
        ["accept", "a"],
      ]),
    ).toEqual([["accept", "a"]]);
  });

  it.each([
    [
      ["accept", "a"],
      ["Accept", "a"],
    ],
    [
      ["x-a_b", "1"],
      ["x-a-b", "2"],
    ],
    [
      ["host", "a"],
      ["Host", "b"],
    ],
  ] as Pairs[])("G6: refuses %j and %j together", (...list) => {
    expect(request(list as unknown as Pairs)).toEqual(denied("duplicate_header"));
  });

  it.each([
    "",
    " a",
    "a ",
    "a:",
    "a\r\nb",
    "a\u0000",
    "\u212aey",
    "naïve",
    "a(b)",
    "x".repeat(257),
  ])("refuses the name %j", (name) => {
    expect(request([[name, "v"]])).toMatchObject({ code: "invalid_request" });
  });

  it.each(["a\r\nb", "a\nb", "a\u0000", "\u007f", "\u0085", "\u010a", "日本", "\ud800"])(
    "refuses the value %j",
    (value) => {
      const refused = request([["x-a", `leaked ${value}`]]);
      expect(refused).toMatchObject({ code: "invalid_request" });
      expect(JSON.stringify(refused)).not.toContain("leaked");
    },
  );

  it("bounds how many and how large", () => {
    const many = (count: number): Pairs =>
      Array.from({ length: count }, (_, index) => [`x-${index}`, "v"] as const);
    expect(request(many(HEADERS_MAX))).toHaveLength(HEADERS_MAX);
    expect(request(many(HEADERS_MAX + 1))).toMatchObject({ code: "request_too_large" });
    expect(request([["x-a", "v".repeat(65_533)]])).toHaveLength(1);
    expect(request([["x-a", "v".repeat(65_534)]])).toMatchObject({ code: "request_too_large" });
  });
});

describe("responseHeaders", () => {
  it("passes ordinary headers, lower-case", () => {
    const names = [
      "Content-Type",
      "ETag",
      "Retry-After",
      "x-ratelimit-remaining-tokens",
      "anthropic-ratelimit-tokens-reset",
      "openai-processing-ms",
      "Location",
      "access-control-allow-credentials",
      "mcp-session-id",
      "content-encoding",
    ];
    expect(response(names.map((name) => [name, "v"]))).toEqual(
      names.map((name) => name.toLowerCase()),
    );
  });

  it.each([
    "Set-Cookie",
    "set-cookie2",
    "cookie",
    "authorization",
    "WWW-Authenticate",
    "proxy-authenticate",
    "authentication-info",
    "x-api-key",
    "x-refresh-token",
    "x-session-id",
    "x-xsrf-token",
    "transfer-encoding",
    "content-length",
    "connection",
    "alt-svc",
    "clear-site-data",
    "aivault-error",
    "AIVAULT_ERROR",
    "bad name",
  ])("G9: strips %s", (name) => {
    expect(response([[name, "v"]])).toEqual([]);
  });

  it("strips what the credential manages and what Connection nominates", () => {
    const list: Pairs = [
      ["x-acme-id", "v"],
      ["x-hop", "v"],
      ["Connection", "x-hop"],
      ["date", "v"],
    ];
    expect(response(list, ["X-Acme-Id"])).toEqual(["date"]);
    expect(responseHeaders(pairs([["date", " v "]]))).toEqual([{ name: "date", value: "v" }]);
  });

  it("strips a value that could end its line, and keeps repeated headers", () => {
    expect(response([["x-a", "v\r\nset-cookie: a"]])).toEqual([]);
    expect(
      response([
        ["link", "a"],
        ["link", "b"],
      ]),
    ).toEqual(["link", "link"]);
  });
});

// Found by changing headers.ts and seeing which change no test noticed (docs/testing.md).
describe("what decides about a header", () => {
  it("is what Connection names, and no other header's value", () => {
    const list: Pairs = [
      ["x-note", "accept, x-a"],
      ["accept", "*/*"],
      ["x-a", "1"],
    ];
    expect(request(list)).toEqual(list.map((pair) => [...pair]));
    expect(response(list)).toEqual(["x-note", "accept", "x-a"]);
  });

  it("is each name in Connection, with or without white space", () => {
    const list: Pairs = [
      ["Connection", "close , x-b,\tX_C"],
      ["x-b", "1"],
      ["x-c", "1"],
      ["x-d", "1"],
    ];
    expect(request(list)).toEqual([["x-d", "1"]]);
    expect(response(list)).toEqual(["x-d"]);
  });

  it.each([
    "x-session",
    "x-session-id",
    "session-id",
    "X_Session",
    "www-authenticate",
    "set-cookie2",
  ])("G9: strips %s from an answer", (name) => {
    expect(response([[name, "v"]])).toEqual([]);
  });

  it("is not what surrounds a value: all of it white space is an empty one", () => {
    expect(request([["x-a", " \t "]])).toEqual([["x-a", ""]]);
    expect(request([["x-a", " a b "]])).toEqual([["x-a", "a b"]]);
  });
});
