/**
 * The JSON that commands print. Members keep the names and nesting that existing scripts read;
 * members are added, never renamed.
 */

import { join } from "node:path";
import type {
  WireAuditEntry,
  WireBinding,
  WireCapability,
  WireCredential,
  WirePolicy,
  WireScope,
  WireSecret,
  WireStatus,
} from "@aivault/client";

/** A scope as scripts know it: a word for global, an object for the others. */
export function scopeShape(scope: WireScope): unknown {
  switch (scope.kind) {
    case "global":
      return "global";
    case "workspace":
      return { workspace: { workspace_id: scope.workspaceId } };
    case "group":
      return { group: { workspace_id: scope.workspaceId, group_id: scope.groupId } };
  }
}

/** A scope for people. */
export function scopeText(scope: WireScope): string {
  switch (scope.kind) {
    case "global":
      return "global";
    case "workspace":
      return `workspace:${scope.workspaceId}`;
    case "group":
      return `group:${scope.workspaceId}:${scope.groupId}`;
  }
}

/** A secret's metadata. There is no form of it that has the value. */
export function secretShape(secret: WireSecret): Record<string, unknown> {
  return {
    secretId: secret.secretId,
    name: secret.name,
    aliases: secret.aliases,
    scope: scopeShape(secret.scope),
    ...(secret.pinnedProvider === null ? {} : { pinnedProvider: secret.pinnedProvider }),
    createdAtMs: secret.createdAtMs,
    updatedAtMs: secret.updatedAtMs,
    revokedAtMs: secret.deletedAtMs,
    valueVersion: secret.valueVersion,
    attachedGroups: secret.attachedGroups,
  };
}

/** A credential: which secrets it uses by reference, never what they are. */
export function credentialShape(credential: WireCredential): Record<string, unknown> {
  const { scope } = credential;
  const refs = Object.fromEntries(
    Object.entries(credential.secrets).map(([placeholder, id]) => [
      placeholder,
      `vault:secret:${id}`,
    ]),
  );
  return {
    id: credential.id,
    provider: credential.provider,
    workspaceId: scope.kind === "global" ? null : scope.workspaceId,
    groupId: scope.kind === "group" ? scope.groupId : null,
    auth: credential.auth,
    hosts: credential.hosts,
    secretRef: Object.values(refs)[0] ?? null,
    secretRefs: refs,
    origin: credential.origin,
    createdAtMs: credential.createdAtMs,
  };
}

/** A capability and what it allows. */
export function capabilityShape(capability: WireCapability): Record<string, unknown> {
  return {
    id: capability.id,
    provider: capability.provider,
    allow: allowShape(capability),
    description: capability.description,
    risk: capability.risk,
    rules: capability.rules,
    origin: capability.origin,
    ready: capability.ready,
    missing: capability.missing,
  };
}

/** The three lists that older scripts read; `rules` says which method goes with which path. */
export function allowShape({ host, rules }: WireCapability): {
  hosts: string[];
  methods: string[];
  pathPrefixes: string[];
} {
  return {
    hosts: [host],
    methods: [...new Set(rules.flatMap(({ methods }) => methods))],
    pathPrefixes: [...new Set(rules.map(({ path }) => path))],
  };
}

/** A policy under the names that older scripts read; what is not limited is null or empty. */
export function policyShape(policy: WirePolicy): Record<string, unknown> {
  return {
    rateLimitPerMinute: policy.requestsPerMinute ?? null,
    maxRequestBodyBytes: policy.requestBytesMax ?? null,
    maxResponseBodyBytes: policy.responseBytesMax ?? null,
    responseBodyBlocklist: policy.responseBlock ?? [],
    concurrency: policy.concurrency ?? null,
    totalMs: policy.totalMs ?? null,
    idleMs: policy.idleMs ?? null,
    followRedirects: policy.followRedirects ?? false,
    redirectHosts: policy.redirectHosts ?? [],
  };
}

/** A binding: which secret or credential, by reference. */
export function bindingShape(binding: WireBinding): Record<string, unknown> {
  return {
    id: binding.id,
    capability: binding.capability,
    secretRef: binding.secretId === null ? null : `vault:secret:${binding.secretId}`,
    credential: binding.credential,
    scope: scopeShape(binding.scope),
    consumer: binding.consumer,
    createdAtMs: binding.createdAtMs,
  };
}

/** One audit entry, its event's fields beside its number and time. */
export function auditShape(entry: WireAuditEntry): Record<string, unknown> {
  return { seq: entry.seq, tsMs: entry.tsMs, ...entry.event };
}

/** The state of a vault, and where its parts are. */
export function statusShape(status: WireStatus): Record<string, unknown> {
  const { vault, paths } = status;
  return {
    status: { enabled: true, ...vaultShape(vault) },
    paths: pathsShape(paths.root, paths),
    daemon: {
      version: status.version,
      protocol: status.protocol,
      pid: status.pid,
      allowedInternal: status.allowedInternal,
    },
    setAside: status.setAside,
  };
}

export function vaultShape(vault: WireStatus["vault"]): Record<string, unknown> {
  return {
    providerType: vault.keyProvider.kind,
    locked: vault.locked,
    vaultId: vault.vaultId,
    dev: vault.dev,
    formatVersion: vault.formatVersion,
    revision: vault.revision,
    quarantined: vault.quarantined,
  };
}

export function pathsShape(
  root: string,
  sockets: { readonly socket: string; readonly operatorSocket: string },
): Record<string, unknown> {
  return {
    rootDir: root,
    configPath: join(root, "vault.json"),
    secretsDir: join(root, "secrets"),
    auditDir: join(root, "audit"),
    socket: sockets.socket,
    operatorSocket: sockets.operatorSocket,
  };
}
