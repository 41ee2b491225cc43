import type { ServerResponse } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import type { AivaultError } from "../src/errors.ts";
import { type Confirmable, createOperatorClient, type OperatorClient } from "../src/operator.ts";
import { bodyOf, type FakeDaemon, fakeDaemon } from "./fake-daemon.ts";

let daemon: FakeDaemon | undefined;
let operator: OperatorClient;
const seen: { method: string; url: string; body: string; type: string; confirm?: unknown }[] = [];

type Answer = (response: ServerResponse, confirm: unknown) => void;

async function start(answer: unknown = { items: [], next: null }): Promise<void> {
  seen.length = 0;
  daemon = await fakeDaemon(async (request, response) => {
    const body = (await bodyOf(request)).toString("latin1");
    const type = String(request.headers["content-type"] ?? "");
    const confirm = request.headers["aivault-confirm"];
    seen.push({ method: request.method ?? "", url: request.url ?? "", body, type, confirm });
    if (typeof answer === "function") (answer as Answer)(response, confirm);
    else response.end(JSON.stringify(answer));
  });
  operator = createOperatorClient({ socket: daemon.socket });
}

afterEach(async () => {
  operator.close();
  await daemon?.[Symbol.asyncDispose]();
});

describe("createSecret", () => {
  it("G1: sends the value as octets of their own, outside any JSON string", async () => {
    await start({ secret: {}, provisioning: {} });
    const value = Buffer.from("sk-\x00\xff binary", "latin1");
    await operator.createSecret({ name: "OPENAI_API_KEY" }, value);
    expect(seen[0]).toMatchObject({ method: "POST", url: "/aivault/secrets" });
    expect(seen[0]?.type).toMatch(/^multipart\/form-data; boundary=aivault-/);
    expect(seen[0]?.body).toContain('\r\n\r\n{"name":"OPENAI_API_KEY"}\r\n');
    expect(seen[0]?.body).toContain("\r\n\r\nsk-\x00\xff binary\r\n--");
  });
});

describe("the other operations", () => {
  it("go to the routes of the contract, ids percent-encoded as one segment", async () => {
    await start();
    await operator.rotateSecret("A/B", Buffer.from("v"));
    await operator.updateSecret("A", { name: "B" });
    await operator.deleteSecret("A");
    await operator.deleteCredential("c/1");
    await operator.deleteCapability("p/c");
    await operator.describe("p/c");
    await operator.audit({ limit: 5 });
    await operator.secrets({ scope: { kind: "workspace", workspaceId: "w" } });
    await operator.lock();
    await operator.attachSecret("A", { workspaceId: "w", groupId: "g" });
    await operator.dependants("A");
    await operator.verifySecret("A");
    await operator.setPolicy("p/c", { requestsPerMinute: 1 });
    await operator.deleteBinding("b/1");
    await operator.provider("acme");
    await operator.revokeToken("t");
    await operator.changeSettings({ requireToken: true });
    expect(seen.map(({ method, url }) => `${method} ${url}`)).toEqual([
      "PUT /aivault/secrets/A%2FB/value",
      "PATCH /aivault/secrets/A",
      "DELETE /aivault/secrets/A",
      "DELETE /aivault/credentials/c%2F1",
      "DELETE /aivault/capabilities/p%2Fc",
      "GET /aivault/capabilities/p%2Fc",
      "GET /aivault/audit?limit=5",
      "GET /aivault/secrets?scope=workspace&workspaceId=w",
      "POST /aivault/lock",
      "POST /aivault/secrets/A/attach",
      "GET /aivault/secrets/A/dependants",
      "POST /aivault/secrets/A/verify",
      "PUT /aivault/capabilities/p%2Fc/policy",
      "DELETE /aivault/bindings/b%2F1",
      "GET /aivault/providers/acme",
      "DELETE /aivault/tokens/t",
      "PATCH /aivault/settings",
    ]);
    expect(seen[0]).toMatchObject({ type: "application/octet-stream", body: "v" });
  });
});

describe("calls that destroy something", () => {
  it("G17: say first what they will do, and do it with the token of that", async () => {
    const confirmation = { token: "once", says: "deletes A; two credentials stop working" };
    await start((response: ServerResponse, confirm: unknown) => {
      if (confirm === "once") {
        response.end("{}");
        return;
      }
      const problem = { error: "conflict", reason: "confirmation_required", message: "not yet" };
      response.writeHead(409, { "aivault-error": "conflict" });
      response.end(JSON.stringify({ ...problem, requestId: "r", confirmation }));
    });
    for (const call of [
      (options: Confirmable) => operator.deleteSecret("A", options),
      (options: Confirmable) => operator.purgeSecret("A", options),
      (options: Confirmable) => operator.removeProvider("acme", options),
      (options: Confirmable) => operator.rotateMaster({}, options),
      (options: Confirmable) => operator.setOperatorPassphrase(options),
    ]) {
      const refused = await call({}).then(
        () => null,
        (error: unknown) => error as AivaultError,
      );
      expect(refused).toMatchObject({ code: "conflict", reason: "confirmation_required" });
      expect(refused?.confirmation).toEqual(confirmation);
      await call({ confirmation: refused?.confirmation?.token });
    }
    expect(seen).toHaveLength(10);
  });
});

describe("rotateMaster", () => {
  it("G1: sends passphrase and key as octets of their own", async () => {
    await start({ rewrapped: 1 });
    await operator.rotateMaster({ to: { kind: "passphrase" } }, { passphrase: Buffer.from("pä") });
    await operator.rotateMaster({ to: { kind: "env" } }, { key: Buffer.from("a2V5") });
    expect(seen[0]?.body).toContain('name="options"');
    expect(seen[0]?.body).toContain('{"to":{"kind":"passphrase"}}');
    expect(seen[0]?.body).toContain(`\r\n\r\n${Buffer.from("pä").toString("latin1")}\r\n--`);
    expect(seen[1]?.body).toContain("\r\n\r\na2V5\r\n--");
  });
});

describe("tailAudit", () => {
  it("yields entries line by line, however they are cut", async () => {
    await start((response: ServerResponse) => {
      response.write('{"seq":1,"tsMs":1,"event":{"kind":"a"}}\n{"se');
      setTimeout(() => response.end('q":2,"tsMs":2,"event":{"kind":"é"}}\n'), 20);
    });
    const entries = [];
    for await (const entry of operator.tailAudit({ afterSeq: 0 })) entries.push(entry.event.kind);
    expect(entries).toEqual(["a", "é"]);
    expect(seen[0]?.url).toBe("/aivault/audit/tail?afterSeq=0");
  });
});

describe("backup", () => {
  it("fails when the octets end early: half a backup is none", async () => {
    await start((response: ServerResponse) => {
      response.write("half");
      setTimeout(() => response.destroy(), 20);
    });
    const read = async () => {
      for await (const _ of await operator.backup(Buffer.from("p")));
    };
    await expect(read()).rejects.toMatchObject({ code: "CLIENT_RESPONSE_BROKEN" });
  });
});

describe("a session", () => {
  it("goes with every call", async () => {
    const sessions: unknown[] = [];
    daemon = await fakeDaemon((request, response) => {
      sessions.push(request.headers["aivault-operator-session"]);
      response.end('{"items":[],"next":null}');
    });
    operator = createOperatorClient({ socket: daemon.socket, session: "aos_1" });
    await operator.secrets();
    await operator.health();
    await operator.login(Buffer.from("p"));
    expect(sessions).toEqual(["aos_1", "aos_1", "aos_1"]);
  });
});
