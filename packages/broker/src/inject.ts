import type { AuthScheme, Registry } from "@aivault/registry";
import type { Vault } from "@aivault/vault-core";
import { injectBasic } from "./auth/basic.ts";
import { injectHeader } from "./auth/header.ts";
import type { Injection, OpenSecrets } from "./auth/injection.ts";
import { injectHeaders } from "./auth/multi-header.ts";
import { injectParams } from "./auth/multi-query.ts";
import { injectPath } from "./auth/path.ts";
import { injectQuery } from "./auth/query.ts";
import { schemePlaceholders } from "./credential.ts";
import { BrokerError } from "./errors.ts";
import { joinTarget, type PlannedRequest, requirePin } from "./plan.ts";
import { Redactor } from "./redact.ts";

/** A planned request with its credential in it. */
export interface InjectedRequest {
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** With query. */
  readonly path: string;
  /** Finds everything that was injected. Its owner wipes it. */
  readonly redactor: Redactor;
}

/**
 * Opens the secrets of a planned request and puts them in. The one place where a secret meets a request.
 *
 * G23: only the secrets this scheme uses are opened, after every check has passed, and they are wiped
 * when this returns. What remains is the request's own text, which no JavaScript can wipe, and the
 * redactor, which is wiped with the exchange.
 *
 * @throws {BrokerError} `auth_failed`: a secret's value cannot go where the scheme puts it.
 */
export async function injectCredential(
  planned: PlannedRequest,
  vault: Vault,
  registry: Registry,
): Promise<InjectedRequest> {
  const { credential } = planned;
  const used = new Map<string, string>();
  for (const placeholder of schemePlaceholders(credential.auth)) {
    const secretId = credential.secrets[placeholder];
    if (secretId !== undefined) used.set(placeholder, secretId);
  }
  return await openSecrets(vault, planned, registry, [...used], new Map(), (secrets) => {
    const injection = inject(credential.auth, secrets);
    const redactor = new Redactor([...secrets.values(), ...injection.derived]);
    for (const derived of injection.derived) derived.fill(0);
    return {
      headers: [
        ...planned.headers.map(({ name, value }) => [name, value] as const),
        ...injection.headers,
      ],
      path: joinTarget(injection.pathPrefix, planned.target, injection.params),
      redactor,
    };
  });
}

async function openSecrets<T>(
  vault: Vault,
  planned: PlannedRequest,
  registry: Registry,
  remaining: readonly (readonly [placeholder: string, secretId: string])[],
  opened: OpenSecrets,
  use: (secrets: OpenSecrets) => T,
): Promise<T> {
  const [next, ...others] = remaining;
  if (next === undefined) return use(opened);
  const [placeholder, secretId] = next;
  return await vault.useSecret(secretId, (value, { name, pinnedProvider }) => {
    // G4: once more, on what the vault says at this moment.
    requirePin(name, pinnedProvider, [planned.host], planned.credential, registry);
    const all = new Map([...opened, [placeholder, value]]);
    return openSecrets(vault, planned, registry, others, all, use);
  });
}

function inject(auth: AuthScheme, secrets: OpenSecrets): Injection {
  switch (auth.strategy) {
    case "header":
      return injectHeader(auth, secrets);
    case "query":
      return injectQuery(auth, secrets);
    case "path":
      return injectPath(auth, secrets);
    case "basic":
      return injectBasic(auth, secrets);
    case "multi-header":
      return injectHeaders(auth, secrets);
    case "multi-query":
      return injectParams(auth, secrets);
    default:
      throw new BrokerError(
        "auth_failed",
        `credentials of the strategy \`${auth.strategy}\` cannot be used yet`,
      );
  }
}
