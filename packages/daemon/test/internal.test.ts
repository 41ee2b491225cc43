// A service inside the operator's network: a vault that is no development vault, a real TLS server with a
// private authority, and the sealed setting that admits exactly this one.

import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Daemon } from "../src/start-daemon.ts";
import { type TestVault, testVault } from "./vault.ts";
import { type Answer, call, confirmed, form, json } from "./wire.ts";

const SECRET = "canary-internal-0123456789";

let vault: TestVault;
let daemon: Daemon;
let server: Server;
let ca = "";
let port = 0;
let connections = 0;

beforeAll(async () => {
  // By URL: it is JavaScript, and its types are not this package's business.
  const url = new URL("../../../e2e/support/certificate-authority.mjs", import.meta.url).href;
  const { createCertificateAuthority } = await import(url);
  const authority = createCertificateAuthority();
  const { certificatePem, keyPem } = authority.issue({ hosts: ["localhost", "127.0.0.1"] });
  ca = authority.certificatePem;
  server = createServer({ cert: certificatePem, key: keyPem }, (request, response) => {
    response.end(`seen ${request.headers["x-key"]}`);
  });
  server.on("secureConnection", () => {
    connections++;
  });
  await new Promise<void>((resolve) => server.listen(0, resolve));
  ({ port } = server.address() as AddressInfo);
  vault = testVault();
  await vault.init();
  daemon = await vault.start();
  await operate(
    "POST",
    "/aivault/secrets",
    form(["secret", JSON.stringify({ name: "BUILD_KEY" }), "application/json"], ["value", SECRET]),
  );
});

afterAll(async () => {
  await vault.dispose();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const operate = (method: string, path: string, options = {}): Promise<Answer> =>
  call(daemon.operatorSocket, method, path, options);
const set = (allowedInternal: unknown): Promise<Answer> =>
  operate("PATCH", "/aivault/settings", json({ allowedInternal }));
const createCredential = (host: string): Promise<Answer> =>
  operate(
    "POST",
    "/aivault/credentials",
    json({
      id: "build",
      provider: "build",
      auth: { strategy: "header", name: "x-key", template: "{{key}}" },
      secrets: { key: "BUILD_KEY" },
      hosts: [host],
    }),
  );
const createCapability = (name: string, host: string): Promise<Answer> =>
  operate(
    "POST",
    "/aivault/capabilities",
    json({
      id: `build/${name}`,
      provider: "build",
      host,
      rules: [{ methods: ["GET"], match: "prefix", path: "/" }],
    }),
  );
const invoke = (name: string): Promise<Answer> =>
  call(
    daemon.socket,
    "POST",
    "/aivault/proxy",
    json({ capability: `build/${name}`, request: { method: "GET", path: "/x" } }),
  );
const events = async (kind: string): Promise<readonly Record<string, unknown>[]> => {
  const { json: page } = await operate("GET", "/aivault/audit?limit=100");
  return page.items
    .map(({ event }: { event: Record<string, unknown> }) => event)
    .filter((event: Record<string, unknown>) => event["kind"] === kind);
};

describe("an internal service", () => {
  it("G5: cannot be named as long as no operator allowed it", async () => {
    for (const answer of [
      await createCredential("localhost"),
      await createCapability("read", `localhost:${port}`),
    ]) {
      expect([answer.status, answer.json.error]).toEqual([400, "invalid_request"]);
    }
    expect((await operate("GET", "/aivault/status")).json.allowedInternal).toEqual([]);
  });

  it.each([
    "*:443",
    "*.internal:443",
    "10.0.0.0/8:443",
    "localhost",
    "localhost:*",
    "localhost:1-65535",
    "0.0.0.0:443",
    "127.1:443",
    "[::]:443",
    "[::ffff:127.0.0.1]:443",
    "https://localhost:443",
    "localhost:443 ",
  ])("G5: is one host and one port: %s is refused", async (service) => {
    const refused = await set([{ service, ca: null }]);
    expect([refused.status, refused.json.error]).toEqual([400, "invalid_request"]);
  });

  it("is refused with what are no certificates, and never with a key", async () => {
    const service = `localhost:${port}`;
    const key = `-----BEGIN ${"PRIVATE"} KEY-----\nAAAA\n-----END ${"PRIVATE"} KEY-----\n`;
    for (const bad of ["", "nonsense", key, ca + key, ca.replace(/\n.{40}/, "\n")]) {
      expect((await set([{ service, ca: bad }])).status).toBe(400);
    }
    expect((await set([1, 2].map(() => ({ service, ca: null })))).status).toBe(400);
  });

  it("G5, G18: is reached over TLS once it is allowed, and each use is on record", async () => {
    const service = `localhost:${port}`;
    expect((await set([{ service, ca }])).json.allowedInternal).toEqual([{ service, ca }]);
    expect((await operate("GET", "/aivault/status")).json.allowedInternal).toEqual([service]);
    const [changed] = await events("settings.changed");
    expect(changed?.["settings"]).toMatchObject({
      allowedInternal: [{ service, caSha256: expect.stringMatching(/^[0-9a-f]{64}$/) }],
    });
    expect((await createCredential("localhost")).status).toBe(201);
    expect((await createCapability("read", service)).status).toBe(201);
    const answer = await invoke("read");
    expect([answer.status, answer.text]).toEqual([200, "seen [REDACTED]"]);
    const [decided] = await events("invocation.decided");
    expect(decided).toMatchObject({ decision: "allow", host: "localhost", internal: service });
  });

  it("G5: is that port and no other", async () => {
    const other = await createCapability("other", `localhost:${port + 1}`);
    expect([other.status, other.json.error]).toEqual([400, "invalid_request"]);
    const byAddress = await createCapability("other", `127.0.0.1:${port}`);
    expect([byAddress.status, byAddress.json.error]).toEqual([400, "invalid_request"]);
  });

  it("is believed by its own authority or the public ones, and by no other", async () => {
    const service = `localhost:${port}`;
    await set([{ service, ca: null }]);
    const answer = await invoke("read");
    expect([answer.status, answer.json.error]).toEqual([502, "upstream_unreachable"]);
    await set([{ service, ca }]);
    expect((await invoke("read")).status).toBe(200);
  });

  it("is allowed in the daemon that comes next, too", async () => {
    await daemon.close();
    daemon = await vault.start();
    expect((await invoke("read")).status).toBe(200);
  });

  it("G5: is withdrawn at once, open connections included", async () => {
    await invoke("read");
    const before = connections;
    await set([]);
    const refused = await invoke("read");
    expect([refused.status, refused.json.error]).toEqual([404, "capability_not_found"]);
    const { setAside } = (await operate("GET", "/aivault/status")).json;
    expect(setAside).toEqual([
      { kind: "credential", id: "build", problem: expect.stringContaining("localhost") },
      { kind: "capability", id: "build/read", problem: expect.stringContaining("localhost") },
    ]);
    await set([{ service: `localhost:${port}`, ca }]);
    expect((await invoke("read")).status).toBe(200);
    expect(connections).toBe(before + 1);
  });

  it("can be an address, which is then the host", async () => {
    const service = `127.0.0.1:${port}`;
    await set([
      { service: `localhost:${port}`, ca },
      { service, ca },
    ]);
    expect(
      (await confirmed(daemon.operatorSocket, "DELETE", "/aivault/credentials/build")).status,
    ).toBe(200);
    expect((await createCredential("127.0.0.1")).status).toBe(201);
    expect((await createCapability("address", service)).status).toBe(201);
    expect((await invoke("address")).status).toBe(200);
    const [decided] = await events("invocation.decided");
    expect(decided).toMatchObject({ host: "127.0.0.1", internal: service });
  });
});
