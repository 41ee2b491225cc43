// What an operator does to secrets, policies, bindings and providers, over the real socket.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Daemon } from "../src/start-daemon.ts";
import { type StandIn, startStandIn } from "./stand-in.ts";
import { type TestVault, testVault } from "./vault.ts";
import { call, confirmed, form, json } from "./wire.ts";

const CAPABILITY = "openai/chat-completions";
const KEY = "sk-proj-1";

let standIn: StandIn;
let vault: TestVault;
let daemon: Daemon;

beforeAll(async () => {
  standIn = await startStandIn({ credentials: { "api.openai.com": { secret: KEY } } });
  vault = testVault();
  await vault.init({ dev: true });
  daemon = await vault.start({ env: { ...vault.env, ...standIn.daemonEnvironment } });
  expect((await createSecret("OPENAI_API_KEY", KEY)).status).toBe(201);
});

afterAll(async () => {
  await vault.dispose();
  await standIn.stop();
});

const operate = (method: string, path: string, options = {}) =>
  call(daemon.operatorSocket, method, path, options);
const decide = (method: string, path: string, options = {}) =>
  confirmed(daemon.operatorSocket, method, path, options);

function createSecret(name: string, value: string, scope?: object) {
  const secret = JSON.stringify({ name, ...(scope === undefined ? {} : { scope }) });
  return operate("POST", "/aivault/secrets", form(["secret", secret], ["value", value]));
}

const invoke = (change: object = {}) =>
  call(
    daemon.socket,
    "POST",
    "/aivault/proxy",
    json({
      capability: CAPABILITY,
      request: {
        method: "POST",
        path: "/v1/chat/completions",
        headers: [{ name: "content-type", value: "application/json" }],
        body: JSON.stringify({ model: "m", messages: [] }),
      },
      ...change,
    }),
  );

const kinds = async () =>
  (await operate("GET", "/aivault/audit?limit=20")).json.items.map(
    ({ event }: { event: { kind: string } }) => event.kind,
  );

describe("deleting a secret", () => {
  it("G17: says first what stops working, and does nothing", async () => {
    await createSecret("STRIPE_SECRET_KEY", "sk_live_1");
    const asked = await operate("DELETE", "/aivault/secrets/STRIPE_SECRET_KEY");
    expect([asked.status, asked.json.error, asked.json.reason]).toEqual([
      409,
      "conflict",
      "confirmation_required",
    ]);
    expect(asked.json.confirmation.says).toContain("credential stripe");
    expect((await operate("GET", "/aivault/secrets/STRIPE_SECRET_KEY")).status).toBe(200);
  });

  it("G17: takes the token for another call from whoever tries, and for that call only once", async () => {
    await createSecret("A_ONE", "1");
    await createSecret("A_TWO", "2");
    const asked = await operate("DELETE", "/aivault/secrets/A_ONE");
    const headers = { "aivault-confirm": asked.json.confirmation.token };
    const other = await operate("DELETE", "/aivault/secrets/A_TWO", { headers });
    expect(other.json.reason).toBe("confirmation_required");
    const spent = await operate("DELETE", "/aivault/secrets/A_ONE", { headers });
    expect(spent.json.reason).toBe("confirmation_required");
    expect((await decide("DELETE", "/aivault/secrets/A_ONE")).status).toBe(200);
    expect(await kinds()).toEqual(expect.arrayContaining(["operator.confirmed", "secret.deleted"]));
  });

  it("G17: asks again when more would stop working than was said", async () => {
    const { secretId } = (await createSecret("B_KEY", "1")).json.secret;
    const path = `/aivault/secrets/${secretId}`;
    const asked = await operate("DELETE", path);
    const headers = { "aivault-confirm": asked.json.confirmation.token };
    const made = await operate(
      "POST",
      "/aivault/credentials",
      json({
        id: "b",
        provider: "acme",
        secrets: { secret: secretId },
        auth: { strategy: "header", name: "authorization", template: "Bearer {{secret}}" },
        hosts: ["api.acme.example"],
      }),
    );
    expect(made.status).toBe(201);
    const again = await operate("DELETE", path, { headers });
    expect(again.json.confirmation.says).toContain("credential b");
  });
});

describe("purging a secret", () => {
  it("forgets it, deleted before or not", async () => {
    const { secretId } = (await createSecret("C_KEY", "1")).json.secret;
    const purged = await decide("POST", `/aivault/secrets/${secretId}/purge`);
    expect([purged.status, purged.json.secret.secretId]).toEqual([200, secretId]);
    expect((await operate("GET", `/aivault/secrets/${secretId}`)).status).toBe(404);
    const { secretId: second } = (await createSecret("C_KEY", "2")).json.secret;
    await decide("DELETE", `/aivault/secrets/${second}`);
    expect((await decide("POST", `/aivault/secrets/${second}/purge`)).status).toBe(200);
    expect(await kinds()).toContain("secret.purged");
  });
});

describe("a secret", () => {
  it("shows what depends on it", async () => {
    const { json: dependants } = await operate("GET", "/aivault/secrets/OPENAI_API_KEY/dependants");
    expect(dependants.credentials).toEqual(["openai"]);
    expect(dependants.capabilities).toContain(CAPABILITY);
    expect(dependants.bindings).toEqual([]);
  });

  it("is proved by asking the provider", async () => {
    const { status, json: proof } = await operate("POST", "/aivault/secrets/OPENAI_API_KEY/verify");
    expect([status, proof.ok, proof.status, proof.provider]).toEqual([200, true, 200, "openai"]);
    expect(JSON.stringify(proof)).not.toContain(KEY);
    const rotate = {
      headers: { "content-type": "application/octet-stream" },
      body: "sk-proj-wrong",
    };
    await operate("PUT", "/aivault/secrets/OPENAI_API_KEY/value", rotate);
    const wrong = await operate("POST", "/aivault/secrets/OPENAI_API_KEY/verify");
    expect([wrong.json.ok, wrong.json.status]).toEqual([false, 401]);
    await operate("PUT", "/aivault/secrets/OPENAI_API_KEY/value", { ...rotate, body: KEY });
  });

  it("that no provider claims cannot be proved", async () => {
    await createSecret("D_KEY", "1");
    const answer = await operate("POST", "/aivault/secrets/D_KEY/verify");
    expect([answer.status, answer.json.error]).toEqual([409, "conflict"]);
  });

  it("is attached to a group, and detached", async () => {
    const group = json({ workspaceId: "w", groupId: "g" });
    const attached = await operate("POST", "/aivault/secrets/D_KEY/attach", group);
    expect(attached.json.attachedGroups).toEqual([{ workspaceId: "w", groupId: "g" }]);
    const detached = await operate("POST", "/aivault/secrets/D_KEY/detach", group);
    expect(detached.json.attachedGroups).toEqual([]);
  });
});

describe("a capability's policy", () => {
  const path = `/aivault/capabilities/${encodeURIComponent(CAPABILITY)}/policy`;

  it("G10: holds from the next request on, until it is taken back", async () => {
    expect((await operate("GET", path)).json).toEqual({});
    const set = await operate("PUT", path, json({ requestBytesMax: 5 }));
    expect([set.status, set.json]).toEqual([200, { requestBytesMax: 5 }]);
    expect((await invoke()).json.error).toBe("request_too_large");
    expect((await operate("GET", path)).json).toEqual({ requestBytesMax: 5 });
    expect((await operate("DELETE", path)).status).toBe(200);
    expect((await invoke()).status).toBe(200);
    expect((await operate("DELETE", path)).status).toBe(404);
  });

  it("is refused where it makes no sense", async () => {
    expect((await operate("PUT", path, json({ requestBytesMax: -1 }))).status).toBe(400);
    expect((await operate("PUT", path, json({ secrets: "all" }))).status).toBe(400);
    const unknown = "/aivault/capabilities/no%2Fsuch/policy";
    expect((await operate("GET", unknown)).json.error).toBe("capability_not_found");
    expect((await operate("PUT", unknown, json({}))).json.error).toBe("capability_not_found");
  });
});

describe("a binding", () => {
  it("is made, listed, named as a dependant, and deleted", async () => {
    const made = await operate(
      "POST",
      "/aivault/bindings",
      json({ capability: "openai/*", credential: "openai" }),
    );
    expect(made.status).toBe(201);
    expect(made.json).toMatchObject({
      capability: "openai/*",
      scope: { kind: "global" },
      consumer: null,
      credential: "openai",
      secretId: null,
    });
    const listed = await operate("GET", "/aivault/bindings");
    expect(listed.json).toEqual({ items: [made.json], next: null });
    const { json: dependants } = await operate("GET", "/aivault/secrets/OPENAI_API_KEY/dependants");
    expect(dependants.bindings).toEqual([made.json.id]);
    expect((await operate("DELETE", `/aivault/bindings/${made.json.id}`)).status).toBe(200);
    expect((await operate("DELETE", `/aivault/bindings/${made.json.id}`)).status).toBe(404);
  });

  it("names a credential or a secret, and not both or neither", async () => {
    const binding = { capability: "openai/*" };
    const both = { ...binding, credential: "openai", secret: "OPENAI_API_KEY" };
    for (const input of [binding, both]) {
      expect((await operate("POST", "/aivault/bindings", json(input))).status).toBe(400);
    }
  });
});

const ACME = {
  id: "acme",
  name: "Acme",
  category: "developer",
  docsUrl: "https://docs.acme.example/api",
  secrets: [
    {
      name: "ACME_TOKEN",
      placeholder: "token",
      description: "A token.",
      pattern: "^acme_[a-z]{8}$",
      example: "acme_aaaaaaaa",
    },
  ],
  auth: { strategy: "header", name: "authorization", template: "Bearer {{token}}" },
  hosts: ["api.acme.example"],
  capabilities: [
    {
      id: "acme/things",
      description: "Read things.",
      host: "api.acme.example",
      risk: "read",
      rules: [{ methods: ["GET"], match: "prefix", path: "/v1/things" }],
    },
  ],
};

const ON_OPENAI = {
  hosts: ["api.openai.com"],
  capabilities: ACME.capabilities.map((each) => ({ ...each, host: "api.openai.com" })),
};

describe("an operator's provider", () => {
  it("lists the registry's, with its digest", async () => {
    const { json: list } = await operate("GET", "/aivault/providers");
    expect(list.registryDigest).toMatch(/^[0-9a-f]{64}$/);
    expect(list.items.find(({ id }: { id: string }) => id === "openai").origin).toBe("registry");
    const { json: openai } = await operate("GET", "/aivault/providers/openai");
    expect(openai.capabilities.length).toBeGreaterThan(1);
    expect((await operate("GET", "/aivault/providers/none")).json.error).toBe("not_found");
  });

  it("is provisioned like the registry's, survives a restart, and goes when nothing uses it", async () => {
    const made = await operate("POST", "/aivault/providers", json(ACME));
    expect([made.status, made.json.origin, made.json.message]).toEqual([
      201,
      "operator",
      undefined,
    ]);
    const stored = await createSecret("ACME_TOKEN", "t");
    expect(stored.json.provisioning).toMatchObject({ provider: "acme", credential: "acme" });
    const shown = await call(daemon.socket, "GET", "/aivault/capabilities/acme%2Fthings");
    expect(shown.json.ready).toBe(true);

    await daemon.close();
    daemon = await vault.start({ env: { ...vault.env, ...standIn.daemonEnvironment } });
    const again = await call(daemon.socket, "GET", "/aivault/capabilities/acme%2Fthings");
    expect(again.json.ready).toBe(true);

    const used = await decide("DELETE", "/aivault/providers/acme");
    expect([used.status, used.json.reason]).toEqual([409, undefined]);
    await operate("DELETE", "/aivault/credentials/acme");
    expect((await decide("DELETE", "/aivault/providers/acme")).status).toBe(200);
    expect((await operate("GET", "/aivault/providers/acme")).status).toBe(404);
  });

  it("G4: does not come back with another host, to which pinned secrets would go", async () => {
    const elsewhere = JSON.parse(JSON.stringify(ACME).replaceAll("acme.example", "evil.example"));
    const refused = await operate("POST", "/aivault/providers", json(elsewhere));
    expect([refused.status, refused.json.reason]).toEqual([409, "secret_pinned"]);
    expect((await operate("POST", "/aivault/providers", json(ACME))).status).toBe(201);
    expect((await decide("DELETE", "/aivault/providers/acme")).status).toBe(200);
  });

  it.each<[string, Partial<typeof ACME>, string]>([
    ["a built-in id", { id: "openai" }, "openai"],
    [
      "a built-in secret",
      { secrets: ACME.secrets.map((each) => ({ ...each, name: "OPENAI_API_KEY" })) },
      "OPENAI",
    ],
    ["a built-in host", ON_OPENAI, "api.openai.com"],
  ])("G4: does not take over %s", async (_, change, named) => {
    const definition = { ...ACME, id: "acme2", ...change };
    const capabilities = definition.capabilities.map((each) => ({
      ...each,
      id: `${definition.id}/things`,
    }));
    const refused = await operate(
      "POST",
      "/aivault/providers",
      json({ ...definition, capabilities }),
    );
    expect([refused.status, refused.json.error]).toEqual([409, "conflict"]);
    expect(refused.json.message).toContain(named);
  });

  it("that is malformed is refused, with every complaint", async () => {
    const refused = await operate("POST", "/aivault/providers", json({ ...ACME, hosts: "all" }));
    expect([refused.status, refused.json.error]).toEqual([400, "invalid_request"]);
    expect(refused.json.message).toContain("hosts");
  });

  it("does not remove a built-in one", async () => {
    expect((await decide("DELETE", "/aivault/providers/openai")).status).toBe(409);
  });
});

describe("the audit durability", () => {
  it("G18: is a setting that is sealed in the vault", async () => {
    const settings = await operate("GET", "/aivault/settings");
    expect(settings.json.auditDurability).toBe("group");
    const changed = await operate("PUT", "/aivault/settings", json({ auditDurability: "disk" }));
    expect(changed.json.auditDurability).toBe("disk");
    await daemon.close();
    daemon = await vault.start({ env: { ...vault.env, ...standIn.daemonEnvironment } });
    expect((await operate("GET", "/aivault/settings")).json.auditDurability).toBe("disk");
    expect((await invoke()).status).toBe(200);
    await operate("PATCH", "/aivault/settings", json({ auditDurability: "group" }));
  });
});
