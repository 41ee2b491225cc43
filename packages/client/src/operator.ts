/**
 * The operator's client. An entry of its own, so that agent code does not load it.
 */
import {
  type AivaultClient,
  allPages,
  type ClientOptions,
  callerClient,
  discoveryOptions,
  jsonRpc,
} from "./client.ts";
import { operatorSocket } from "./discovery.ts";
import { multipart } from "./multipart.ts";
import {
  OPERATOR_ROUTES as ROUTES,
  type WireAuditEntry,
  type WireCapability,
  type WireCredential,
  type WireNewCapability,
  type WireNewCredential,
  type WireNewSecret,
  type WirePage,
  type WireScope,
  type WireSecret,
  type WireSecretCreated,
  type WireSecretDeleted,
  type WireStatus,
} from "./protocol.ts";
import { unixTransport } from "./transport.ts";

/** As {@link ClientOptions}; `socket` is the operator socket. */
export type OperatorClientOptions = ClientOptions;

/**
 * Everything an operator may do: create, list, change, delete; never read a value.
 *
 * Values are octets, borrowed for the call; wiping them afterwards is the caller's.
 */
export interface OperatorClient extends AivaultClient {
  status(): Promise<WireStatus>;
  /** Metadata of live secrets, all pages. */
  secrets(filter?: {
    readonly scope?: WireScope | WireScope["kind"];
  }): Promise<readonly WireSecret[]>;
  createSecret(secret: WireNewSecret, value: Uint8Array): Promise<WireSecretCreated>;
  updateSecret(
    idOrName: string,
    change: { readonly name?: string; readonly aliases?: readonly string[] },
  ): Promise<WireSecret>;
  rotateSecret(idOrName: string, value: Uint8Array): Promise<WireSecret>;
  deleteSecret(idOrName: string): Promise<WireSecretDeleted>;
  credentials(): Promise<readonly WireCredential[]>;
  createCredential(credential: WireNewCredential): Promise<WireCredential>;
  deleteCredential(id: string): Promise<void>;
  createCapability(capability: WireNewCapability): Promise<WireCapability>;
  deleteCapability(id: string): Promise<void>;
  /** Newest first. `beforeSeq` continues below an entry. */
  audit(query?: {
    readonly limit?: number;
    readonly beforeSeq?: number;
  }): Promise<readonly WireAuditEntry[]>;
  verifyAudit(): Promise<Readonly<Record<string, unknown>>>;
  lock(): Promise<void>;
  /** @param passphrase - Octets of UTF-8, for a vault whose key comes from one. */
  unlock(passphrase?: Uint8Array): Promise<void>;
  /** Let running calls finish, then end the daemon. */
  shutdown(): Promise<void>;
}

/** A client of the daemon's operator socket. Connects on first use. */
export function createOperatorClient(options: OperatorClientOptions = {}): OperatorClient {
  const socket = operatorSocket(discoveryOptions(options));
  const transport = unixTransport([socket]);
  const rpc = jsonRpc(transport, options.headers);
  const octets = { "content-type": "application/octet-stream" };

  return {
    ...callerClient(transport, options),
    get socket() {
      return transport.socket;
    },
    status: () => rpc.get(ROUTES.status),
    secrets: (filter = {}) =>
      allPages((query) => rpc.get(`${ROUTES.secrets}${withScope(query, filter.scope)}`)),
    createSecret: async (secret, value) => {
      const { randomUUID } = await import("node:crypto");
      const parts = [
        { name: "secret", contentType: "application/json", body: JSON.stringify(secret) },
        { name: "value", filename: "value", contentType: "application/octet-stream", body: value },
      ];
      const { body, contentType } = multipart(parts, `aivault-${randomUUID()}`);
      const headers = { "content-type": contentType };
      return rpc.sendBody<WireSecretCreated>({
        method: "POST",
        path: ROUTES.secrets,
        headers,
        body,
      });
    },
    updateSecret: (idOrName, change) => rpc.send("PATCH", at(ROUTES.secrets, idOrName), change),
    rotateSecret: (idOrName, value) => {
      const path = `${at(ROUTES.secrets, idOrName)}/value`;
      return rpc.sendBody<WireSecret>({ method: "PUT", path, headers: octets, body: value });
    },
    deleteSecret: (idOrName) => rpc.send("DELETE", at(ROUTES.secrets, idOrName)),
    credentials: () => allPages((query) => rpc.get(`${ROUTES.credentials}${query}`)),
    createCredential: (credential) => rpc.send("POST", ROUTES.credentials, credential),
    deleteCredential: async (id) => {
      await rpc.send("DELETE", at(ROUTES.credentials, id));
    },
    createCapability: (capability) => rpc.send("POST", ROUTES.capabilities, capability),
    deleteCapability: async (id) => {
      await rpc.send("DELETE", at(ROUTES.capabilities, id));
    },
    audit: async (query = {}) => {
      const params = new URLSearchParams();
      for (const [name, value] of Object.entries(query)) {
        if (value !== undefined) params.set(name, String(value));
      }
      return (await rpc.get<Pick<WirePage<WireAuditEntry>, "items">>(`${ROUTES.audit}?${params}`))
        .items;
    },
    verifyAudit: () => rpc.get(ROUTES.auditVerify),
    lock: async () => {
      await rpc.send("POST", ROUTES.lock);
    },
    unlock: async (passphrase) => {
      const body = passphrase ?? null;
      await rpc.sendBody({ method: "POST", path: ROUTES.unlock, headers: octets, body });
    },
    shutdown: async () => {
      await rpc.send("POST", ROUTES.shutdown);
    },
  };
}

function at(route: string, id: string): string {
  return `${route}/${encodeURIComponent(id)}`;
}

function withScope(query: string, scope: WireScope | WireScope["kind"] | undefined): string {
  if (scope === undefined) return query;
  const { kind, ...ids } = typeof scope === "string" ? { kind: scope } : scope;
  const params = new URLSearchParams({ scope: kind, ...ids });
  return query === "" ? `?${params}` : `${query}&${params}`;
}
