// G12: tokens that are bound to a key, over real sockets.

import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Daemon } from "../src/start-daemon.ts";
import { type StandIn, startStandIn } from "./stand-in.ts";
import { type TestVault, testVault } from "./vault.ts";
import { type Answer, call, form, json } from "./wire.ts";

const KEY = "sk-proj-1";
let standIn: StandIn;
let vault: TestVault;
let daemon: Daemon;

const holder = generateKeyPairSync("ed25519");
const publicKey = holder.publicKey.export({ format: "jwk" }).x as string;

const environment = () => ({ env: { ...vault.env, ...standIn.daemonEnvironment } });

beforeAll(async () => {
  standIn = await startStandIn({ credentials: { "api.openai.com": { secret: KEY } } });
  vault = testVault();
  await vault.init({ dev: true });
  daemon = await vault.start(environment());
  const secret = JSON.stringify({ name: "OPENAI_API_KEY" });
  await operate("POST", "/aivault/secrets", form(["secret", secret], ["value", KEY]));
});
afterAll(async () => {
  await vault.dispose();
  await standIn.stop();
});

const operate = (method: string, path: string, options = {}) =>
  call(daemon.operatorSocket, method, path, options);

async function mint(grant: object = {}): Promise<{ token: string; tokenId: string }> {
  const answer = await operate(
    "POST",
    "/aivault/tokens",
    json({ capabilities: ["*"], publicKey, ...grant }),
  );
  expect(answer.status, answer.text).toBe(201);
  return answer.json;
}

interface Signing {
  readonly token: { readonly token: string; readonly tokenId: string };
  readonly method?: string;
  readonly path?: string;
  readonly query?: string;
  readonly body?: Buffer | null;
  readonly headers?: Record<string, string>;
  readonly created?: number;
  readonly nonce?: string;
  readonly keyId?: string;
  readonly components?: readonly string[];
  readonly key?: KeyObject;
}

const CHAT = Buffer.from(
  JSON.stringify({
    capability: "openai/chat-completions",
    request: {
      method: "POST",
      path: "/v1/chat/completions",
      headers: [{ name: "content-type", value: "application/json" }],
      body: JSON.stringify({ model: "m", messages: [] }),
    },
  }),
);

/** Sign as a client does, written from the RFC and not with what verifies it. */
function signed(signing: Signing): {
  headers: Record<string, string> & { signature: string; "signature-input": string };
  body?: Buffer;
} {
  const { token, method = "POST", path = "/aivault/proxy", query = "", body = CHAT } = signing;
  const { created = Math.floor(Date.now() / 1000), nonce = randomBytes(16).toString("hex") } =
    signing;
  const digest = body === null ? null : createHash("sha256").update(body).digest("base64");
  const headers: Record<string, string> = {
    authorization: `Bearer ${token.token}`,
    ...(body === null ? {} : { "content-type": "application/json" }),
    ...(digest === null ? {} : { "content-digest": `sha-256=:${digest}:` }),
    ...signing.headers,
  };
  const values: Record<string, string | undefined> = {
    "@method": method,
    "@authority": "aivault",
    "@path": path,
    "@query": `?${query}`,
    "content-digest": headers["content-digest"],
  };
  const components = signing.components ?? [
    "@method",
    "@authority",
    "@path",
    "@query",
    ...(body === null ? [] : ["content-digest"]),
  ];
  const list = components.map((name) => `"${name}"`).join(" ");
  const keyId = signing.keyId ?? token.tokenId;
  const parameters = `(${list});created=${created};nonce="${nonce}";keyid="${keyId}";alg="ed25519"`;
  const lines = components.map((name) => `"${name}": ${values[name]}`);
  const base = [...lines, `"@signature-params": ${parameters}`].join("\n");
  const signature = sign(null, Buffer.from(base), signing.key ?? holder.privateKey);
  return {
    headers: {
      ...headers,
      "signature-input": `sig=${parameters}`,
      signature: `sig=:${signature.toString("base64")}:`,
    },
    ...(body === null ? {} : { body }),
  };
}

const send = (
  signing: Signing,
  change: (options: ReturnType<typeof signed>) => void = () => {},
) => {
  const options = signed(signing);
  change(options);
  const { method = "POST", path = "/aivault/proxy", query = "" } = signing;
  return call(daemon.socket, method, query === "" ? path : `${path}?${query}`, options);
};
const outcome = ({ status, json: body }: Answer) => [status, body?.error, body?.reason];
const INVALID = [403, "policy_violation", "signature_invalid"];
const REPLAYED = [403, "policy_violation", "replayed"];

describe("a token that is bound to a key", () => {
  it("G12: is worth nothing without a signature", async () => {
    const token = await mint();
    const plain = {
      headers: { authorization: `Bearer ${token.token}`, "content-type": "application/json" },
      body: CHAT,
    };
    const refused = await call(daemon.socket, "POST", "/aivault/proxy", plain);
    expect(outcome(refused)).toEqual([401, "token_invalid", "signature_required"]);
    const shown = await call(daemon.socket, "GET", "/aivault/capabilities", {
      headers: { authorization: `Bearer ${token.token}` },
    });
    expect(outcome(shown)).toEqual([401, "token_invalid", "signature_required"]);
  });

  it("works for whoever has the key, with a body and without", async () => {
    const token = await mint();
    expect((await send({ token })).status).toBe(200);
    const shown = await send({ token, method: "GET", path: "/aivault/capabilities", body: null });
    expect(shown.status).toBe(200);
    expect(shown.json.items.length).toBeGreaterThan(0);
  });

  it("works for passthrough, with a body that is streamed on", async () => {
    const token = await mint({ credential: "openai" });
    await standIn.clear();
    const body = Buffer.from(JSON.stringify({ model: "m", messages: [] }));
    const answer = await send({ token, path: "/v/openai/v1/chat/completions", body });
    expect(answer.status, answer.text).toBe(200);
    const [seen] = await standIn.requests();
    expect(seen).toMatchObject({ authorized: true, requestBytes: body.length });
    expect(seen?.headerNames).not.toContain("signature");
  });

  it.each<[string, Partial<Signing>]>([
    ["another key", { key: generateKeyPairSync("ed25519").privateKey }],
    ["another token's id", { keyId: "0".repeat(16) }],
    ["no method", { components: ["@authority", "@path", "@query", "content-digest"] }],
    ["no authority", { components: ["@method", "@path", "@query", "content-digest"] }],
    ["no path", { components: ["@method", "@authority", "@query", "content-digest"] }],
    ["no query", { components: ["@method", "@authority", "@path", "content-digest"] }],
    ["no digest", { components: ["@method", "@authority", "@path", "@query"] }],
    ["a short nonce", { nonce: "1" }],
  ])("G12: is refused with %s", async (_, change) => {
    const token = await mint();
    expect(outcome(await send({ token, ...change }))).toEqual(INVALID);
  });

  it.each<[string, (options: ReturnType<typeof signed>) => void]>([
    [
      "the body",
      (options) => (options.body = Buffer.from(CHAT.toString().replace("messages", "massages"))),
    ],
    ["the digest", ({ headers }) => (headers["content-digest"] = "sha-256=:AAAA:")],
    ["the signature", ({ headers }) => (headers.signature = `sig=:${"A".repeat(86)}==:`)],
    [
      "the parameters",
      ({ headers }) =>
        (headers["signature-input"] = headers["signature-input"].replace("created=", "created=1")),
    ],
  ])("G12: is refused when somebody changed %s, and nobody is contacted", async (_, change) => {
    const token = await mint();
    await standIn.clear();
    expect(outcome(await send({ token }, change))).toEqual(INVALID);
    expect(await standIn.requests()).toEqual([]);
  });

  it("has a body of at most 8 MiB, which is refused unread", async () => {
    const token = await mint();
    const answer = await send({ token }, ({ headers }) => {
      headers["content-length"] = String(8 * 1024 * 1024 + 1);
    });
    expect(outcome(answer)).toEqual([413, "request_too_large", undefined]);
  });

  it("G12: is refused when somebody sends it elsewhere", async () => {
    const token = await mint();
    const options = signed({ token, method: "GET", path: "/aivault/capabilities", body: null });
    for (const [method, path] of [
      ["GET", "/aivault/capabilities?after=x"],
      ["GET", "/aivault/capabilities/openai%2Fchat-completions"],
      ["POST", "/aivault/capabilities"],
    ] as const) {
      const answer = await call(daemon.socket, method, path, options);
      expect([403, 404]).toContain(answer.status);
      if (answer.status === 403) expect(outcome(answer)).toEqual(INVALID);
    }
    const otherHost = { headers: { ...options.headers, host: "localhost" } };
    const moved = await call(daemon.socket, "GET", "/aivault/capabilities", otherHost);
    expect(outcome(moved)).toEqual(INVALID);
  });

  it("G12: is accepted once, also after a restart", async () => {
    const token = await mint();
    const options = signed({ token });
    const replay = () => call(daemon.socket, "POST", "/aivault/proxy", options);
    expect((await replay()).status).toBe(200);
    expect(outcome(await replay())).toEqual(REPLAYED);
    await daemon.close();
    daemon = await vault.start(environment());
    expect(outcome(await replay())).toEqual(REPLAYED);
    // What is new is accepted at once.
    expect((await send({ token })).status).toBe(200);
  });

  it.each([-61, 30])("G12: is refused when it was signed %i s from now", async (seconds) => {
    const token = await mint();
    const created = Math.floor(Date.now() / 1000) + seconds;
    expect(outcome(await send({ token, created }))).toEqual(REPLAYED);
  });

  it("G13: has no child that is not bound", async () => {
    const token = await mint();
    const unbound = Buffer.from(JSON.stringify({ capabilities: ["*"] }));
    const path = "/aivault/tokens/derive";
    const refused = await send({ token, path, body: unbound });
    expect(outcome(refused)).toEqual([403, "policy_violation", "capability_not_granted"]);
    const child = generateKeyPairSync("ed25519");
    const bound = { capabilities: ["*"], publicKey: child.publicKey.export({ format: "jwk" }).x };
    const derived = await send({ token, path, body: Buffer.from(JSON.stringify(bound)) });
    expect(derived.status).toBe(201);
    const { privateKey: key } = child;
    expect((await send({ token: derived.json, key })).status).toBe(200);
    expect(outcome(await send({ token: derived.json }))).toEqual(INVALID);
  });

  it("is not minted with what is no key", async () => {
    const grant = json({ capabilities: ["*"], publicKey: "A" });
    expect((await operate("POST", "/aivault/tokens", grant)).status).toBe(400);
  });
});
