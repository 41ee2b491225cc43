import { describe, expect, it } from "vitest";
import { extractToken } from "./placeholder.ts";

const T = `avp_0123456789abcdef${"Ab-_".repeat(8)}`;
const U = `avp_fedcba9876543210${"Cd-_".repeat(8)}`;
const basic = (pair: string) => `Basic ${Buffer.from(pair).toString("base64")}`;

type Change = {
  path?: string;
  query?: string;
  headers?: [string, string][];
  protocols?: string[];
};
const extract = ({ path = "/v1/x", query = "", headers = [], protocols = [] }: Change) =>
  extractToken({
    path,
    query,
    headers: headers.map(([name, value]) => ({ name, value })),
    protocols,
  });

describe("extractToken", () => {
  it.each<[string, string]>([
    ["Authorization", `Bearer ${T}`],
    ["authorization", `bearer ${T}`],
    ["Authorization", `token ${T}`],
    ["Authorization", `Token ${T}`],
    ["Authorization", `Bot ${T}`],
    ["Authorization", `Klaviyo-API-Key ${T}`],
    ["Authorization", T],
    ["Authorization", basic(`${T}:`)],
    ["Authorization", basic(`AC123:${T}`)],
    ["Authorization", basic(`x-access-token:${T}`)],
    ["X-Api-Key", T],
    ["api-key", T],
    ["xi-api-key", T],
    ["x-goog-api-key", ` ${T} `],
    ["PRIVATE-TOKEN", T],
  ])("takes it out of %s: %s", (name, value) => {
    const headers: [string, string][] = [
      ["accept", "*/*"],
      [name, value],
    ];
    expect(extract({ headers })).toEqual({
      ok: true,
      token: T,
      head: {
        path: "/v1/x",
        query: "",
        headers: [{ name: "accept", value: "*/*" }],
        protocols: [],
      },
      announced: null,
      placedAt: null,
    });
  });

  it.each<[string[], string[], string | null]>([
    [["token", T], [], "token"],
    [["Bearer", T, "chat"], ["chat"], "Bearer"],
    [["realtime", `openai-insecure-api-key.${T}`, "beta.v1"], ["realtime", "beta.v1"], null],
    [["chat", T], ["chat"], null],
    [[T], [], null],
  ])("takes it out of the sub-protocols %j", (protocols, left, announced) => {
    const extracted = extract({ protocols });
    expect(extracted).toMatchObject({
      ok: true,
      token: T,
      head: { protocols: left },
      announced,
    });
  });

  it("refuses a token that is left within a sub-protocol", () => {
    expect(extract({ query: `key=${T}`, protocols: [`a${T}b`] }).ok).toBe(false);
  });

  it.each([
    [`key=${T}`, ""],
    [`a=1&key=${T}&b=2`, "a=1&b=2"],
    [`a=%2F&token=${T}`, "a=%2F"],
    [`key=app&token=${T}`, "key=app"],
  ])("takes it out of the query %s and leaves the rest as it came", (query, rest) => {
    expect(extract({ query })).toMatchObject({ ok: true, token: T, head: { query: rest } });
  });

  it.each([
    [`/bot${T}/getMe`, "/getMe"],
    [`/file/bot${T}/a/b.jpg`, "/a/b.jpg"],
    [`/bot${T}`, "/"],
  ])("takes it out of the path %s", (path, rest) => {
    expect(extract({ path })).toMatchObject({ ok: true, token: T, head: { path: rest } });
  });

  it("takes it out of an AWS signature, with what was signed with it", () => {
    const extraction = extract({
      headers: [
        [
          "Authorization",
          `AWS4-HMAC-SHA256 Credential=${T}/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0`,
        ],
        ["X-Amz-Date", "20260101T000000Z"],
        ["X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"],
      ],
    });
    expect(extraction).toMatchObject({
      ok: true,
      token: T,
      head: { headers: [{ name: "X-Amz-Content-Sha256", value: "UNSIGNED-PAYLOAD" }] },
    });
  });

  it("takes it out of a presigned URL, with the signature", () => {
    const query = `a=1&X-Amz-Credential=${T}%2F20260101%2Fx&X-Amz-Signature=0&X-Amz-Date=x`;
    expect(extract({ query })).toMatchObject({ ok: true, token: T, head: { query: "a=1" } });
  });

  it("takes it out of every place at once", () => {
    const headers: [string, string][] = [["x-api-key", T]];
    expect(extract({ query: `key=${T}`, headers })).toEqual({
      ok: true,
      token: T,
      head: { path: "/v1/x", query: "", headers: [], protocols: [] },
      announced: null,
      placedAt: null,
    });
  });

  it("leaves a request without one as it is", () => {
    const head = {
      path: "/v1/x",
      query: "key=sk-1",
      headers: [{ name: "Authorization", value: "Bearer sk-1" }],
      protocols: [],
    };
    expect(extractToken(head)).toEqual({
      ok: true,
      token: null,
      head,
      announced: null,
      placedAt: null,
    });
  });

  it("G12: refuses two different ones", () => {
    const headers: [string, string][] = [["x-api-key", T]];
    expect(extract({ query: `key=${U}`, headers })).toMatchObject({ ok: false });
  });

  it.each<[string, Change]>([
    [
      "another header",
      {
        headers: [
          ["x-api-key", T],
          ["user-agent", `curl ${T} x`],
        ],
      },
    ],
    ["the path", { path: `/v1/${T}`, headers: [["x-api-key", T]] }],
    ["a longer value", { query: `u=x${T}`, headers: [["x-api-key", T]] }],
  ])("G3: refuses one that would also be sent on in %s", (_, change) => {
    expect(extract(change)).toMatchObject({ ok: false });
  });
});
