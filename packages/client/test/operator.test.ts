import { afterEach, describe, expect, it } from "vitest";
import { createOperatorClient, type OperatorClient } from "../src/operator.ts";
import { bodyOf, type FakeDaemon, fakeDaemon } from "./fake-daemon.ts";

let daemon: FakeDaemon | undefined;
let operator: OperatorClient;
const seen: { method: string; url: string; body: string; type: string }[] = [];

async function start(answer: unknown = { items: [], next: null }): Promise<void> {
  seen.length = 0;
  daemon = await fakeDaemon(async (request, response) => {
    const body = (await bodyOf(request)).toString("latin1");
    const type = String(request.headers["content-type"] ?? "");
    seen.push({ method: request.method ?? "", url: request.url ?? "", body, type });
    response.end(JSON.stringify(answer));
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
    ]);
    expect(seen[0]).toMatchObject({ type: "application/octet-stream", body: "v" });
  });
});
