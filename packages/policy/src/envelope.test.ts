import { describe, expect, it } from "vitest";
import {
  checkJsonContentType,
  ENVELOPE_BYTES_MAX,
  parseEnvelope,
  parseEnvelopeText,
} from "./envelope.ts";

const request = { method: "POST", path: "/v1/x" };
const envelope = (more: object = {}, top: object = {}) => ({
  capability: "openai/chat",
  request: { ...request, ...more },
  ...top,
});
const body = (more: object, uploads = false) => {
  const parsed = parseEnvelope(envelope(more), { uploads });
  return parsed.ok ? parsed.value.request.body : parsed;
};
const invalid = expect.objectContaining({ ok: false, code: "invalid_request" });
const violation = (reason: string) =>
  expect.objectContaining({ ok: false, code: "policy_violation", reason });

describe("parseEnvelope", () => {
  it("fills in what was left out", () => {
    expect(parseEnvelope(envelope(), { uploads: false })).toEqual({
      ok: true,
      value: {
        capability: "openai/chat",
        credential: null,
        dryRun: false,
        request: { ...request, headers: [], body: { kind: "none" } },
      },
    });
  });

  it("keeps what was said", () => {
    const headers = [{ name: "Accept", value: " a " }];
    const parsed = parseEnvelope(
      envelope({ headers, body: "" }, { credential: "c", dryRun: true }),
      { uploads: false },
    );
    expect(parsed).toMatchObject({
      value: {
        credential: "c",
        dryRun: true,
        request: { headers, body: { kind: "text", text: "" } },
      },
    });
  });

  it("G22: refuses every path to a file, with uploads and without", () => {
    const refused = violation("file_path_not_accepted");
    for (const uploads of [false, true]) {
      expect(body({ bodyFilePath: "/etc/passwd" }, uploads)).toEqual(refused);
      expect(body({ body: "a", bodyFilePath: "x" }, uploads)).toEqual(refused);
      expect(body({ multipartFiles: [{ field: "f", path: "x" }] }, uploads)).toEqual(refused);
      expect(body({ multipartFiles: [{ field: "f", filename: "n", path: "x" }] }, uploads)).toEqual(
        refused,
      );
    }
  });

  it("G5: refuses a URL in the request", () => {
    expect(body({ url: "https://api.openai.com/v1/x" })).toEqual(violation("host_not_allowed"));
  });

  it("reads uploads only where there are uploads", () => {
    const files = [{ field: "f" }, { field: "g", filename: "a b.png" }];
    expect(body({ bodyUpload: true }, true)).toEqual({ kind: "upload" });
    expect(body({ multipart: { model: "m" }, multipartFiles: files }, true)).toEqual({
      kind: "multipart",
      fields: [{ name: "model", value: "m" }],
      files: [
        { field: "f", filename: null },
        { field: "g", filename: "a b.png" },
      ],
    });
    expect(body({ bodyUpload: true })).toEqual(invalid);
    expect(body({ multipartFiles: files })).toEqual(invalid);
    expect(body({ bodyUpload: false }, true)).toEqual(invalid);
  });

  it.each(["../a", "a/b", "a\\b", "", "a\nb", "x".repeat(1025)])(
    "refuses the file name %j",
    (filename) => {
      expect(body({ multipartFiles: [{ field: "f", filename }] }, true)).toEqual(invalid);
    },
  );

  it("keeps the order and names of multipart fields, whatever they are called", () => {
    expect(body({ multipart: { constructor: "1", "2": "b", a: "" } })).toMatchObject({
      kind: "multipart",
      fields: expect.arrayContaining([
        { name: "constructor", value: "1" },
        { name: "a", value: "" },
      ]),
    });
    expect(body({ multipart: { "a\r\nb": "1" } })).toEqual(invalid);
    expect(body({ multipart: { "": "1" } })).toEqual(invalid);
  });

  it("refuses more than one body", () => {
    const refused = violation("body_mode_conflict");
    expect(body({ body: "", bodyBase64: "" })).toEqual(refused);
    expect(body({ body: "", multipart: {} })).toEqual(refused);
    expect(body({ bodyUpload: true, multipartFiles: [] }, true)).toEqual(refused);
  });

  it.each([
    ["", []],
    ["AA==", [0]],
    ["AQI=", [1, 2]],
    ["+/+/", [0xfb, 0xff, 0xbf]],
  ])("decodes base64 %j", (text, bytes) => {
    expect(body({ bodyBase64: text })).toEqual({ kind: "base64", bytes: Uint8Array.from(bytes) });
  });

  it.each(["A", "AA", "AA=", "A===", "====", "AB==", "AQJ=", "A A=", "AA==\n", "-_-_", "AAAA="])(
    "refuses the base64 %j",
    (text) => {
      expect(body({ bodyBase64: text })).toEqual(invalid);
    },
  );

  it.each([
    ["a list", []],
    ["null", null],
    ["nothing", undefined],
    ["a string", "x"],
    ["no request", { capability: "a" }],
    ["no capability", { request }],
    ["an unknown member", envelope({}, { x: 1 })],
    ["an unknown member of the request", envelope({ query: "x" })],
    ["an unknown member of a header", envelope({ headers: [{ name: "a", value: "b", c: 1 }] })],
    ["an empty capability", envelope({}, { capability: "" })],
    ["a capability with a space", envelope({}, { capability: "a b" })],
    ["a capability beyond ASCII", envelope({}, { capability: "оpenai/x" })],
    ["a long capability", envelope({}, { capability: "a".repeat(257) })],
    ["a null credential", envelope({}, { credential: null })],
    ["a dry run that is not a boolean", envelope({}, { dryRun: "yes" })],
    ["an empty method", envelope({ method: "" })],
    ["an empty path", envelope({ path: "" })],
    ["headers that are an object", envelope({ headers: { a: "b" } })],
    ["a body that is an object", envelope({ body: {} })],
  ])("refuses %s", (_, json) => {
    expect(parseEnvelope(json, { uploads: false })).toEqual(invalid);
  });

  it("takes ids, field names and file names of exactly the longest length", () => {
    const [id, long] = ["a".repeat(256), "a".repeat(1024)];
    expect(
      parseEnvelope(envelope({}, { capability: id, credential: id }), { uploads: false }),
    ).toEqual(expect.objectContaining({ ok: true }));
    expect(body({ multipart: { [long]: "" } })).toMatchObject({ fields: [{ name: long }] });
    expect(body({ multipart: { [`${long}a`]: "" } })).toEqual(invalid);
    const file = (field: string, filename: string) =>
      body({ multipartFiles: [{ field, filename }] }, true);
    expect(file(long, long)).toMatchObject({ files: [{ field: long, filename: long }] });
    expect(file(`${long}a`, "x")).toEqual(invalid);
    expect(file("x", `${long}a`)).toEqual(invalid);
  });

  it("takes a thousand parts, fields and files together", () => {
    const files = (count: number) => Array.from({ length: count }, () => ({ field: "f" }));
    const parts = (count: number) =>
      body({ multipart: { a: "" }, multipartFiles: files(count) }, true);
    expect(parts(999)).toMatchObject({ kind: "multipart" });
    expect(parts(1000)).toEqual(invalid);
  });

  it("has no files where only fields are given, and no fields where only files are", () => {
    expect(body({ multipart: { a: "1" } })).toEqual({
      kind: "multipart",
      fields: [{ name: "a", value: "1" }],
      files: [],
    });
    expect(body({ multipartFiles: [{ field: "f" }] }, true)).toEqual({
      kind: "multipart",
      fields: [],
      files: [{ field: "f", filename: null }],
    });
  });

  it("lets a fault of the program through", () => {
    const json = {
      get capability() {
        throw new TypeError("a fault");
      },
    };
    expect(() => parseEnvelope(json, { uploads: false })).toThrow(new TypeError("a fault"));
  });

  it("does not read inherited members", () => {
    expect(parseEnvelope(Object.create(envelope()), { uploads: false })).toEqual(invalid);
  });

  it("quotes no more than a piece of an unknown name, in printable ASCII", () => {
    const refused = parseEnvelope(envelope({}, { [`\u001b[31m${"y".repeat(500)}`]: 1 }), {
      uploads: false,
    });
    expect(refused).toEqual(invalid);
    expect(!refused.ok && refused.message).toMatch(/^[ -~…]{1,160}$/);
  });
});

describe("parseEnvelopeText", () => {
  it("reads strict JSON", () => {
    expect(parseEnvelopeText(Buffer.from(JSON.stringify(envelope()))).ok).toBe(true);
    expect(parseEnvelopeText(Buffer.from('{"capability":"a","capability":"b"}'))).toEqual(invalid);
  });
});

describe("parseEnvelopeText, of what comes without uploads", () => {
  it("has no upload to refer to", () => {
    const text = (more: object) => Buffer.from(JSON.stringify(envelope(more)));
    expect(parseEnvelopeText(text({ bodyUpload: true }))).toEqual(invalid);
    expect(parseEnvelopeText(text({ bodyUpload: true }), { uploads: true }).ok).toBe(true);
  });

  it("reads no more than an envelope may have", () => {
    const text = new Uint8Array(ENVELOPE_BYTES_MAX).fill(0x61);
    text[0] = text[text.length - 1] = 0x22;
    expect(parseEnvelopeText(text)).toEqual(invalid);
    expect(parseEnvelopeText(new Uint8Array(text.length + 1))).toMatchObject({
      code: "request_too_large",
    });
  });
});

describe("checkJsonContentType", () => {
  it.each([
    "application/json",
    "Application/JSON;charset=UTF-8",
    'application/json; charset="utf-8"',
    "application/json \t;\t charset=utf-8",
  ])("accepts %s", (type) => {
    expect(checkJsonContentType(type)).toBeNull();
  });

  it.each([
    null,
    "",
    "text/plain",
    "application/json, text/plain",
    "application/jsonp",
    "application/jsonp;charset=utf-8",
    "application/json;xcharset=utf-8",
    "application/json;charset=utf-8x",
    "xapplication/json",
    "application/json; charset=latin1",
    "application/json; charset=utf-8; charset=latin1",
  ])("refuses %s", (type) => {
    expect(checkJsonContentType(type)).toEqual(invalid);
  });
});
