import { createVerify, generateKeyPairSync, type KeyObject } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { createHarness, type Harness, invocation, receive, utf8 } from "./support/harness.ts";
import { type StandIn, startStandIn } from "./support/provider.ts";

const API = "api.acme.com";
const LOGIN = "login.acme.com";
const nowMs = 1_800_000_000_000;
const nowS = nowMs / 1000;
let provider: StandIn;
let harness: Harness;
/** Of the token endpoint. */
let status = 200;

afterEach(async () => {
  await harness.close();
  await provider.close();
});

/** An API, and a token endpoint that answers with `answer`. */
async function start(
  auth: { strategy: "oauth2"; [member: string]: unknown },
  document: object,
  answer: object = { access_token: "canary-access", expires_in: 3600 },
): Promise<void> {
  status = 200;
  provider = await startStandIn([API, LOGIN], (request, response) => {
    if (request.headers.host !== LOGIN) return void response.end("ok");
    const refusal = { error: "invalid_grant", error_description: "canary-description" };
    response.writeHead(status);
    response.end(JSON.stringify(status === 200 ? answer : refusal));
  });
  harness = await createHarness({
    hosts: { [API]: provider.port, [LOGIN]: provider.port },
    now: () => nowMs,
  });
  await harness.broker.createSecret({ name: "LOGIN", value: utf8(JSON.stringify(document)) });
  await harness.broker.createCredential({
    id: "acme",
    provider: "acme",
    secrets: { document: "LOGIN" },
    hosts: [API],
    auth: { document: "document", ...auth },
  });
  await harness.broker.createCapability({
    id: "acme/read",
    provider: "acme",
    host: API,
    rules: [{ methods: ["GET"], match: "prefix", path: "/" }],
  });
}

const call = () =>
  receive(
    harness.broker,
    invocation({ capability: "acme/read", request: { method: "GET", path: "/x" } }),
  );

const asked = () => provider.requests.filter(({ headers }) => headers["host"] === LOGIN);
const sent = () => provider.requests.find(({ headers }) => headers["host"] === API);

interface Jwt {
  readonly header: Record<string, unknown>;
  readonly claims: Record<string, unknown>;
}

function verify(jwt: string, key: KeyObject): Jwt {
  const [header = "", claims = "", signature = ""] = jwt.split(".");
  const good = createVerify("sha256")
    .update(`${header}.${claims}`)
    .verify({ key, dsaEncoding: "ieee-p1363" }, Buffer.from(signature, "base64url"));
  expect(good).toBe(true);
  const decode = (text: string) => JSON.parse(Buffer.from(text, "base64url").toString());
  return { header: decode(header), claims: decode(claims) };
}

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const pem = rsa.privateKey.export({ type: "pkcs8", format: "pem" }).toString();

describe("oauth2 that an operator wrote down", () => {
  it("asks with client credentials, in the body or in the header", async () => {
    await start(
      {
        strategy: "oauth2",
        grants: ["client_credentials"],
        tokenUrl: `https://${LOGIN}/token`,
        clientAuth: "client_secret_post",
        scopes: { read: "to read", write: "to write" },
        tokenParams: { audience: "acme" },
      },
      { clientId: "client", clientSecret: "canary-client-secret" },
    );
    expect((await call()).error).toBeNull();
    expect(sent()?.headers["authorization"]).toBe("Bearer canary-access");
    expect(Object.fromEntries(new URLSearchParams(asked()[0]?.body))).toEqual({
      audience: "acme",
      grant_type: "client_credentials",
      scope: "read write",
      client_id: "client",
      client_secret: "canary-client-secret",
    });
  });

  it("does not ask for a refresh token where no person consents", async () => {
    await start(
      {
        strategy: "oauth2",
        grants: ["client_credentials"],
        tokenUrl: `https://${LOGIN}/token`,
        scopes: { read: "to read", offline_access: "stay", offline: "stay" },
      },
      { clientId: "client", clientSecret: "canary-client-secret" },
    );
    expect((await call()).error).toBeNull();
    expect(new URLSearchParams(asked()[0]?.body).get("scope")).toBe("read");
  });

  it("signs in as a Google service account, with the scopes of the scheme", async () => {
    await start(
      {
        strategy: "oauth2",
        grants: ["jwt_bearer"],
        tokenUrl: `https://${LOGIN}/token`,
        scopes: { "https://www.googleapis.com/auth/cloud-platform": "all" },
      },
      {
        type: "service_account",
        private_key_id: "key-1",
        private_key: pem,
        client_email: "robot@project.iam.gserviceaccount.com",
        // W-A4: where the token is asked for is the scheme's to say, not the document's.
        token_uri: "https://evil.test/token",
      },
    );
    expect((await call()).error).toBeNull();
    const form = new URLSearchParams(asked()[0]?.body);
    expect(form.get("grant_type")).toBe("urn:ietf:params:oauth:grant-type:jwt-bearer");
    const { header, claims } = verify(form.get("assertion") ?? "", rsa.publicKey);
    expect(header).toEqual({ alg: "RS256", typ: "JWT", kid: "key-1" });
    expect(claims).toEqual({
      iss: "robot@project.iam.gserviceaccount.com",
      aud: `https://${LOGIN}/token`,
      scope: "https://www.googleapis.com/auth/cloud-platform",
      iat: nowS,
      exp: nowS + 300,
    });
  });

  it("does not take a refused assertion for a login that has ended", async () => {
    await start(
      {
        strategy: "oauth2",
        grants: ["jwt_bearer"],
        tokenUrl: `https://${LOGIN}/token`,
      },
      { private_key: pem, client_email: "robot@project.iam.gserviceaccount.com" },
    );
    // As Google does when our clock is wrong.
    status = 400;
    const { error } = await call();
    expect(error).toMatchObject({ code: "auth_failed" });
    expect(error?.message).toContain("invalid_grant");
    expect(error?.message).not.toContain("canary");
    expect(await harness.broker.loginsNeeded()).toEqual([]);
    status = 200;
    expect((await call()).error).toBeNull();
  });

  it("obtains an installation token as a GitHub App, and keeps it until it ends", async () => {
    await start(
      {
        strategy: "oauth2",
        grants: ["jwt_bearer"],
        tokenUrl: `https://${LOGIN}/app/installations/{installationId}/access_tokens`,
      },
      { appId: 123, installationId: 456, privateKey: pem },
      { token: "canary-ghs-token", expires_at: new Date(nowMs + 3_600_000).toISOString() },
    );
    expect((await call()).error).toBeNull();
    expect((await call()).error).toBeNull();
    expect(asked()).toHaveLength(1);
    expect(asked()[0]?.url).toBe("/app/installations/456/access_tokens");
    const jwt = String(asked()[0]?.headers["authorization"]).replace("Bearer ", "");
    const { claims } = verify(jwt, rsa.publicKey);
    expect(claims).toEqual({ iss: "123", iat: nowS - 60, exp: nowS + 540 });
    expect(sent()?.headers["authorization"]).toBe("Bearer canary-ghs-token");
  });

  it("does not let an installation's id change the path", async () => {
    await start(
      {
        strategy: "oauth2",
        grants: ["jwt_bearer"],
        tokenUrl: `https://${LOGIN}/app/installations/{installationId}/access_tokens`,
      },
      { appId: 123, installationId: "1/../../x", privateKey: pem },
    );
    expect((await call()).error).toMatchObject({ code: "auth_failed" });
    expect(asked()).toEqual([]);
  });

  it("proves the client with a JWT of a P-256 key", async () => {
    const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
    await start(
      {
        strategy: "oauth2",
        grants: ["client_credentials"],
        tokenUrl: `https://${LOGIN}/token`,
        clientAuth: "private_key_jwt",
      },
      { clientId: "client", privateKey: ec.privateKey.export({ type: "pkcs8", format: "pem" }) },
    );
    expect((await call()).error).toBeNull();
    const form = new URLSearchParams(asked()[0]?.body);
    expect(form.has("client_secret")).toBe(false);
    const { header, claims } = verify(form.get("client_assertion") ?? "", ec.publicKey);
    expect(header["alg"]).toBe("ES256");
    expect(claims).toMatchObject({ iss: "client", sub: "client", aud: `https://${LOGIN}/token` });
  });

  it.each([
    "http://login.acme.com/token",
    "https://10.0.0.1/token",
    "https://login.acme.com:8443/token",
    "https://user@login.acme.com/token",
    "https://localhost/token",
    "https://{installationId}.acme.com/../x",
  ])("G5: refuses the token endpoint %s", async (tokenUrl) => {
    provider = await startStandIn([API], (_request, response) => response.end());
    harness = await createHarness();
    await harness.broker.createSecret({ name: "LOGIN", value: utf8("{}") });
    await expect(
      harness.broker.createCredential({
        id: "acme",
        provider: "acme",
        secrets: { document: "LOGIN" },
        hosts: [API],
        auth: {
          strategy: "oauth2",
          grants: ["refresh_token"],
          tokenUrl,
          document: "document",
        },
      }),
    ).rejects.toMatchObject({ code: "invalid_request" });
  });

  it("G5: asks an internal token endpoint that an operator allowed, and no other", async () => {
    const sso = "sso.internal";
    status = 200;
    provider = await startStandIn([API, sso], (request, response) => {
      const isApi = request.headers.host === API;
      response.end(isApi ? "ok" : JSON.stringify({ access_token: "canary-access" }));
    });
    const { port } = provider;
    const allowedInternal = [{ host: sso, port }];
    harness = await createHarness({
      hosts: { [API]: port },
      now: () => nowMs,
      settings: { allowedInternal },
      upstream: { allowedInternal, lookUp: () => Promise.resolve(["127.0.0.1"]) },
    });
    const document = { clientId: "client", clientSecret: "canary-client-secret" };
    await harness.broker.createSecret({ name: "LOGIN", value: utf8(JSON.stringify(document)) });
    const create = (tokenUrl: string) =>
      harness.broker.createCredential({
        id: "acme",
        provider: "acme",
        secrets: { document: "LOGIN" },
        hosts: [API],
        auth: {
          strategy: "oauth2",
          grants: ["client_credentials"],
          tokenUrl,
          document: "document",
        },
      });
    for (const bad of [
      `https://${sso}/token`,
      `https://${sso}:${port + 1}/token`,
      `https://other.internal:${port}/token`,
      `http://${sso}:${port}/token`,
      `https://${sso}:${port}/a/../token`,
      `https://user@${sso}:${port}/token`,
      `https://${sso}:${port}/token#x`,
    ]) {
      await expect(create(bad)).rejects.toMatchObject({ code: "invalid_request" });
    }
    await create(`https://${sso}:${port}/realms/x/token`);
    await harness.broker.createCapability({
      id: "acme/read",
      provider: "acme",
      host: API,
      rules: [{ methods: ["GET"], match: "prefix", path: "/" }],
    });
    expect((await call()).error).toBeNull();
    expect(provider.requests[0]?.url).toBe("/realms/x/token");
    expect(sent()?.headers["authorization"]).toBe("Bearer canary-access");
  });

  it("G4: does not take a pinned secret to a token endpoint of an operator's", async () => {
    provider = await startStandIn([API], (_request, response) => response.end());
    harness = await createHarness();
    await harness.broker.createSecret({ name: "OPENAI_API_KEY", value: utf8("{}") });
    await expect(
      harness.broker.createCredential({
        id: "acme",
        provider: "acme",
        secrets: { document: "OPENAI_API_KEY" },
        hosts: ["api.openai.com"],
        auth: {
          strategy: "oauth2",
          grants: ["refresh_token"],
          tokenUrl: `https://${LOGIN}/token`,
          document: "document",
        },
      }),
    ).rejects.toMatchObject({ code: "policy_violation", reason: "secret_pinned" });
  });
});
