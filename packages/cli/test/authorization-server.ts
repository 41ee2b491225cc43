/**
 * A real authorisation server (oidc-provider) with TLS on loopback, the API whose tokens it gives, and
 * a browser with a person in front of it who always agrees, or never does.
 */
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const AUTH_HOST = "auth.acme.test";
export const API_HOST = "api.acme.test";
export const CLIENT_ID = "app-1";
export const CLIENT_SECRET = "client-secret-canary-0123456789";
export const PUBLIC_CLIENT_ID = "app-public";
const ACCOUNT = "ada";

/** The provider as an operator would describe it. */
export const ACME = {
  id: "acme",
  name: "Acme",
  category: "developer",
  docsUrl: "https://docs.acme.test/",
  secrets: [
    {
      name: "ACME_OAUTH",
      placeholder: "oauth",
      description: "OAuth client and refresh token, as a JSON document.",
      pattern: '^\\{.*"clientId".*\\}$',
      example: '{"clientId":"example","refreshToken":"example"}',
      opaque: true,
    },
  ],
  auth: {
    strategy: "oauth2",
    grants: ["refresh_token"],
    tokenUrl: `https://${AUTH_HOST}/token`,
    authorizationUrl: `https://${AUTH_HOST}/auth`,
    authorizationParams: { prompt: "consent" },
    deviceAuthorizationUrl: `https://${AUTH_HOST}/device/auth`,
    scopes: { openid: "Who it is.", offline_access: "Stay signed in." },
    clientAuth: "client_secret_basic",
    pkce: true,
    rotatesRefreshToken: true,
    document: "oauth",
    headers: [{ name: "Authorization", template: "Bearer {{access_token}}" }],
  },
  hosts: [API_HOST],
  capabilities: [
    {
      id: "acme/me",
      description: "Who it is.",
      host: API_HOST,
      risk: "read",
      rules: [{ methods: ["GET"], match: "exact", path: "/me" }],
    },
  ],
  verify: { capability: "acme/me", method: "GET", path: "/me" },
};

export interface AuthorizationServer {
  /** For a development vault's daemon. */
  readonly env: Readonly<Record<string, string>>;
  /** Every token it gave, and every code: none of them may be seen anywhere. */
  readonly given: readonly string[];
  /** Every verifier it was told (RFC 7636 section 4.5), for which the same holds. */
  readonly verifiers: readonly string[];
  /** Go where a person would, and agree or not. @returns Where the browser was sent in the end. */
  consent(address: string, options?: { readonly refuses?: boolean }): Promise<string>;
  /** Type a code on another device, and agree. */
  enterCode(address: string, userCode: string): Promise<void>;
  close(): Promise<void>;
}

export async function startAuthorizationServer(): Promise<AuthorizationServer> {
  // It says which defaults it runs with, and that it wants a newer Node.
  const { info, warn } = console;
  console.info = console.warn = () => undefined;
  const authorityUrl = new URL("../../../e2e/support/certificate-authority.mjs", import.meta.url);
  const { createCertificateAuthority } = await import(authorityUrl.href);
  const authority = createCertificateAuthority();
  const directory = mkdtempSync(join(tmpdir(), "aivault-oauth-"));
  const caPath = join(directory, "ca.pem");
  writeFileSync(caPath, authority.certificatePem);
  const { certificatePem, keyPem } = authority.issue({ hosts: [AUTH_HOST, API_HOST] });

  const { provider, given, verifiers } = await makeProvider();
  const callback = provider.callback();
  const server = createServer({ cert: certificatePem, key: keyPem }, (incoming, response) => {
    void (async () => {
      if (incoming.headers.host === API_HOST) {
        const bearer = /^Bearer (.+)$/.exec(incoming.headers.authorization ?? "")?.[1] ?? "";
        const token = await provider.AccessToken.find(bearer);
        response.writeHead(token === undefined ? 401 : 200, { "content-type": "application/json" });
        response.end(JSON.stringify({ account: token?.accountId ?? null }));
        return;
      }
      if (incoming.url?.startsWith("/interaction/")) {
        await interact(provider, incoming, response);
        return;
      }
      callback(incoming, response);
    })().catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const browse = browser(port, authority.certificatePem);
  return {
    env: {
      AIVAULT_DEV_RESOLVE: `${AUTH_HOST}=127.0.0.1:${port},${API_HOST}=127.0.0.1:${port}`,
      AIVAULT_DEV_CA_CERT_PATH: caPath,
    },
    given,
    verifiers,
    consent: (address, { refuses = false } = {}) =>
      browse(address, { cookie: refuses ? "refuses=1" : "" }),
    enterCode: (address, userCode) => browse.device(address, userCode),
    close: async () => {
      rmSync(directory, { recursive: true, force: true });
      await closeServer(server);
      Object.assign(console, { info, warn });
    },
  };
}

// biome-ignore lint/suspicious/noExplicitAny: the package has no types.
type Any = any;

async function makeProvider(): Promise<{ provider: Any; given: string[]; verifiers: string[] }> {
  // @ts-expect-error It has no types.
  const { Provider } = await import("oidc-provider");
  const grants = [
    "authorization_code",
    "refresh_token",
    "urn:ietf:params:oauth:grant-type:device_code",
  ];
  const client = {
    application_type: "native",
    redirect_uris: ["http://127.0.0.1/callback"],
    response_types: ["code"],
    grant_types: grants,
  };
  const provider = new Provider(`https://${AUTH_HOST}`, {
    clients: [
      { ...client, client_id: CLIENT_ID, client_secret: CLIENT_SECRET },
      { ...client, client_id: PUBLIC_CLIENT_ID, token_endpoint_auth_method: "none" },
    ],
    cookies: { keys: ["test"] },
    features: {
      devInteractions: { enabled: false },
      deviceFlow: { enabled: true },
      revocation: { enabled: true },
    },
    pkce: { required: () => true },
    rotateRefreshToken: true,
    issueRefreshToken: () => true,
    findAccount: (_: unknown, id: string) => ({ accountId: id, claims: () => ({ sub: id }) }),
    interactions: { url: (_: unknown, { uid }: Any) => `/interaction/${uid}` },
  });
  const given: string[] = [];
  const verifiers: string[] = [];
  provider.on("authorization.success", (_: unknown, out: Any) => {
    if (out?.code !== undefined) given.push(out.code);
  });
  provider.on("grant.success", ({ body, oidc }: Any) => {
    given.push(...[body.access_token, body.refresh_token, body.id_token].filter(Boolean));
    const { code_verifier: verifier } = oidc.params;
    if (verifier !== undefined) verifiers.push(verifier);
  });
  return { provider, given, verifiers };
}

/** What a login page does: whoever comes is Ada, and agrees unless their cookie says otherwise. */
async function interact(provider: Any, incoming: Any, response: Any): Promise<void> {
  const { params, session, prompt, grantId } = await provider.interactionDetails(
    incoming,
    response,
  );
  if (incoming.headers.cookie?.includes("refuses=1")) {
    const refusal = { error: "access_denied", error_description: "Ada said no" };
    await provider.interactionFinished(incoming, response, refusal);
    return;
  }
  if (prompt.name === "login") {
    const login = { login: { accountId: ACCOUNT } };
    await provider.interactionFinished(incoming, response, login);
    return;
  }
  const grant =
    (grantId && (await provider.Grant.find(grantId))) ??
    new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  const consent = { consent: { grantId: await grant.save() } };
  await provider.interactionFinished(incoming, response, consent, {
    mergeWithLastSubmission: true,
  });
}

function browser(port: number, ca: string) {
  const fetchPage = (url: URL, cookies: Map<string, string>, form?: URLSearchParams) =>
    new Promise<{ status: number; location: string | undefined; body: string }>(
      (resolve, reject) => {
        const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
        const sent = request(
          {
            host: "127.0.0.1",
            port,
            servername: AUTH_HOST,
            ca,
            method: form === undefined ? "GET" : "POST",
            path: url.pathname + url.search,
            headers: {
              host: AUTH_HOST,
              cookie,
              ...(form === undefined
                ? {}
                : { "content-type": "application/x-www-form-urlencoded" }),
            },
          },
          (response) => {
            const chunks: Buffer[] = [];
            for (const line of response.headers["set-cookie"] ?? []) {
              const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
              if (value === "") cookies.delete(name);
              else cookies.set(name, value);
            }
            response.on("data", (chunk: Buffer) => chunks.push(chunk));
            response.on("end", () =>
              resolve({
                status: response.statusCode ?? 0,
                location: response.headers.location,
                body: Buffer.concat(chunks).toString(),
              }),
            );
          },
        );
        sent.on("error", reject);
        sent.end(form?.toString());
      },
    );

  /** Follow redirects at the server; stop at the first address that is elsewhere, or at a page. */
  async function follow(
    start: URL,
    cookies: Map<string, string>,
    form?: URLSearchParams,
  ): Promise<{ url: URL; body: string }> {
    let url = start;
    let page = await fetchPage(url, cookies, form);
    for (let hops = 0; hops < 12 && page.location !== undefined; hops += 1) {
      url = new URL(page.location, url);
      if (url.host !== AUTH_HOST) return { url, body: "" };
      page = await fetchPage(url, cookies);
    }
    return { url, body: `${page.status} ${page.body}` };
  }

  const browse = async (address: string, { cookie }: { cookie: string }): Promise<string> => {
    const cookies = new Map<string, string>(cookie === "" ? [] : [["refuses", "1"]]);
    const { url, body } = await follow(new URL(address), cookies);
    if (url.host === AUTH_HOST) throw new Error(`the browser got stuck at ${url}: ${body}`);
    return url.href;
  };
  const device = async (address: string, userCode: string): Promise<void> => {
    const cookies = new Map<string, string>();
    const field = (body: string) => /name="xsrf" value="([^"]+)"/.exec(body)?.[1] ?? "";
    const start = new URL(address);
    const first = await follow(start, cookies);
    const form = { xsrf: field(first.body), user_code: userCode };
    const second = await follow(start, cookies, new URLSearchParams(form));
    const confirmed = { ...form, xsrf: field(second.body) || form.xsrf, confirm: "yes" };
    const last = await follow(start, cookies, new URLSearchParams(confirmed));
    if (!/^200 /.test(last.body)) throw new Error(`the device page says: ${last.body}`);
  };
  return Object.assign(browse, { device });
}

async function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise<void>((resolve) => server.close(() => resolve()));
}
