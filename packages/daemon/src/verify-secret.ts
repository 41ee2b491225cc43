/** Asking the provider whether it takes a key, with the harmless request its definition names. */

import type { Invocation, ResponseHead, ResponseSink } from "@aivault/broker";
import type { WireSecretVerified } from "@aivault/client/protocol";
import type { SecretMetadata } from "@aivault/vault-core";
import type { Exchange } from "./exchange.ts";
import { Problem } from "./problem.ts";
import type { Services } from "./services.ts";

/** People wait for the answer. */
const TIMEOUT_MS = 30_000;

/**
 * Invoke the provider's harmless request with the credential that uses this secret. It is an invocation
 * like any other: decided, recorded, redacted. What the provider says is dropped but for its status.
 *
 * @throws {Problem} `conflict`: no provider claims the secret, or has such a request, or no credential
 * uses it. And what an invocation throws.
 */
export async function verifySecret(
  exchange: Exchange,
  services: Services,
  { secretId, name, pinnedProvider }: SecretMetadata,
): Promise<WireSecretVerified> {
  const { engine } = services;
  const broker = engine.broker();
  const provider = pinnedProvider === null ? null : engine.providers.provider(pinnedProvider);
  const request = provider?.verify;
  if (provider === null || request === undefined) {
    throw new Problem("conflict", `nobody knows a harmless request that would prove \`${name}\``);
  }
  const credential = (await broker.listCredentials()).find(
    (each) => each.provider === provider.id && Object.values(each.secrets).includes(secretId),
  );
  if (credential === undefined) {
    throw new Problem("conflict", `no credential of \`${provider.id}\` uses \`${name}\``);
  }
  const { capability, method, path, body } = request;
  const json = [{ name: "content-type", value: "application/json" }];
  const invocation: Invocation = {
    requestId: exchange.requestId,
    principal: exchange.principal,
    envelope: {
      capability,
      credential: credential.id,
      dryRun: false,
      request: {
        method,
        path,
        headers: body === undefined ? [] : json,
        body: body === undefined ? { kind: "none" } : { kind: "text", text: body },
      },
    },
    uploads: null,
    timeoutMs: TIMEOUT_MS,
  };
  let head: ResponseHead | null = null;
  const sink: ResponseSink = {
    head(received) {
      head = received;
    },
    data: () => true,
    end: () => undefined,
  };
  exchange.invoked();
  await broker.invoke(invocation, sink, exchange.signal);
  const { status, plan } = head as unknown as ResponseHead;
  return {
    ok: status >= 200 && status < 300,
    status,
    provider: provider.id,
    method: plan.method,
    url: plan.url,
  };
}
