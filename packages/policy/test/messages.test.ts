// The one test that pins what people read. Everywhere else tests insist on codes and reasons.
import { describe, expect, it } from "vitest";
import {
  allows,
  checkAddresses,
  checkInternalAddresses,
  checkJsonContentType,
  type Denial,
  deriveHost,
  type HeaderPair,
  managedPathConflict,
  managedQueryConflict,
  type PathRule,
  parseEndpointUrl,
  parseEnvelope,
  parseHost,
  parseInternalHost,
  parseMethod,
  parsePathRule,
  parseRedirect,
  parseStrictJson,
  parseTarget,
  type Result,
  requestHeaders,
} from "../src/index.ts";

/** One line for each refusal. */
function messages(...answers: readonly (Result<unknown> | Denial | null)[]): string {
  return answers
    .map((answer) => {
      if (answer === null || answer.ok) throw new Error("was accepted");
      return `${answer.reason ?? answer.code}: ${answer.message}`;
    })
    .join("\n");
}

const strict = (text: string | Uint8Array, bounds = {}) =>
  parseStrictJson(typeof text === "string" ? new TextEncoder().encode(text) : text, bounds);
const header = (name: string, value: string): HeaderPair => ({ name, value });
const rule = (path: string, more: Partial<PathRule> = {}): PathRule => ({
  methods: ["GET"],
  match: "prefix",
  path,
  ...more,
});
const asked = (request: unknown, uploads = false) =>
  parseEnvelope({ capability: "a/b", request }, { uploads });
const get = (more: object) => asked({ method: "GET", path: "/", ...more }, true);

describe("what policy says", () => {
  it("of hosts", () => {
    expect(
      messages(
        parseHost(""),
        parseHost("bücher.example"),
        parseHost("a.com:443"),
        parseHost("a_b.com"),
        parseHost("xn--a.com"),
        parseHost("127.0.0.1"),
        parseHost("intranet"),
        parseHost("db.internal"),
        parseHost("x.cluster.local"),
        deriveHost("a.com", ["b.com"]),
        deriveHost("a.com", []),
        deriveHost("*.a.com", ["x.a.com", "y.a.com"]),
        parseInternalHost("build"),
        parseInternalHost("-:1"),
        checkInternalAddresses(["169.254.169.254"], "build"),
        checkInternalAddresses([], "build"),
      ),
    ).toMatchInlineSnapshot(`
      "invalid_request: a host name has 1 to 253 characters
      invalid_request: the host \`b?cher.example\` is not ASCII; write it with its xn-- labels
      invalid_request: the host \`a.com:443\` must be a name without port; addresses are not accepted
      invalid_request: the host \`a_b.com\` is not a host name: labels are letters, digits and inner hyphens
      invalid_request: the label \`xn--a\` is not a valid internationalized label
      invalid_request: the host \`127.0.0.1\` is an address; use the provider's host name
      invalid_request: the host \`intranet\` has one label; public names have two or more
      invalid_request: the host \`db.internal\` is a special-use name (\`internal\`), not a public one
      invalid_request: the host \`x.cluster.local\` is a special-use name (\`local\`), not a public one
      host_not_allowed: the credential may not go to \`a.com\`; its hosts: b.com
      host_not_allowed: the credential may not go to \`a.com\`; its hosts: none
      host_not_allowed: more than one host fits \`*.a.com\`: x.a.com, y.a.com; name one in the credential
      invalid_request: \`build\` is not an internal host: write \`host:port\` or \`[address]:port\`, one host and one port
      invalid_request: \`-:1\` is not an internal host: write \`host:port\` or \`[address]:port\`, one host and one port
      address_blocked: the internal host resolves to \`169.254.169.254\`, for which a name cannot vouch; an operator can allow exactly that address
      address_blocked: the internal host has no address; check its spelling and the resolver"
    `);
  });

  it("of addresses", () => {
    expect(
      messages(
        checkAddresses([], []),
        checkAddresses(["127.0.0.1"], []),
        checkAddresses(["x"], []),
      ),
    ).toMatchInlineSnapshot(`
      "address_blocked: the host has no address; check its spelling and the resolver
      address_blocked: the host resolves to \`127.0.0.1\` (loopback); an operator can allow an exact internal host
      address_blocked: the host resolves to \`x\` (not an IP address); an operator can allow an exact internal host"
    `);
  });

  it("of methods", () => {
    expect(
      messages(parseMethod(""), parseMethod("G T"), parseMethod("TRACE")),
    ).toMatchInlineSnapshot(`
      "invalid_request: the method is empty
      invalid_request: \`G T\` is not an HTTP method
      method_not_allowed: the method \`TRACE\` is never forwarded; known methods: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
    `);
  });

  it("of paths", () => {
    expect(
      messages(
        ...[
          `/${"a".repeat(65_536)}`,
          "a",
          "//a",
          "/a#b",
          "/a b",
          "/%zz",
          "/?ab%z",
          "/?ab c",
          "/?%ff",
          "/%ff",
          "/%00",
          "/%252e",
          "/%5c",
          "/%2f",
          `/a${"%CC%81".repeat(31)}`,
          "/%EF%BC%852e",
          "/%EF%BC%BC",
          "/..",
          "/%2e.;x",
        ].map((path) => parseTarget(path)),
        parseTarget("/a%2F", { encodedSlash: true }),
        parseTarget("/a%2F..", { encodedSlash: true }),
      ),
    ).toMatchInlineSnapshot(`
      "request_too_large: the path is longer than 65536 characters
      invalid_request: the path must begin with \`/\`; the host comes from the capability
      invalid_request: the path must begin with exactly one \`/\`
      invalid_request: a path has no fragment: \`#\` is sent as \`%23\`
      invalid_request: the character at position 2 of the path must be percent-encoded (RFC 3986 section 3.3)
      invalid_request: \`%\` at position 1 of the path is not followed by two hex digits
      invalid_request: \`%\` at position 4 of the path is not followed by two hex digits
      invalid_request: the character at position 4 of the path must be percent-encoded (RFC 3986 section 3.3)
      invalid_request: the percent-encoded bytes of the path are not valid UTF-8
      invalid_request: the percent-encoded bytes of the path are not valid UTF-8
      invalid_request: the path contains an encoded control character
      path_traversal: the path is percent-encoded twice (\`%25\` followed by two hex digits); send the path without it
      path_traversal: the path contains a backslash, an encoded \`/\`, or a look-alike of one; send the path without it
      path_traversal: the path contains a backslash, an encoded \`/\`, or a look-alike of one; send the path without it
      invalid_request: the path stacks more than 30 combining marks
      path_traversal: the path contains a look-alike of \`%\`; send the path without it
      path_traversal: the path contains a backslash, an encoded \`/\`, or a look-alike of one; send the path without it
      path_traversal: the path contains a segment of dots, plain or disguised; send the path without it
      path_traversal: the path contains a segment of dots, plain or disguised; send the path without it
      path_traversal: an encoded \`/\` stands at the end of a segment or beside another one; send the path without it
      path_traversal: the path contains a segment of dots, plain or disguised; send the path without it"
    `);
  });

  it("of rules", () => {
    const none = { required: { a: "b" } };
    expect(
      messages(
        parsePathRule(rule("/", { match: "glob" as "exact" })),
        parsePathRule(rule("/", { methods: [] })),
        parsePathRule(rule("")),
        parsePathRule(rule("", { match: "pattern" })),
        parsePathRule(rule("/a?b")),
        parsePathRule(rule("/{a}{b}", { match: "pattern" })),
        parsePathRule(rule("{a+}", { match: "pattern" })),
        parsePathRule(rule("/%61/{b}", { match: "pattern" })),
        allows([], "GET", "/x"),
        allows(
          [
            rule("/a"),
            rule("/b/"),
            rule("/c", { match: "exact" }),
            rule("/{d}", { match: "pattern" }),
          ],
          "GET",
          "/x/y",
        ),
        allows(
          [rule("/a", { methods: ["POST", "PUT"] }), rule("/a", { methods: ["PUT", "PATCH"] })],
          "GET",
          "/a",
        ),
        allows([rule("/a", { query: none })], "GET", "/a", "a=c"),
        managedPathConflict("/BOT1/x", "/bot{{secret}}"),
      ),
    ).toMatchInlineSnapshot(`
      "invalid_request: \`glob\` is not a way to match
      invalid_request: the rule \`/\` names no method
      invalid_request: a rule has an empty path; \`/\` means every path
      invalid_request: a rule has an empty path; \`/\` means every path
      invalid_request: the rule \`/a?b\` contains a query
      invalid_request: the segment \`{a}{b}\` of a pattern is not text around one {name}
      invalid_request: the segment \`{a+}\` of a pattern is not text around one {name}
      invalid_request: the pattern \`/%61/{b}\` is percent-encoded where it need not be
      path_not_allowed: \`/x\` is outside the capability; allowed: none
      path_not_allowed: \`/x/y\` is outside the capability; allowed: /a[/…], /b/, /c, /{d}
      method_not_allowed: GET is not allowed for \`/a\`; allowed: POST, PUT, PATCH
      path_not_allowed: the query does not satisfy the rule for \`/a\`; see the capability's description
      path_not_allowed: the path begins with \`/bot\`, which the credential adds itself; leave it out"
    `);
  });

  it("of headers and parameters", () => {
    const managed = { managed: ["x-mine"] };
    const many = Array.from({ length: 201 }, (_, at) => header(`h${at}`, ""));
    expect(
      messages(
        requestHeaders(many, managed),
        requestHeaders([header("a", "x".repeat(65_536))], managed),
        requestHeaders([header("a b", "")], managed),
        requestHeaders([header("a", "\r")], managed),
        requestHeaders([header("a", ""), header("A", "")], managed),
        requestHeaders([header("X-Mine", "")], managed),
        managedQueryConflict("Access%5FToken=x", []),
      ),
    ).toMatchInlineSnapshot(`
      "request_too_large: more than 200 headers
      request_too_large: the headers have more than 65536 characters
      invalid_request: \`a b\` is not a header name
      invalid_request: the value of \`a\` has a control or a character beyond Latin-1
      duplicate_header: the header \`A\` appears twice; send it once
      auth_header_rejected: the header \`X-Mine\` carries a credential; the broker adds it, leave it out
      auth_query_rejected: the query parameter \`access_token\` carries a credential; the broker adds it, leave it out"
    `);
  });

  it("of URLs and redirects", () => {
    const base = { host: "a.com", port: 443, path: "/" };
    expect(
      messages(
        parseEndpointUrl(`https://a.com/${"a".repeat(4096)}`, ["a.com"]),
        parseEndpointUrl("", ["a.com"]),
        parseEndpointUrl("http://a.com", ["a.com"]),
        parseEndpointUrl("https://a.com#", ["a.com"]),
        parseEndpointUrl("https://u@a.com", ["a.com"]),
        parseEndpointUrl("https://b.com", ["a.com"]),
        parseRedirect("x".repeat(16_385), base),
        parseRedirect("", base),
        parseRedirect("#a", base),
        parseRedirect("http://a.com", base),
      ),
    ).toMatchInlineSnapshot(`
      "invalid_request: the URL is too long
      invalid_request: the URL is empty or has characters other than printable ASCII
      invalid_request: the URL must begin with \`https://\`
      invalid_request: the URL must not have a fragment
      invalid_request: the URL must not name a user
      host_not_allowed: the host \`b.com\` of the URL is not allowed
      invalid_request: the location is too long
      invalid_request: the location is empty or has characters other than printable ASCII
      invalid_request: the location is only a fragment
      host_not_allowed: the URL must begin with \`https://\`"
    `);
  });

  it("of JSON", () => {
    expect(
      messages(
        strict("[]", { bytesMax: 1 }),
        strict("\ufeff[]"),
        strict(Uint8Array.of(0x22, 0xff, 0x22)),
        strict("1 2"),
        strict("[1 2]"),
        strict("[1,2]", { valuesMax: 2 }),
        strict("[[]]", { depthMax: 1 }),
        strict("{a:1}"),
        strict(`{"${"a".repeat(1025)}":1}`),
        strict('{"__proto__":1}'),
        strict('{"a":1,"a":1}'),
        strict('{"a"}'),
        strict('"a'),
        strict('"\\x"'),
        strict('"\\ud800"'),
        strict("?"),
        strict("1e999"),
      ),
    ).toMatchInlineSnapshot(`
      "request_too_large: the JSON text is larger than 1 bytes
      invalid_request: the JSON text begins with a byte order mark
      invalid_request: the JSON text is not valid UTF-8
      invalid_request: not acceptable JSON at character 2: text follows the JSON value
      invalid_request: not acceptable JSON at character 3: expected a comma or the end of the list
      invalid_request: not acceptable JSON at character 3: too many values
      invalid_request: not acceptable JSON at character 1: nested deeper than 1
      invalid_request: not acceptable JSON at character 1: expected a member name in double quotes
      invalid_request: not acceptable JSON at character 1028: the member name \`aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…\` is longer than 1024 characters
      invalid_request: not acceptable JSON at character 12: the member name \`__proto__\` is not accepted
      invalid_request: not acceptable JSON at character 10: the member \`a\` appears twice
      invalid_request: not acceptable JSON at character 4: expected a colon
      invalid_request: not acceptable JSON at character 2: a string is cut off or contains a control character
      invalid_request: not acceptable JSON at character 1: unknown escape sequence
      invalid_request: not acceptable JSON at character 7: an escape is half a character
      invalid_request: not acceptable JSON at character 0: expected a value
      invalid_request: not acceptable JSON at character 0: a number is too large"
    `);
  });

  it("of envelopes", () => {
    expect(
      messages(
        checkJsonContentType(null),
        parseEnvelope(null, { uploads: false }),
        parseEnvelope({ more: 1 }, { uploads: false }),
        parseEnvelope({ capability: 1 }, { uploads: false }),
        parseEnvelope({ capability: " " }, { uploads: false }),
        parseEnvelope({ capability: "a", credential: "" }, { uploads: false }),
        parseEnvelope({ capability: "a", dryRun: 1 }, { uploads: false }),
        asked(null),
        asked({ url: "" }),
        asked({ path: "/" }),
        asked({ method: "GET" }),
        asked({ method: "", path: "/" }),
        asked({ method: "GET", path: "" }),
        get({ headers: {} }),
        get({ headers: [1] }),
        get({ headers: [{ value: "" }] }),
        get({ headers: [{ name: "" }] }),
        get({ bodyFilePath: 1 }),
        get({ bodyFilePath: "/etc/passwd" }),
        get({ body: "", bodyBase64: "" }),
        get({ body: 1 }),
        get({ bodyBase64: 1 }),
        get({ bodyBase64: "?" }),
        get({ bodyUpload: 1 }),
        asked({ method: "GET", path: "/", bodyUpload: true }),
        get({ multipart: [] }),
        get({ multipart: { a: 1 } }),
        get({ multipart: { "": "" } }),
        get({ multipart: JSON.parse('{"__proto__":""}') }),
        get({ multipartFiles: {} }),
        get({ multipartFiles: Array.from({ length: 1001 }, () => null) }),
        get({ multipartFiles: [null] }),
        get({ multipartFiles: [{}] }),
        get({ multipartFiles: [{ field: "a", path: "x" }] }),
        get({ multipartFiles: [{ field: "a", filename: 1 }] }),
        get({ multipartFiles: [{ field: "a", filename: "a/b" }] }),
        asked({ method: "GET", path: "/", multipartFiles: [{ field: "a" }] }),
      ),
    ).toMatchInlineSnapshot(`
      "invalid_request: the content type must be application/json, in UTF-8
      invalid_request: the envelope must be an object
      invalid_request: the envelope has the unknown member \`more\`
      invalid_request: \`capability\` must be a string
      invalid_request: \`capability\` must be 1 to 256 printable ASCII characters
      invalid_request: \`credential\` must be 1 to 256 printable ASCII characters
      invalid_request: \`dryRun\` must be true or false
      invalid_request: \`request\` must be an object
      host_not_allowed: \`request.url\` is not accepted: the host comes from the capability
      invalid_request: \`request.method\` must be a string
      invalid_request: \`request.path\` must be a string
      invalid_request: \`request.method\` is empty
      invalid_request: \`request.path\` is empty; it begins with \`/\`
      invalid_request: \`request.headers\` must be a list
      invalid_request: a header must be an object
      invalid_request: \`request.headers\` member \`name\` must be a string
      invalid_request: \`request.headers\` member \`value\` must be a string
      invalid_request: \`request.bodyFilePath\` must be a string
      file_path_not_accepted: \`request.bodyFilePath\` is not accepted: the client reads the file and uploads it with multipart/form-data
      body_mode_conflict: a request has one body: \`body\`, \`bodyBase64\`, \`bodyUpload\`, or \`multipart\` with \`multipartFiles\`
      invalid_request: \`request.body\` must be a string
      invalid_request: \`request.bodyBase64\` must be a string
      invalid_request: \`request.bodyBase64\` must be base64 with padding (RFC 4648 section 4)
      invalid_request: \`request.bodyUpload\` must be true
      invalid_request: \`request.bodyUpload\` needs a multipart/form-data request that carries the bytes
      invalid_request: \`request.multipart\` must be an object
      invalid_request: \`request.multipart\` member \`value\` must be a string
      invalid_request: a field name in \`request.multipart\` is empty, too long, or has controls
      invalid_request: \`request.multipart\` has the unknown member \`__proto__\`
      invalid_request: \`request.multipartFiles\` must be a list
      invalid_request: more than 1000 parts
      invalid_request: an entry of \`request.multipartFiles\` must be an object
      invalid_request: \`field\` in \`request.multipartFiles\` must be a string
      file_path_not_accepted: \`path\` in \`request.multipartFiles\` is not accepted: the client reads the file and uploads it with multipart/form-data
      invalid_request: \`filename\` must be a string
      invalid_request: \`filename\` must be a plain file name without separators or control characters
      invalid_request: \`request.multipartFiles\` needs a multipart/form-data request that carries the bytes"
    `);
  });
});
