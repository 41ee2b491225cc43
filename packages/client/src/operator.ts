/**
 * The operator's client. An entry of its own, so that agent code does not load it.
 */
import {
  type AivaultClient,
  allPages,
  type ClientOptions,
  callerClient,
  discoveryOptions,
  type JsonRpc,
  jsonRpc,
} from "./client.ts";
import { operatorSocket } from "./discovery.ts";
import { AivaultError } from "./errors.ts";
import { multipart, type Part } from "./multipart.ts";
import {
  REQUEST_HEADERS,
  OPERATOR_ROUTES as ROUTES,
  type WireAuditCheckpoints,
  type WireAuditEntry,
  type WireBinding,
  type WireCapability,
  type WireClaim,
  type WireCredential,
  type WireDependants,
  type WireGroup,
  type WireMasterRotated,
  type WireNewBinding,
  type WireNewCapability,
  type WireNewCredential,
  type WireNewOAuthLogin,
  type WireNewSecret,
  type WireNewToken,
  type WireOAuthCallback,
  type WireOAuthLogin,
  type WireOAuthResult,
  type WireOperatorPassphrase,
  type WireOperatorSession,
  type WirePage,
  type WirePolicy,
  type WireProvider,
  type WireProviders,
  type WireRotateMaster,
  type WireScope,
  type WireSecret,
  type WireSecretCreated,
  type WireSecretDeleted,
  type WireSecretVerified,
  type WireSettings,
  type WireStatus,
  type WireToken,
  type WireTokenMinted,
  type WireUndoGiven,
  type WireUndoKept,
} from "./protocol.ts";
import { bodyChunks, unixTransport } from "./transport.ts";

/** As {@link ClientOptions}; `socket` is the operator socket. */
export interface OperatorClientOptions extends ClientOptions {
  /** What `login` gave; needed once there is an operator passphrase. */
  readonly session?: string | null;
}

/**
 * Destructive calls are refused with `conflict`, reason `confirmation_required`, until they are made
 * with the token of the error's `confirmation`, which says what would happen (G17).
 */
export interface Confirmable {
  /** The token. */
  readonly confirmation?: string | undefined;
}

/** Octets that only one key provider needs; borrowed. */
export interface NewMasterKey {
  /** The new passphrase, UTF-8. */
  readonly passphrase?: Uint8Array;
  /** Text of the key that a variable will hold. */
  readonly key?: Uint8Array;
}

/**
 * Everything an operator may do: create, list, change, delete; never read a value.
 *
 * Values, keys and passphrases are octets, borrowed for the call; wiping them afterwards is the
 * caller's.
 */
export interface OperatorClient extends AivaultClient {
  status(): Promise<WireStatus>;
  /** Metadata of secrets, all pages; of live ones unless told. */
  secrets(filter?: {
    readonly scope?: WireScope | WireScope["kind"];
    readonly includeDeleted?: boolean;
  }): Promise<readonly WireSecret[]>;
  createSecret(secret: WireNewSecret, value: Uint8Array): Promise<WireSecretCreated>;
  updateSecret(
    idOrName: string,
    change: { readonly name?: string; readonly aliases?: readonly string[] },
  ): Promise<WireSecret>;
  rotateSecret(idOrName: string, value: Uint8Array): Promise<WireSecret>;
  deleteSecret(idOrName: string, options?: Confirmable): Promise<WireSecretDeleted>;
  /** Remove what a deleted secret left: its record and its name. */
  purgeSecret(idOrName: string, options?: Confirmable): Promise<void>;
  attachSecret(idOrName: string, group: WireGroup): Promise<WireSecret>;
  detachSecret(idOrName: string, group: WireGroup): Promise<WireSecret>;
  /** What would stop working without it. */
  dependants(idOrName: string): Promise<WireDependants>;
  /** Make the harmless request of the provider's definition with it. */
  verifySecret(idOrName: string): Promise<WireSecretVerified>;
  credentials(): Promise<readonly WireCredential[]>;
  createCredential(credential: WireNewCredential): Promise<WireCredential>;
  deleteCredential(id: string): Promise<void>;
  createCapability(capability: WireNewCapability): Promise<WireCapability>;
  deleteCapability(id: string): Promise<void>;
  /** Empty when the operator demands nothing. */
  policy(capability: string): Promise<WirePolicy>;
  /** Replaces the whole policy. */
  setPolicy(capability: string, policy: WirePolicy): Promise<WirePolicy>;
  deletePolicy(capability: string): Promise<void>;
  bindings(): Promise<readonly WireBinding[]>;
  createBinding(binding: WireNewBinding): Promise<WireBinding>;
  deleteBinding(id: string): Promise<void>;
  providers(): Promise<WireProviders>;
  provider(id: string): Promise<WireProvider>;
  /** Those of `names` that a provider claims. */
  claims(names: readonly string[]): Promise<readonly WireClaim[]>;
  /** @param definition - As in the registry; see docs/registry.md. */
  addProvider(definition: unknown): Promise<WireProvider>;
  removeProvider(id: string, options?: Confirmable): Promise<void>;
  /** Keep octets for a day. They MUST be sealed: what comes back is what was sent. */
  keepUndo(sealed: Uint8Array): Promise<WireUndoKept>;
  /** What was kept. */
  takeUndo(id: string, options?: Confirmable): Promise<Uint8Array>;
  forgetUndo(id: string): Promise<void>;
  /**
   * Begin a login by OAuth. Whoever drives it sees no token.
   *
   * @param clientSecret - Octets of UTF-8; absent for a public client.
   */
  beginOAuthLogin(login: WireNewOAuthLogin, clientSecret?: Uint8Array): Promise<WireOAuthLogin>;
  /** End one with the query that the browser came back with. */
  completeOAuthLogin(id: string, callback: WireOAuthCallback): Promise<WireOAuthResult>;
  /** Ask once whether the person has agreed on another device. */
  pollOAuthLogin(id: string): Promise<WireOAuthResult>;
  cancelOAuthLogin(id: string): Promise<void>;
  /** The token itself is in the answer, once. */
  mintToken(token: WireNewToken): Promise<WireTokenMinted>;
  tokens(): Promise<readonly WireToken[]>;
  revokeToken(id: string): Promise<WireToken>;
  settings(): Promise<WireSettings>;
  changeSettings(change: Partial<WireSettings>): Promise<WireSettings>;
  /** Newest first. `beforeSeq` continues below an entry. */
  audit(query?: {
    readonly limit?: number;
    readonly beforeSeq?: number;
  }): Promise<readonly WireAuditEntry[]>;
  verifyAudit(): Promise<Readonly<Record<string, unknown>>>;
  /** Entries as they are written, those after `afterSeq` first; without it, only new ones. */
  tailAudit(options?: {
    readonly afterSeq?: number;
    readonly signal?: AbortSignal;
  }): AsyncIterable<WireAuditEntry>;
  auditCheckpoints(): Promise<WireAuditCheckpoints>;
  /**
   * The vault as one encrypted file that `passphrase` opens.
   *
   * @returns Its octets as they come; it throws `CLIENT_RESPONSE_BROKEN` when they end early.
   */
  backup(passphrase: Uint8Array, signal?: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  rotateMaster(
    options: WireRotateMaster,
    key?: NewMasterKey & Confirmable,
  ): Promise<WireMasterRotated>;
  /** Set the operator passphrase, change it, or, without a new one, remove it. */
  setOperatorPassphrase(
    change: { readonly current?: Uint8Array; readonly next?: Uint8Array } & Confirmable,
  ): Promise<WireOperatorPassphrase>;
  login(passphrase: Uint8Array): Promise<WireOperatorSession>;
  logout(): Promise<void>;
  lock(): Promise<void>;
  /** @param passphrase - Octets of UTF-8, for a vault whose key comes from one. */
  unlock(passphrase?: Uint8Array): Promise<void>;
  /** Let running calls finish, then end the daemon. */
  shutdown(): Promise<void>;
}

// A master key is rotated record by record: this is for vaults of a hundred thousand.
const ROTATE_TIMEOUT_MS = 30 * 60_000;
// A secret is verified by the provider, which may take its time.
const VERIFY_TIMEOUT_MS = 2 * 60_000;

/** A client of the daemon's operator socket. Connects on first use. */
export function createOperatorClient(options: OperatorClientOptions = {}): OperatorClient {
  const socket = operatorSocket(discoveryOptions(options));
  const transport = unixTransport([socket]);
  const session = options.session ?? null;
  const headers = {
    ...options.headers,
    ...(session === null ? {} : { [REQUEST_HEADERS.operatorSession]: session }),
  };
  const rpc = jsonRpc(transport, headers);

  return {
    ...callerClient(transport, { ...options, headers }),
    get socket() {
      return transport.socket;
    },
    status: () => rpc.get(ROUTES.status),
    ...secretCalls(rpc),
    ...policyCalls(rpc),
    ...providerCalls(rpc),
    ...oauthCalls(rpc),
    ...undoCalls(rpc),
    ...auditCalls(rpc),
    mintToken: (token) => rpc.send("POST", ROUTES.tokens, token),
    tokens: () => allPages((query) => rpc.get(`${ROUTES.tokens}${query}`)),
    revokeToken: (id) => rpc.send("DELETE", at(ROUTES.tokens, id)),
    settings: () => rpc.get(ROUTES.settings),
    changeSettings: (change) => rpc.send("PATCH", ROUTES.settings, change),
    ...vaultCalls(rpc),
    shutdown: async () => {
      await rpc.send("POST", ROUTES.shutdown);
    },
  };
}

const OCTETS = { "content-type": "application/octet-stream" };

type Calls<Name extends keyof OperatorClient> = Pick<OperatorClient, Name>;

function secretCalls(
  rpc: JsonRpc,
): Calls<
  | "secrets"
  | "createSecret"
  | "updateSecret"
  | "rotateSecret"
  | "deleteSecret"
  | "purgeSecret"
  | "attachSecret"
  | "detachSecret"
  | "dependants"
  | "verifySecret"
> {
  const below = (idOrName: string, verb: string) => `${at(ROUTES.secrets, idOrName)}/${verb}`;
  return {
    secrets: (filter = {}) =>
      allPages((query) => rpc.get(`${ROUTES.secrets}${secretsQuery(query, filter)}`)),
    createSecret: (secret, value) =>
      sendForm(rpc, ROUTES.secrets, [
        { name: "secret", contentType: "application/json", body: JSON.stringify(secret) },
        octetsPart("value", value),
      ]),
    updateSecret: (idOrName, change) => rpc.send("PATCH", at(ROUTES.secrets, idOrName), change),
    rotateSecret: (idOrName, value) =>
      rpc.sendBody({ method: "PUT", path: below(idOrName, "value"), headers: OCTETS, body: value }),
    deleteSecret: (idOrName, options) =>
      rpc.sendBody({
        method: "DELETE",
        path: at(ROUTES.secrets, idOrName),
        headers: confirming(options),
      }),
    purgeSecret: async (idOrName, options) => {
      const path = below(idOrName, "purge");
      await rpc.sendBody({ method: "POST", path, headers: confirming(options) });
    },
    attachSecret: (idOrName, group) => rpc.send("POST", below(idOrName, "attach"), group),
    detachSecret: (idOrName, group) => rpc.send("POST", below(idOrName, "detach"), group),
    dependants: (idOrName) => rpc.get(below(idOrName, "dependants")),
    verifySecret: (idOrName) =>
      rpc.sendBody({
        method: "POST",
        path: below(idOrName, "verify"),
        timeoutMs: VERIFY_TIMEOUT_MS,
      }),
  };
}

function policyCalls(
  rpc: JsonRpc,
): Calls<
  | "credentials"
  | "createCredential"
  | "deleteCredential"
  | "createCapability"
  | "deleteCapability"
  | "policy"
  | "setPolicy"
  | "deletePolicy"
  | "bindings"
  | "createBinding"
  | "deleteBinding"
> {
  const policyOf = (capability: string) => `${at(ROUTES.capabilities, capability)}/policy`;
  return {
    credentials: () => allPages((query) => rpc.get(`${ROUTES.credentials}${query}`)),
    createCredential: (credential) => rpc.send("POST", ROUTES.credentials, credential),
    deleteCredential: async (id) => {
      await rpc.send("DELETE", at(ROUTES.credentials, id));
    },
    createCapability: (capability) => rpc.send("POST", ROUTES.capabilities, capability),
    deleteCapability: async (id) => {
      await rpc.send("DELETE", at(ROUTES.capabilities, id));
    },
    policy: (capability) => rpc.get(policyOf(capability)),
    setPolicy: (capability, policy) => rpc.send("PUT", policyOf(capability), policy),
    deletePolicy: async (capability) => {
      await rpc.send("DELETE", policyOf(capability));
    },
    bindings: () => allPages((query) => rpc.get(`${ROUTES.bindings}${query}`)),
    createBinding: (binding) => rpc.send("POST", ROUTES.bindings, binding),
    deleteBinding: async (id) => {
      await rpc.send("DELETE", at(ROUTES.bindings, id));
    },
  };
}

function providerCalls(
  rpc: JsonRpc,
): Calls<"providers" | "provider" | "claims" | "addProvider" | "removeProvider"> {
  return {
    claims: async (names) =>
      (await rpc.send<WirePage<WireClaim>>("POST", `${ROUTES.providers}/claims`, { names })).items,
    providers: () => rpc.get(ROUTES.providers),
    provider: (id) => rpc.get(at(ROUTES.providers, id)),
    addProvider: (definition) => rpc.send("POST", ROUTES.providers, definition),
    removeProvider: async (id, options) => {
      const path = at(ROUTES.providers, id);
      await rpc.sendBody({ method: "DELETE", path, headers: confirming(options) });
    },
  };
}

function oauthCalls(
  rpc: JsonRpc,
): Calls<"beginOAuthLogin" | "completeOAuthLogin" | "pollOAuthLogin" | "cancelOAuthLogin"> {
  const one = (id: string) => at(ROUTES.oauthLogins, id);
  const timeoutMs = VERIFY_TIMEOUT_MS;
  return {
    beginOAuthLogin: (login, clientSecret) =>
      sendForm(
        rpc,
        ROUTES.oauthLogins,
        [
          { name: "login", contentType: "application/json", body: JSON.stringify(login) },
          ...(clientSecret === undefined ? [] : [octetsPart("clientSecret", clientSecret)]),
        ],
        { timeoutMs },
      ),
    completeOAuthLogin: (id, callback) =>
      rpc.sendBody({
        method: "POST",
        path: `${one(id)}/callback`,
        headers: { "content-type": "application/json" },
        body: JSON.stringify(callback),
        timeoutMs,
      }),
    pollOAuthLogin: (id) => rpc.sendBody({ method: "POST", path: `${one(id)}/poll`, timeoutMs }),
    cancelOAuthLogin: async (id) => {
      await rpc.send("DELETE", one(id));
    },
  };
}

function undoCalls(rpc: JsonRpc): Calls<"keepUndo" | "takeUndo" | "forgetUndo"> {
  return {
    keepUndo: (sealed) =>
      rpc.sendBody<WireUndoKept>({
        method: "POST",
        path: ROUTES.undo,
        headers: OCTETS,
        body: sealed,
      }),
    takeUndo: async (id, options) => {
      const path = at(ROUTES.undo, id);
      const headers = confirming(options);
      const { sealed } = await rpc.sendBody<WireUndoGiven>({ method: "POST", path, headers });
      return Buffer.from(sealed, "base64url");
    },
    forgetUndo: async (id) => {
      await rpc.send("DELETE", at(ROUTES.undo, id));
    },
  };
}

function auditCalls(
  rpc: JsonRpc,
): Calls<"audit" | "verifyAudit" | "tailAudit" | "auditCheckpoints"> {
  return {
    audit: async (query = {}) => {
      const page = await rpc.get<Pick<WirePage<WireAuditEntry>, "items">>(
        withNumbers(ROUTES.audit, query),
      );
      return page.items;
    },
    verifyAudit: () => rpc.get(ROUTES.auditVerify),
    tailAudit: async function* ({ afterSeq, signal } = {}) {
      const path = withNumbers(ROUTES.auditTail, { afterSeq });
      // Headers come at once; entries when there are any.
      const response = await rpc.open({ method: "GET", path, signal });
      for await (const line of lines(bodyChunks(response, signal))) yield parseEntry(line);
    },
    auditCheckpoints: () => rpc.get(ROUTES.auditCheckpoints),
  };
}

function vaultCalls(
  rpc: JsonRpc,
): Calls<
  "backup" | "rotateMaster" | "setOperatorPassphrase" | "login" | "logout" | "lock" | "unlock"
> {
  return {
    backup: async (passphrase, signal) => {
      const form = await formOf([octetsPart("passphrase", passphrase)]);
      const response = await rpc.open({ method: "POST", path: ROUTES.backup, ...form, signal });
      return bodyChunks(response, signal);
    },
    rotateMaster: (options, { passphrase, key, ...confirmable } = {}) =>
      sendForm(
        rpc,
        ROUTES.rotateMaster,
        [
          { name: "options", contentType: "application/json", body: JSON.stringify(options) },
          ...(passphrase === undefined ? [] : [octetsPart("passphrase", passphrase)]),
          ...(key === undefined ? [] : [octetsPart("key", key)]),
        ],
        { ...confirmable, timeoutMs: ROTATE_TIMEOUT_MS },
      ),
    setOperatorPassphrase: ({ current, next, ...confirmable }) =>
      sendForm(
        rpc,
        ROUTES.operatorPassphrase,
        [
          ...(current === undefined ? [] : [octetsPart("current", current)]),
          ...(next === undefined ? [] : [octetsPart("new", next)]),
        ],
        confirmable,
      ),
    login: (passphrase) =>
      sendForm(rpc, ROUTES.operatorLogin, [octetsPart("passphrase", passphrase)]),
    logout: async () => {
      await rpc.send("POST", ROUTES.operatorLogout);
    },
    lock: async () => {
      await rpc.send("POST", ROUTES.lock);
    },
    unlock: async (passphrase) => {
      const body = passphrase ?? null;
      await rpc.sendBody({ method: "POST", path: ROUTES.unlock, headers: OCTETS, body });
    },
  };
}

async function formOf(parts: readonly Part[]) {
  const { randomUUID } = await import("node:crypto");
  const { body, contentType } = multipart(parts, `aivault-${randomUUID()}`);
  return { headers: { "content-type": contentType }, body };
}

async function sendForm<T>(
  rpc: JsonRpc,
  path: string,
  parts: readonly Part[],
  { timeoutMs, ...confirmable }: Confirmable & { readonly timeoutMs?: number } = {},
): Promise<T> {
  const { headers, body } = await formOf(parts);
  return await rpc.sendBody<T>({
    method: "POST",
    path,
    headers: { ...headers, ...confirming(confirmable) },
    body,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });
}

function octetsPart(name: string, body: Uint8Array): Part {
  return { name, filename: name, contentType: "application/octet-stream", body };
}

function confirming({ confirmation }: Confirmable = {}): Record<string, string> {
  return confirmation === undefined ? {} : { [REQUEST_HEADERS.confirm]: confirmation };
}

async function* lines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of chunks) {
    const complete = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = complete.pop() ?? "";
    yield* complete.filter((line) => line !== "");
  }
}

function parseEntry(line: string): WireAuditEntry {
  try {
    return JSON.parse(line) as WireAuditEntry;
  } catch (cause) {
    throw new AivaultError("CLIENT_PROTOCOL_MISMATCH", "a line of the audit log is not JSON", {
      cause,
    });
  }
}

function at(route: string, id: string): string {
  return `${route}/${encodeURIComponent(id)}`;
}

function withNumbers(route: string, query: Readonly<Record<string, number | undefined>>): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) params.set(name, String(value));
  }
  return params.size === 0 ? route : `${route}?${params}`;
}

function secretsQuery(
  query: string,
  { scope, includeDeleted }: NonNullable<Parameters<OperatorClient["secrets"]>[0]>,
): string {
  const params = new URLSearchParams(query);
  if (scope !== undefined) {
    const { kind, ...ids } = typeof scope === "string" ? { kind: scope } : scope;
    for (const [name, value] of Object.entries({ scope: kind, ...ids })) params.set(name, value);
  }
  if (includeDeleted === true) params.set("includeDeleted", "true");
  return params.size === 0 ? "" : `?${params}`;
}
