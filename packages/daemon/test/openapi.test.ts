// The OpenAPI document: generated, checked in, complete, and true. Every operation's example is sent to a
// real daemon, in order, and what comes back is held to the schema of the document.

import { spawnSync } from "node:child_process";
import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseEnvelope } from "@aivault/policy";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as z from "zod";
import { callerRoutes } from "../src/caller-routes.ts";
import { envelope } from "../src/openapi/answers.ts";
import { openApiDocument, operations } from "../src/openapi/document.ts";
import { OPERATOR_PASSPHRASE, SECRET, SECRET_VALUE } from "../src/openapi/examples.ts";
import type { Operation } from "../src/openapi/operation.ts";
import { operatorRoutes } from "../src/operator-routes.ts";
import type { Daemon } from "../src/start-daemon.ts";
import { type StandIn, startStandIn } from "./stand-in.ts";
import { type TestVault, testVault } from "./vault.ts";
import { type CallOptions, call, confirmed, form, json } from "./wire.ts";

// biome-ignore lint/suspicious/noExplicitAny: what is in it is what these tests are about.
type Document = any;

const FILE = new URL("../openapi.json", import.meta.url);
const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const document: Document = JSON.parse(JSON.stringify(openApiDocument()));

it("is checked in as it is generated", async () => {
  const { stdout, status } = spawnSync(
    join(ROOT, "node_modules", ".bin", "biome"),
    ["format", "--stdin-file-path=openapi.json"],
    { input: JSON.stringify(document), encoding: "utf8", cwd: new URL("..", import.meta.url) },
  );
  expect(status).toBe(0);
  // After a change that is meant: vitest run -u packages/daemon/test/openapi.test.ts
  await expect(stdout).toMatchFileSnapshot(FILE.pathname);
});

describe("the document", () => {
  const keyOf = ({ methods, path }: { methods: readonly string[]; path: string }) =>
    `${methods.join()} ${path}`;
  const documented = (socket: "caller" | "operator") =>
    operations.filter(
      ({ sockets, request }) => sockets.includes(socket) && request?.kind !== "any",
    );

  it.each([
    ["caller", callerRoutes],
    ["operator", operatorRoutes],
  ] as const)("has the routes of the %s socket, and no others", (socket, routes) => {
    const served = routes.map(({ method, path }) => `${method} ${path}`);
    expect(documented(socket).map(keyOf).sort()).toEqual(served.sort());
  });

  it("says of every operation where it is, what it takes, and shows one", () => {
    const ids: string[] = [];
    for (const [path, methods] of Object.entries<Document>(document.paths)) {
      for (const operation of Object.values<Document>(methods)) {
        ids.push(operation.operationId);
        const inPath = operation.parameters.filter((each: Document) => each.in === "path");
        expect(inPath.map(({ name }: Document) => `{${name}}`)).toEqual(
          path.match(/\{\w+\}/g) ?? [],
        );
        expect(operation.responses.default).toEqual({ $ref: "#/components/responses/Problem" });
        expect(operation["x-aivault-sockets"].length).toBeGreaterThan(0);
      }
    }
    expect(new Set(ids).size).toBe(ids.length);
    for (const { id, request, response, example } of operations) {
      const hasRequest = request === undefined || example.request !== undefined;
      expect([id, hasRequest || request?.kind === "any" || id === "unlock"]).toEqual([id, true]);
      const hasResponse = example.response !== undefined;
      expect([id, hasResponse || /^(provider|octets|upgrade)$/.test(response.kind)]).toEqual([
        id,
        true,
      ]);
    }
  });

  it("refers to nothing that is not there, and keeps nothing that is not referred to", () => {
    const references = JSON.stringify(document).match(/"#\/[^"]+"/g) ?? [];
    const names = new Set(references.map((text) => text.slice(1, -1)));
    for (const name of names) {
      const found = name
        .slice(2)
        .split("/")
        .reduce((at, part) => at?.[part], document);
      expect(found, name).toBeDefined();
    }
    for (const name of Object.keys(document.components.schemas)) {
      expect(names, name).toContain(`#/components/schemas/${name}`);
    }
  });

  it("says what the server takes: what is in no schema is refused", () => {
    for (const { id, request } of operations) {
      if (request?.kind !== "json" || id === "addProvider") continue;
      const schema = resolve(contentOf(id, "requestBody").schema);
      const one = schema.anyOf?.[0] ?? schema;
      expect([id, one.additionalProperties]).toEqual([id, false]);
    }
  });

  it("agrees with the parser of envelopes", () => {
    const request = { method: "GET", path: "/v1/models" };
    const cases: unknown[] = [
      { capability: "a/b", request },
      { capability: "a/b", credential: "c", dryRun: true, request },
      { capability: "a/b", request: { ...request, headers: [{ name: "a", value: "b" }] } },
      { capability: "a/b", request: { ...request, body: "x" } },
      { capability: "a/b", request: { ...request, bodyBase64: "eA==" } },
      { capability: "a/b", request: { ...request, multipart: { a: "b" } } },
      { capability: "a/b", request: { ...request, bodyUpload: true } },
      { capability: "a/b", request: { ...request, multipartFiles: [{ field: "a" }] } },
      { capability: "", request },
      { capability: "a/b", request, extra: 1 },
      { capability: "a/b", request: { ...request, extra: 1 } },
      { capability: "a/b", request: { ...request, url: "https://example.com" } },
      { capability: "a/b", request: { ...request, bodyFilePath: "/etc/passwd" } },
      { capability: "a/b", request: { ...request, body: 1 } },
      { capability: "a/b", request: { ...request, bodyBase64: "!" } },
      { capability: "a/b", dryRun: "yes", request },
      { capability: "a/b" },
      { request },
      null,
      [],
    ];
    for (const each of cases) {
      const parsed = parseEnvelope(each, { uploads: true });
      expect([each, envelope.safeParse(each).success]).toEqual([each, parsed.ok]);
    }
  });
});

function operationOf(id: string): Document {
  for (const methods of Object.values<Document>(document.paths)) {
    for (const operation of Object.values<Document>(methods)) {
      if (operation.operationId === id || operation.operationId === `${id}Get`) return operation;
    }
  }
  throw new RangeError(`no operation ${id}`);
}

function contentOf(id: string, part: "requestBody" | number): Document {
  const operation = operationOf(id);
  const { content } = part === "requestBody" ? operation.requestBody : operation.responses[part];
  return Object.values(content)[0];
}

function resolve(schema: Document): Document {
  const name = schema.$ref?.split("/").at(-1);
  return name === undefined ? schema : document.components.schemas[name];
}

/** A check of a schema of the document, which was made by another than the schema it came from. */
function validator(schema: Document): (value: unknown) => string[] {
  const text = JSON.stringify({ ...schema, $defs: document.components.schemas });
  const local = JSON.parse(text.replaceAll("#/components/schemas/", "#/$defs/"));
  const compiled = z.fromJSONSchema(close(local));
  return (value) => {
    const result = compiled.safeParse(value);
    return result.success ? [] : [JSON.stringify(result.error.issues).slice(0, 2_000)];
  };
}

/** A client takes members it does not know; the document has to know them all. */
function close(schema: Document): Document {
  if (Array.isArray(schema)) return schema.map(close);
  if (typeof schema !== "object" || schema === null) return schema;
  const closed = Object.fromEntries(
    Object.entries(schema).map(([name, value]) => [name, close(value)]),
  );
  const isObject = closed["type"] === "object" && closed["properties"] !== undefined;
  return isObject && closed["additionalProperties"] === undefined
    ? { ...closed, additionalProperties: false }
    : closed;
}

describe("the examples", () => {
  it.each(operations.map((operation) => [operation.id, operation] as const))(
    "of %s are of its schemas",
    (id, { request, response, status = 200, example }) => {
      if (request?.kind === "json" || request?.kind === "envelope") {
        expect(validator(contentOf(id, "requestBody").schema)(example.request)).toEqual([]);
      }
      if (request?.kind === "form") {
        const parts = example.request as Record<string, unknown>;
        for (const { name, schema } of request.parts) {
          if (schema === undefined || parts[name] === undefined) continue;
          const { properties } = contentOf(id, "requestBody").schema;
          expect(validator(properties[name])(parts[name])).toEqual([]);
        }
      }
      if (response.kind === "json" || response.kind === "lines") {
        expect(validator(contentOf(id, status).schema)(example.response)).toEqual([]);
      }
    },
  );
});

describe("a real daemon", { timeout: 60_000 }, () => {
  let standIn: StandIn;
  let vault: TestVault;
  let daemon: Daemon;
  let session: string | undefined;
  /** What the examples call by another name than chance did. */
  const real = new Map<string, string>();

  beforeAll(async () => {
    standIn = await startStandIn({ credentials: { "api.openai.com": { secret: SECRET_VALUE } } });
    vault = testVault();
    await vault.init({ dev: true });
    daemon = await vault.start({ env: { ...vault.env, ...standIn.daemonEnvironment } });
    // What the example of a credential refers to.
    const billing = form(["secret", JSON.stringify({ name: "BILLING_TOKEN" })], ["value", "x"]);
    await call(daemon.operatorSocket, "POST", "/aivault/secrets", billing);
  });
  afterAll(async () => {
    await vault.dispose();
    await standIn.stop();
  });

  it("is asked for all but these, which others have to take part in", () => {
    const left = operations.filter(({ example }) => example.needs !== undefined);
    expect(left.map(({ id }) => id)).toEqual(["completeLogin", "pollLogin", "openWebSocket"]);
  });

  const replayed = operations.filter(({ example }) => example.needs === undefined);
  const places = replayed.flatMap((operation) =>
    operation.sockets.flatMap((socket) =>
      operation.methods
        .slice(0, 1)
        .map((method) => [socket, operation.id, method, operation] as const),
    ),
  );

  it.each(places)(
    "on the %s socket, answers the example of %s as documented",
    async (socket, id, method, operation) => {
      const { response, status = 200, example } = operation;
      const answer = await replay(operation, socket, method);
      expect([answer.status, answer.status >= 400 && answer.text]).toEqual([status, false]);
      expect(answer.headers["aivault-error"]).toBeUndefined();
      switch (response.kind) {
        case "json":
        case "lines": {
          const value = JSON.parse(answer.text);
          expect(validator(contentOf(id, status).schema)(value)).toEqual([]);
          // The example tells no other story than the daemon.
          const expected = Object.keys(example.response as object).filter(
            (name) => name !== "token",
          );
          expect(Object.keys(value)).toEqual(expect.arrayContaining(expected));
          remember(id, value);
          break;
        }
        case "text":
          expect(answer.text).toContain(example.response);
          break;
        case "octets":
          expect(answer.headers["content-type"]).toBe("application/octet-stream");
          expect(answer.text.length).toBeGreaterThan(100);
          break;
        case "provider":
          for (const name of ["capability", "credential", "method", "url"]) {
            expect(answer.headers[`aivault-${name}`]).toEqual(expect.any(String));
          }
      }
      if (operation.path !== "/metrics") {
        expect(answer.headers["aivault-request-id"]).toEqual(expect.any(String));
      }
    },
  );

  it("has answered them all, and is closed", () => daemon.closed);

  function remember(id: string, value: Document): void {
    if (id === "mintToken") {
      real.set("9f86d081884c7d65", value.tokenId);
      real.set("token", value.token);
    }
    if (id === "createSecret") real.set(SECRET.secretId, value.secret.secretId);
    if (id === "keepUndo") real.set("undo-example", value.id);
    if (id === "beginLogin") real.set("login-example", value.id);
    if (id === "logIn") session = value.session;
  }

  async function replay(operation: Operation, socket: "caller" | "operator", method: string) {
    const at = socket === "caller" ? daemon.socket : daemon.operatorSocket;
    const options = await requestOf(operation, socket);
    const path = targetOf(operation);
    if (operation.confirmed) await expectQuestion(at, method, path, options);
    if (operation.confirmed) return await confirmed(at, method, path, options);
    if (operation.response.kind === "lines") return await firstLine(at, path);
    return await call(at, method, path, options);
  }

  async function requestOf(
    { id, request, example, needsToken }: Operation,
    socket: string,
  ): Promise<CallOptions> {
    const value = example.request as Document;
    const body: CallOptions = (() => {
      switch (request?.kind) {
        case "json":
        case "envelope":
          return json(value);
        case "octets":
          if (value === undefined) return {};
          return { headers: { "content-type": "application/octet-stream" }, body: value };
        case "form":
          return form(
            ...request.parts
              .filter(({ name }) => value[name] !== undefined)
              .map(({ name, schema }): [string, string, string?] =>
                schema === undefined
                  ? [name, value[name]]
                  : [name, JSON.stringify(value[name]), "application/json"],
              ),
          );
        default:
          return {};
      }
    })();
    const withToken = needsToken || (id === "whoAmI" && socket === "caller");
    // It is revoked by an example, and a token of one's own is needed after it.
    const token = withToken ? await freshToken() : null;
    return {
      ...body,
      headers: {
        ...body.headers,
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(session === undefined ? {} : { "aivault-operator-session": session }),
      },
    };
  }

  async function freshToken(): Promise<string> {
    const body = json({ capabilities: ["openai/*"] });
    return (await call(daemon.operatorSocket, "POST", "/aivault/tokens", body)).json.token;
  }

  function targetOf({ path, example }: Operation): string {
    const target = path.replace(/\{(\w+)\}/g, (_, name: string) => {
      const value = example.parameters?.[name] ?? "";
      return name === "path" ? value : encodeURIComponent(real.get(value) ?? value);
    });
    const query = new URLSearchParams(example.query).toString();
    return query === "" ? target : `${target}?${query}`;
  }

  async function expectQuestion(at: string, method: string, path: string, options: CallOptions) {
    const asked = await call(at, method, path, options);
    expect([asked.status, asked.json.reason]).toEqual([409, "confirmation_required"]);
    expect(validator({ $ref: "#/components/schemas/Problem" })(asked.json)).toEqual([]);
  }

  function firstLine(socketPath: string, path: string) {
    return new Promise<{ status: number; headers: IncomingHttpHeaders; text: string }>(
      (done, reject) => {
        httpRequest({ socketPath, path, headers: { host: "aivault" }, agent: false })
          .on("response", async (response) => {
            const { statusCode: status = 0, headers } = response;
            let text = "";
            for await (const chunk of response.setEncoding("utf8")) {
              text += chunk;
              if (text.includes("\n")) break;
            }
            done({ status, headers, text: text.split("\n")[0] ?? "" });
          })
          .on("error", reject)
          .end();
      },
    );
  }
});

describe("whatever is not documented", () => {
  let vault: TestVault;
  let daemon: Daemon;
  beforeAll(async () => {
    vault = testVault();
    await vault.init();
    daemon = await vault.start();
  });
  afterAll(() => vault.dispose());

  const places = operations
    .filter(({ request }) => request?.kind !== "any")
    .map((operation) => [operation.id, operation] as const);

  it.each(places)("is refused %s as a query parameter", async (_, operation) => {
    const { path, methods, sockets, request, example } = operation;
    const socket = sockets.includes("operator") ? daemon.operatorSocket : daemon.socket;
    const target = path.replace("{id}", "x");
    const body =
      request?.kind === "json" || request?.kind === "envelope" ? json(example.request) : {};
    const headers =
      socket === daemon.socket
        ? { authorization: `Bearer ${await tokenFor()}`, ...body.headers }
        : body.headers;
    const options = { ...body, ...(headers && { headers }) };
    for (const query of ["?matrix=1", "?after=a&after=b"]) {
      const answer = await call(socket, methods[0] ?? "", `${target}${query}`, options);
      expect([answer.status, answer.json?.error]).toEqual([400, "invalid_request"]);
      expect(answer.json.message).toMatch(/query|member/);
    }
  });

  async function tokenFor(): Promise<string> {
    const body = json({ capabilities: ["*"] });
    return (await call(daemon.operatorSocket, "POST", "/aivault/tokens", body)).json.token;
  }
});

it("examples hold no passphrase and no value that anybody uses", () => {
  expect(OPERATOR_PASSPHRASE).toMatch(/horse/);
  expect(JSON.stringify(document)).not.toMatch(/sk-(proj|ant|live)-/);
});
