import type { Registry } from "@aivault/registry";
import type { Clock, Page, RandomBytes, SecretMetadata, Vault } from "@aivault/vault-core";
import type { Invocation, Plan, Principal, ResponseSink } from "./invocation.ts";
import type { BrokerSettings } from "./settings.ts";
import type { Upstream } from "./upstream.ts";
import type {
  CapabilityView,
  CredentialView,
  NewCapability,
  NewCredential,
  NewSecret,
  SecretChange,
  SecretCreated,
  SecretDeleted,
} from "./views.ts";

/** What a broker is made of. */
export interface BrokerOptions {
  readonly vault: Vault;
  readonly registry: Registry;
  readonly upstream: Upstream;
  readonly now: Clock;
  readonly random: RandomBytes;
  readonly settings?: BrokerSettings;
  /** Goes into the `user-agent` of requests that bring none. */
  readonly version: string;
}

/** A refusal that was decided before the broker was asked. */
export interface OutsideDenial {
  readonly capability?: string;
  readonly code: string;
  readonly reason?: string | null;
  readonly message: string;
}

const pending = (): never => {
  throw new Error("not built yet");
};

/** A broker. */
export class Broker {
  constructor(_options: BrokerOptions) {}
  async invoke(_invocation: Invocation, _sink: ResponseSink, _signal: AbortSignal): Promise<void> {
    pending();
  }
  async plan(_invocation: Invocation): Promise<Plan> {
    return pending();
  }
  async denied(_requestId: string, _principal: Principal, _what: OutsideDenial): Promise<void> {
    pending();
  }
  async listCapabilities(_principal: Principal): Promise<readonly CapabilityView[]> {
    return pending();
  }
  async describeCapability(_id: string): Promise<CapabilityView> {
    return pending();
  }
  async createSecret(_input: NewSecret): Promise<SecretCreated> {
    return pending();
  }
  async rotateSecret(_secretId: string, _value: Uint8Array): Promise<SecretMetadata> {
    return pending();
  }
  async updateSecret(_secretId: string, _change: SecretChange): Promise<SecretCreated> {
    return pending();
  }
  async deleteSecret(_secretId: string): Promise<SecretDeleted> {
    return pending();
  }
  async listSecrets(_options?: {
    readonly after?: string;
    readonly limit?: number;
    readonly includeDeleted?: boolean;
  }): Promise<Page<SecretMetadata>> {
    return pending();
  }
  async findSecret(_idOrName: string): Promise<SecretMetadata> {
    return pending();
  }
  async createCredential(_input: NewCredential): Promise<CredentialView> {
    return pending();
  }
  async listCredentials(): Promise<readonly CredentialView[]> {
    return pending();
  }
  async deleteCredential(_id: string): Promise<boolean> {
    return pending();
  }
  async createCapability(_input: NewCapability): Promise<CapabilityView> {
    return pending();
  }
  async deleteCapability(_id: string): Promise<boolean> {
    return pending();
  }
}
