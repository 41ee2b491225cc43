import type { WireCapability } from "@aivault/client";
import { describe, expect, it } from "vitest";
import { parseArgs } from "./args.ts";
import type { Command } from "./command.ts";
import { invokeCommands } from "./commands/invoke.ts";
import { completeRequest, envelopeFromPayload, requestFromFlags } from "./payload.ts";

const flags = (...argv: string[]) =>
  requestFromFlags(parseArgs(invokeCommands[0] as Command, ["p/c", ...argv]));

const usage = expect.objectContaining({ code: "CLI_USAGE" });

function capability(...rules: WireCapability["rules"]): WireCapability {
  return {
    id: "p/c",
    provider: "p",
    description: "",
    host: "h.example",
    risk: "read",
    rules,
    origin: "registry",
    ready: true,
    missing: [],
  };
}

describe("requestFromFlags", () => {
  it.each([
    ['{"a":1}', true],
    [" [1]", true],
    ["{not json", false],
    ["hello", false],
    ["42", false],
  ])("calls the body %j JSON: %j", (body, isJson) => {
    expect(flags("--body", body).rest.headers).toEqual(
      isJson ? [{ name: "content-type", value: "application/json" }] : [],
    );
  });

  it("leaves a content type that was given alone, in any case", () => {
    expect(flags("--body", "{}", "-H", "CONTENT-TYPE: text/x").rest.headers).toEqual([
      { name: "CONTENT-TYPE", value: "text/x" },
    ]);
  });

  it("keeps repeated headers in order, and refuses a repeated field", () => {
    expect(flags("-H", "a=1", "-H", "a=2").rest.headers).toHaveLength(2);
    expect(() => flags("--multipart-field", "a=1", "--multipart-field", "a=2")).toThrow(usage);
  });

  it("G22: names files for this process to open", () => {
    expect(
      flags("--multipart-field", "a=1", "--multipart-file", "f=./x=y.txt").rest.multipart,
    ).toEqual({
      fields: { a: "1" },
      files: [{ field: "f", path: "./x=y.txt" }],
    });
  });
});

describe("completeRequest", () => {
  const chat = { methods: ["POST"], match: "prefix", path: "/v1/chat" } as const;
  const models = { methods: ["GET"], match: "prefix", path: "/v1/models" } as const;

  it("fills in the only method and the only path", () => {
    expect(completeRequest(flags(), capability(chat))).toMatchObject({
      method: "POST",
      path: "/v1/chat",
    });
  });

  it("lets a method choose the path it has", () => {
    expect(completeRequest(flags("-X", "get"), capability(chat, models))).toMatchObject({
      path: "/v1/models",
    });
  });

  it("asks when there is a choice, or when a path cannot be called as it stands", () => {
    expect(() => completeRequest(flags(), capability(chat, models))).toThrow(usage);
    for (const path of ["/api/chat.", "/v1/"]) {
      expect(() => completeRequest(flags(), capability({ ...chat, path }))).toThrow(usage);
    }
    const pattern = { methods: ["GET"], match: "pattern", path: "/u/{id}" } as const;
    expect(() => completeRequest(flags(), capability(pattern))).toThrow(usage);
  });
});

describe("envelopeFromPayload", () => {
  const options = { credential: undefined, dryRun: false };
  const request = { method: "GET", path: "/" };

  it("takes a bare request and an envelope", () => {
    const expected = { capability: "p/c", request };
    expect(envelopeFromPayload(JSON.stringify(request), "p/c", options)).toEqual(expected);
    expect(
      envelopeFromPayload(JSON.stringify({ capability: " ", request }), "p/c", options),
    ).toEqual(expected);
    expect(
      envelopeFromPayload(JSON.stringify(expected), "p/c", { credential: "x", dryRun: true }),
    ).toEqual({
      ...expected,
      credential: "x",
      dryRun: true,
    });
  });

  it("leaves unknown members for the daemon to refuse", () => {
    const payload = JSON.stringify({ request: { ...request, url: "http://x" }, extra: 1 });
    expect(envelopeFromPayload(payload, "p/c", options)).toMatchObject({
      extra: 1,
      request: { url: "http://x" },
    });
  });

  it.each(["", "nonsense", "[]", "null", '"x"', '{"capability":"other/c","request":{}}'])(
    "refuses %j",
    (json) => {
      expect(() => envelopeFromPayload(json, "p/c", options)).toThrow(usage);
    },
  );

  it("refuses two credentials", () => {
    const json = JSON.stringify({ credential: "a", request });
    expect(() => envelopeFromPayload(json, "p/c", { credential: "b", dryRun: false })).toThrow(
      usage,
    );
  });
});
