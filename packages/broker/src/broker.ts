import type { Duplex } from "node:stream";
import {
  type Envelope,
  formatInternalHost,
  matchesCapability,
  parseRedirect,
  redirectedMethod,
} from "@aivault/policy";
import type { PathRule, Registry } from "@aivault/registry";
import type {
  AuditEvent,
  Clock,
  GroupReference,
  Page,
  RandomBytes,
  SecretMetadata,
  Vault,
} from "@aivault/vault-core";
import { buildBody } from "./body.ts";
import type { Capability, CapabilityOptions } from "./capability.ts";
import { type CapabilityPolicy, exchangeLimits } from "./capability-policy.ts";
import {
  type Catalog,
  findCapability,
  isUsable,
  loadCatalog,
  policyOf,
  type QuarantinedDocument,
} from "./catalog.ts";
import {
  type InvocationContext,
  requireGranted,
  scopeContext,
  type TokenGrant,
} from "./context.ts";
import { type Credential, viewCredential } from "./credential.ts";
import { BrokerError, toBrokerError } from "./errors.ts";
import { Executor, type Hop, type Progress, type Redirect } from "./execute.ts";
import type { Explanation, Invocation, Plan, Principal, ResponseSink } from "./invocation.ts";
import { type Counted, InvocationLimits } from "./invocation-limits.ts";
import { contextOf, isWithinReach, type ScopeContext } from "./isolation.ts";
import { type NeedsLogin, OAuthTokens } from "./oauth-tokens.ts";
import {
  createBinding,
  createCapability,
  createCredential,
  deleteDocument,
  setPolicy,
} from "./operate.ts";
import { describePlan, type PlannedRequest, permit, planElsewhere, planRequest } from "./plan.ts";
import {
  createSecret,
  deleteSecret,
  type ProvisionSources,
  rotateSecret,
  updateSecret,
} from "./provision.ts";
import { credentialNotFound, missingSecrets, resolveCredential, serves } from "./resolve.ts";
import { type ServedBy, servedBy } from "./served-by.ts";
import { type BrokerSettings, type ResolvedSettings, resolveSettings } from "./settings.ts";
import { relaySocket, requireProtocols, type SocketHead } from "./socket-relay.ts";
import { DecisionTrace } from "./trace.ts";
import type { Upstream, UpstreamLimits } from "./upstream.ts";
import type {
  BindingView,
  CapabilityView,
  CredentialView,
  NewBinding,
  NewCapability,
  NewCredential,
  NewSecret,
  PathRuleView,
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

/**
 * Decides, injects, sends, redacts, records: callers use secrets through it and never hold them.
 *
 * Every method throws {@link BrokerError} for what a caller may meet. Methods that change something are
 * an operator's; whoever exposes them authorises the operator first.
 */
export class Broker {
  readonly #vault: Vault;
  readonly #registry: Registry;
  readonly #upstream: Upstream;
  readonly #now: Clock;
  readonly #random: RandomBytes;
  readonly #settings: ResolvedSettings;
  readonly #userAgent: string;
  readonly #limits: InvocationLimits;
  readonly #tokens: OAuthTokens;
  readonly #executor: Executor;
  /** By the credential as it was loaded: another revision of the vault loads it anew. */
  readonly #served = new WeakMap<Credential, ServedBy>();
  #internal: ResolvedSettings["allowedInternal"];
  #catalog: Catalog | null = null;
  #loading: Promise<Catalog> | null = null;

  constructor(options: BrokerOptions) {
    this.#vault = options.vault;
    this.#registry = options.registry;
    this.#upstream = options.upstream;
    this.#now = options.now;
    this.#random = options.random;
    this.#settings = resolveSettings(options.settings);
    this.#internal = this.#settings.allowedInternal;
    this.#userAgent = `aivault/${options.version}`;
    this.#tokens = new OAuthTokens({
      vault: this.#vault,
      registry: this.#registry,
      upstream: options.upstream,
      now: this.#now,
      random: this.#random,
      userAgent: this.#userAgent,
    });
    this.#executor = new Executor({
      vault: this.#vault,
      registry: this.#registry,
      upstream: options.upstream,
      tokens: this.#tokens,
      now: this.#now,
      settings: this.#settings,
    });
    this.#limits = new InvocationLimits(this.#vault, this.#now, (before, after) =>
      this.stateWritten(before, after),
    );
  }

  /**
   * Replaces the internal services that capabilities and credentials may name: those that name another are
   * set aside from now on. The upstream is told separately.
   */
  allowInternal(services: ResolvedSettings["allowedInternal"]): void {
    this.#internal = services;
    this.#catalog = null;
    this.#loading = null;
  }

  /**
   * Says that a write which changed no more than counts and the like took the vault from one revision to
   * another: what was loaded at the first holds at the second. Where more came in between, it is loaded anew.
   */
  stateWritten(before: number, after: number): void {
    if (after === before + 1 && this.#catalog?.revision === before) {
      this.#catalog = { ...this.#catalog, revision: after };
    }
  }

  /**
   * Carries out an invocation and releases the response to `sink`.
   *
   * @param signal - Abort it when the caller is gone: the provider's connection is closed then.
   * @returns When the response has been released completely and its outcome is in the audit log.
   * @throws {BrokerError} Refused or failed. If `sink.head` was called before, the caller must see a broken
   * response. Either way it is in the audit log, unless that is the reason or the vault is locked.
   */
  async invoke(invocation: Invocation, sink: ResponseSink, signal: AbortSignal): Promise<void> {
    // Whoever asked for a dry run must not be surprised by a real one.
    if (invocation.envelope.dryRun) throw new TypeError("a dry run is planned, not invoked");
    const { planned, policy, leave } = await this.#decide(invocation, true);
    try {
      await this.#execute(invocation, planned, policy, sink, signal);
    } finally {
      leave();
    }
  }

  /** Decides about an invocation and spends nothing: no secret is opened, nobody is contacted. */
  async plan(invocation: Invocation): Promise<Plan> {
    const { planned } = await this.#decide(invocation, false);
    return describePlan(planned);
  }

  /**
   * Decides as {@link plan} does, and says which rules allowed or refused it. A refusal is an answer.
   *
   * @throws {BrokerError} `vault_locked`, and what else is no decision.
   */
  async explain(invocation: Invocation): Promise<Explanation> {
    const trace = new DecisionTrace();
    try {
      const { planned } = await this.#decide(invocation, false, trace);
      trace.pass("limits", "within every rate");
      return {
        decision: "allow",
        steps: trace.steps(null),
        plan: describePlan(planned),
        denial: null,
      };
    } catch (error) {
      const { code, reason, message, hint, retryAfterMs } = toBrokerError(error);
      if (code === "vault_locked" || code === "internal") throw error;
      return {
        decision: "deny",
        steps: trace.steps(message),
        plan: null,
        denial: { code, reason, message, hint, retryAfterMs },
      };
    }
  }

  /** Records a refusal that was decided outside, such as a request that could not be parsed. */
  async denied(requestId: string, principal: Principal, what: OutsideDenial): Promise<void> {
    await this.#append({
      kind: "invocation.decided",
      requestId,
      decision: "deny",
      principal: describePrincipal(principal),
      ...(what.capability === undefined ? {} : { capability: cut(what.capability) }),
      code: what.code,
      reason: what.reason ?? null,
      message: cut(what.message),
    });
  }

  async #decide(
    invocation: Invocation,
    spend: boolean,
    trace: DecisionTrace | null = null,
  ): Promise<{ planned: PlannedRequest; policy: CapabilityPolicy; leave: () => void }> {
    const { envelope, principal, requestId } = invocation;
    let leave = () => {};
    try {
      const catalog = this.#presentCatalog() ?? (await this.#currentCatalog());
      const planned = this.#planOn(catalog, invocation, trace) ?? (await this.#notFound(envelope));
      const { capability, credential } = planned;
      const demanded = policyOf(capability.id, catalog);
      const grants = invocation.context?.grants ?? NO_GRANTS;
      const counted = countedUses(capability.id, demanded, grants);
      if (counted.length > 0) {
        if (spend) leave = await this.#limits.enter(counted);
        else await this.#limits.check(counted);
      }
      const policy =
        grants.length === 0 ? demanded : { ...demanded, ...exchangeLimits(demanded, grants) };
      // G18: before the provider is contacted. If it cannot be written, nothing is sent. Members are in
      // the order in which the log writes them.
      await this.#append({
        capability: capability.id,
        credential: credential.id,
        decision: "allow",
        host: planned.host,
        ...this.#exception(planned),
        kind: spend ? "invocation.decided" : "invocation.planned",
        method: planned.method,
        path: cut(planned.target.path),
        principal: describePrincipal(principal),
        requestId,
        rule: planned.rule,
      });
      return { planned, policy, leave };
    } catch (error) {
      leave();
      const denial = toBrokerError(error);
      // G19: a locked vault has no audit log either; nothing was decided and nothing is done.
      if (denial.code !== "vault_locked") {
        await this.denied(requestId, principal, {
          capability: envelope.capability,
          code: denial.code,
          reason: denial.reason,
          message: denial.message,
        });
      }
      throw denial;
    }
  }

  /** G5: the operator's exception that a request makes use of, for the audit log. */
  #exception({ host, port }: PlannedRequest): { readonly internal: string } | null {
    if (this.#internal.length === 0) return null;
    const used = this.#internal.find((entry) => entry.host === host && entry.port === port);
    return used === undefined ? null : { internal: formatInternalHost(used) };
  }

  /** @returns Null when there is no credential; {@link #notFound} then says which is missing. */
  #planOn(
    catalog: Catalog,
    { envelope, principal, context }: Invocation,
    trace: DecisionTrace | null,
  ): PlannedRequest | null {
    const capability = findCapability(envelope.capability, catalog, this.#registry);
    if (capability === null) throw unknownCapability(envelope.capability);
    trace?.pass("capability", `\`${capability.id}\`, of the ${capability.origin}`);
    const grants = context?.grants ?? NO_GRANTS;
    const pinned = requireGranted(grants, capability.id, envelope.credential);
    trace?.pass(
      "grant",
      grants.length === 0 ? "no token limits this caller" : "every token grants it",
    );
    const resolved = resolveCredential(
      capability,
      { principal, requested: envelope.credential, pinned, context },
      catalog,
    );
    if (resolved === null) return null;
    const { credential, because } = resolved;
    trace?.pass("credential", `\`${credential.id}\`: ${because}`);
    return planRequest(envelope, capability, credential, {
      registry: this.#registry,
      catalog,
      userAgent: this.#userAgent,
      trace,
    });
  }

  /** Throws what a caller is told for whose capability there is no credential. */
  async #notFound({ capability: id }: Envelope): Promise<never> {
    const catalog = await this.#currentCatalog();
    const capability = findCapability(id, catalog, this.#registry);
    if (capability === null) throw unknownCapability(id);
    throw credentialNotFound(
      capability,
      await missingSecrets(capability, this.#vault, this.#registry),
    );
  }

  async #execute(
    invocation: Invocation,
    planned: PlannedRequest,
    policy: CapabilityPolicy,
    sink: ResponseSink,
    signal: AbortSignal,
  ): Promise<void> {
    const { record, progress } = this.#outcome(invocation, planned);
    try {
      const body = buildBody(invocation.envelope.request.body, invocation.uploads, this.#random, {
        bytesMax: policy.requestBytesMax ?? this.#settings.requestBytesMax,
        onBytes: (count) => {
          progress.requestBytes += count;
        },
        announced: invocation.announced,
      });
      const limits = deadlines(this.#settings.deadlines, policy, invocation.timeoutMs);
      const tail = await this.#executor.run(
        { planned, policy, body, limits, sink, signal, progress },
        (from, redirect) => this.#decideHop(invocation, planned.host, from, redirect),
      );
      sink.ending?.();
      // G18, B3: the outcome before the last byte; without it the response stays unfinished.
      await record(COMPLETED);
      for (const chunk of tail) sink.data(chunk);
      sink.end();
    } catch (error) {
      throw await recordFailure(record, error, signal);
    }
  }

  /**
   * Opens a WebSocket to a provider and relays it. It is decided about as a GET.
   *
   * @param protocols - The sub-protocols the caller offers.
   * @param accept - Called once the provider has agreed: answers the caller with 101 and returns its byte
   * stream, which the relay owns from then on.
   * @param signal - Abort it when the caller's token ends: both sides are closed then. The caller gets a close
   * frame before: 1008 when the reason is a {@link BrokerError}, 1001 with any other.
   * @returns When both sides are closed and the outcome is in the audit log.
   * @throws {BrokerError} Refused or failed; when `accept` was called, the caller's stream is destroyed.
   */
  async openSocket(
    invocation: Invocation,
    protocols: readonly string[],
    accept: (head: SocketHead) => Duplex,
    signal: AbortSignal,
  ): Promise<void> {
    const { requestId, principal, envelope } = invocation;
    if (envelope.dryRun) throw new TypeError("a dry run is planned, not opened");
    try {
      if (envelope.request.method !== "GET" || envelope.request.body.kind !== "none") {
        throw new BrokerError("invalid_request", "a WebSocket begins with a GET without body");
      }
      requireProtocols(protocols);
    } catch (error) {
      const { code, reason, message } = toBrokerError(error);
      const { capability } = envelope;
      await this.denied(requestId, principal, { capability, code, reason, message });
      throw error;
    }
    const { planned, policy, leave } = await this.#decide(invocation, true);
    const { record, progress } = this.#outcome(invocation, planned);
    try {
      const injected = await this.#executor.inject(planned);
      try {
        await relaySocket(this.#upstream, this.#random, {
          planned,
          plan: describePlan(planned),
          injected,
          protocols,
          requestBytesMax: policy.requestBytesMax ?? this.#settings.requestBytesMax,
          responseBytesMax: policy.responseBytesMax ?? this.#settings.responseBytesMax,
          limits: deadlines(this.#settings.deadlines, policy, invocation.timeoutMs),
          progress,
          accept,
          signal,
        });
      } finally {
        progress.redactions = injected.redactor.found;
        injected.redactor.wipe();
        injected.clientCertificate?.privateKey.fill(0);
        injected.clientCertificate?.passphrase?.fill(0);
      }
      await record(COMPLETED);
    } catch (error) {
      throw await recordFailure(record, error, signal);
    } finally {
      leave();
    }
  }

  #outcome(
    invocation: Invocation,
    planned: PlannedRequest,
  ): { record: Recorder; progress: Progress } {
    const startedAtMs = this.#now();
    const progress: Progress = {
      requestBytes: 0,
      status: 0,
      responseBytes: 0,
      lengthUnknown: false,
      redactions: 0,
    };
    const record: Recorder = (outcome) =>
      this.#append({
        capability: planned.capability.id,
        ...(outcome.outcome === "completed" ? null : { code: outcome.code }),
        durationMs: Math.max(0, this.#now() - startedAtMs),
        kind: "invocation.completed",
        ...(progress.lengthUnknown ? LENGTH_UNKNOWN : null),
        ...(outcome.outcome === "completed" ? null : { message: outcome.message }),
        outcome: outcome.outcome,
        ...(outcome.outcome === "completed" ? null : { reason: outcome.reason }),
        redactions: progress.redactions,
        requestBytes: progress.requestBytes,
        requestId: invocation.requestId,
        responseBytes: progress.responseBytes,
        status: progress.status,
      });
    return { record, progress };
  }

  /** G8: a redirect is decided about as if the caller had asked for it, on what the vault says now. */
  async #decideHop(
    invocation: Invocation,
    home: string,
    from: PlannedRequest,
    redirect: Redirect,
  ): Promise<Hop> {
    const catalog = await this.#currentCatalog();
    try {
      const policy = policyOf(from.capability.id, catalog);
      if (policy.followRedirects !== true) throw blocked("they are not followed any more");
      const { envelope } = invocation;
      const { host, port, sameOrigin, target } = permit(
        parseRedirect(
          redirect.location,
          { host: from.host, port: from.port, path: from.target.path },
          [...(policy.redirectHosts ?? []), home],
        ),
      );
      const method = redirectedMethod(redirect.status, from.method);
      const dropsBody = redirect.status === 303 || method !== from.method;
      const { request } = envelope;
      const redirected: Invocation = {
        ...invocation,
        envelope: {
          ...envelope,
          request: {
            ...request,
            method,
            path: target,
            ...(dropsBody
              ? { headers: request.headers.filter(isNotAboutBody), body: { kind: "none" } }
              : {}),
          },
        },
      };
      const again = this.#planOn(catalog, redirected, null) ?? (await this.#notFound(envelope));
      // Once the credential was left behind it does not come back: another party chose this URL.
      const keepsCredential =
        sameOrigin && !from.anonymous && again.host === host && again.port === port;
      const planned = keepsCredential ? again : planElsewhere(again, host, port);
      await this.#append({
        kind: "invocation.redirected",
        requestId: invocation.requestId,
        capability: planned.capability.id,
        credential: planned.anonymous ? null : planned.credential.id,
        method: planned.method,
        host: planned.host,
        ...this.#exception(planned),
        path: cut(planned.target.path),
      });
      return { planned, dropsBody };
    } catch (error) {
      const denial = toBrokerError(error);
      if (denial.code !== "policy_violation" && denial.code !== "invalid_request") throw denial;
      throw denial.reason === "redirect_blocked" ? denial : blocked(denial.message);
    }
  }

  /**
   * What there is to invoke. Callers see what works from where they stand and what their token grants;
   * operators everything, and what is missing.
   */
  async listCapabilities(
    principal: Principal,
    context?: InvocationContext,
  ): Promise<readonly CapabilityView[]> {
    const catalog = await this.#currentCatalog();
    const place = principal.kind === "operator" ? "anywhere" : scopeContext(context);
    const granted = (id: string) =>
      (context?.grants ?? []).every(({ capabilities }) =>
        capabilities.some((pattern) => matchesCapability(pattern, id)),
      );
    const views: CapabilityView[] = [];
    for (const { capabilities } of this.#registry.providers) {
      for (const { id } of capabilities) {
        const capability = findCapability(id, catalog, this.#registry);
        if (capability !== null && granted(id)) {
          views.push(await this.#view(capability, catalog, place));
        }
      }
    }
    for (const capability of catalog.capabilities.values()) {
      if (granted(capability.id)) views.push(await this.#view(capability, catalog, place));
    }
    return views
      .filter(({ ready }) => ready || principal.kind === "operator")
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /**
   * What a credential serves, for whoever has to find out which capability a request is a use of. Read
   * once for as long as the vault stays as it is; what a caller may do with it is decided on invocation.
   *
   * @throws {BrokerError} `credential_not_found`.
   */
  async servedBy(credentialId: string): Promise<ServedBy> {
    const catalog = await this.#currentCatalog();
    const credential = catalog.credentials.get(credentialId);
    if (credential === undefined) {
      throw new BrokerError("credential_not_found", "there is no credential with this id", {
        hint: "aivault credential list",
      });
    }
    let served = this.#served.get(credential);
    if (served === undefined) {
      served = servedBy(credential, catalog, this.#registry);
      this.#served.set(credential, served);
    }
    return served;
  }

  /** @throws {BrokerError} `capability_not_found`. */
  async describeCapability(id: string): Promise<CapabilityView> {
    const catalog = await this.#currentCatalog();
    const capability = findCapability(id, catalog, this.#registry);
    if (capability === null) throw unknownCapability(id);
    return await this.#view(capability, catalog);
  }

  async #view(
    capability: Capability,
    catalog: Catalog,
    place: ScopeContext | null | "anywhere" = "anywhere",
  ): Promise<CapabilityView> {
    const { id, provider, description, host, port, risk, rules, origin } = capability;
    const ready = (catalog.credentialsOf.get(provider) ?? []).some(
      (credential) =>
        serves(credential, capability) &&
        (place === "anywhere"
          ? isUsable(credential, catalog, contextOf(credential.scope))
          : isWithinReach(place, credential) && isUsable(credential, catalog, place)),
    );
    return {
      id,
      provider,
      description,
      host: port === null ? host : `${host}:${port}`,
      risk,
      rules: rules.map(viewRule),
      origin,
      ready,
      missing: ready ? [] : await missingSecrets(capability, this.#vault, this.#registry),
    };
  }

  /** Stores a secret and provisions what its name stands for. @throws {BrokerError} `conflict`. */
  async createSecret(input: NewSecret): Promise<SecretCreated> {
    return await guard(() => createSecret(this.#sources, input));
  }

  /** @param value - Borrowed. @throws {BrokerError} `secret_not_found`. */
  async rotateSecret(secretId: string, value: Uint8Array): Promise<SecretMetadata> {
    return await guard(() => rotateSecret(this.#sources, secretId, value));
  }

  /** Renames a secret; a name that a provider claims pins it. */
  async updateSecret(secretId: string, change: SecretChange): Promise<SecretCreated> {
    return await guard(() => updateSecret(this.#sources, secretId, change));
  }

  /** Deletes a secret and says which credentials stopped working. */
  async deleteSecret(secretId: string): Promise<SecretDeleted> {
    return await guard(async () =>
      deleteSecret(this.#sources, secretId, (await this.#currentCatalog()).credentials.values()),
    );
  }

  /** Metadata of secrets, page by page. */
  async listSecrets(
    options: {
      readonly after?: string;
      readonly limit?: number;
      readonly includeDeleted?: boolean;
    } = {},
  ): Promise<Page<SecretMetadata>> {
    return await guard(() => this.#vault.listSecrets(options));
  }

  /**
   * @param idOrName - A secret id, or the name or alias of a global secret.
   * @throws {BrokerError} `secret_not_found`.
   */
  async findSecret(idOrName: string): Promise<SecretMetadata> {
    return await guard(async () => {
      const isId = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(idOrName);
      const secret = isId
        ? await this.#vault.getSecret(idOrName)
        : await this.#vault.findSecret(idOrName, { kind: "global" });
      if (secret !== null) return secret;
      throw new BrokerError("secret_not_found", `there is no secret \`${cut(idOrName, 128)}\``, {
        hint: "aivault secrets list",
      });
    });
  }

  /** @throws {BrokerError} `conflict`, `secret_not_found`, `invalid_request`, `policy_violation`. */
  async createCredential(input: NewCredential): Promise<CredentialView> {
    return await guard(async () =>
      viewCredential(await createCredential(this.#sources, input, this.#capabilityOptions)),
    );
  }

  /** Credentials whose login has ended, and why: an operator has to sign in again. */
  async loginsNeeded(): Promise<readonly ({ readonly credential: string } & NeedsLogin)[]> {
    return await guard(async () => {
      const catalog = await this.#currentCatalog();
      const needed: ({ readonly credential: string } & NeedsLogin)[] = [];
      for (const credential of catalog.credentials.values()) {
        if (!isUsable(credential, catalog, contextOf(credential.scope))) continue;
        const login = await this.#tokens.needsLogin(credential);
        if (login !== null) needed.push({ credential: credential.id, ...login });
      }
      return needed;
    });
  }

  /** Every credential that is not quarantined. */
  async listCredentials(): Promise<readonly CredentialView[]> {
    return await guard(async () =>
      [...(await this.#currentCatalog()).credentials.values()]
        .map(viewCredential)
        .sort((a, b) => (a.id < b.id ? -1 : 1)),
    );
  }

  /** @returns False when there is none. A quarantined one is deleted as well. */
  async deleteCredential(id: string): Promise<boolean> {
    return await guard(() => deleteDocument(this.#sources, "credential", id));
  }

  /** @throws {BrokerError} `conflict`, `invalid_request`, `policy_violation`. */
  async createCapability(input: NewCapability): Promise<CapabilityView> {
    return await guard(async () => {
      const before = await this.#currentCatalog();
      const capability = await createCapability(
        this.#sources,
        input,
        before,
        this.#capabilityOptions,
      );
      return await this.#view(capability, before);
    });
  }

  /** @returns False when an operator made none of this id. */
  async deleteCapability(id: string): Promise<boolean> {
    return await guard(() => deleteDocument(this.#sources, "capability", id));
  }

  /**
   * Decides which credential, or which secret's, is used for a capability in a scope.
   *
   * @throws {BrokerError} `conflict`, `credential_not_found`, `secret_not_found`, `invalid_request`: the
   * credential lies outside the binding's scope.
   */
  async createBinding(input: NewBinding): Promise<BindingView> {
    return await guard(async () =>
      createBinding(this.#sources, input, await this.#currentCatalog()),
    );
  }

  /** Every binding that is not quarantined, in order of id. */
  async listBindings(): Promise<readonly BindingView[]> {
    return await guard(async () =>
      [...(await this.#currentCatalog()).bindings.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
    );
  }

  /** @returns False when there is none. A quarantined one is deleted as well. */
  async deleteBinding(id: string): Promise<boolean> {
    return await guard(() => deleteDocument(this.#sources, "binding", id));
  }

  /**
   * Demands something of a capability; what was demanded before is forgotten.
   *
   * @throws {BrokerError} `capability_not_found`, `invalid_request`.
   */
  async setPolicy(capabilityId: string, policy: CapabilityPolicy): Promise<CapabilityPolicy> {
    return await guard(async () => {
      const catalog = await this.#currentCatalog();
      if (findCapability(capabilityId, catalog, this.#registry) === null) {
        throw unknownCapability(capabilityId);
      }
      return await setPolicy(this.#sources, capabilityId, policy);
    });
  }

  /** What is demanded of a capability; null for nothing. @throws {BrokerError} `vault_unavailable`. */
  async getPolicy(capabilityId: string): Promise<CapabilityPolicy | null> {
    return await guard(async () => {
      const catalog = await this.#currentCatalog();
      policyOf(capabilityId, catalog);
      return catalog.policies.get(capabilityId) ?? null;
    });
  }

  /** @returns False when there was none. A quarantined one is deleted as well. */
  async deletePolicy(capabilityId: string): Promise<boolean> {
    return await guard(() => deleteDocument(this.#sources, "policy", capabilityId));
  }

  /** Puts a secret within reach of a group of its workspace, or of any group when it is global. */
  async attachSecret(secretId: string, group: GroupReference): Promise<SecretMetadata> {
    return await guard(() => this.#changeGroup("attached", secretId, group));
  }

  /** Takes it out of the group's reach again. */
  async detachSecret(secretId: string, group: GroupReference): Promise<SecretMetadata> {
    return await guard(() => this.#changeGroup("detached", secretId, group));
  }

  #changeGroup(
    change: "attached" | "detached",
    secretId: string,
    group: GroupReference,
  ): Promise<SecretMetadata> {
    return this.#vault.transaction(async (tx) => {
      const secret =
        change === "attached"
          ? await tx.attachGroup(secretId, group)
          : await tx.detachGroup(secretId, group);
      await this.#vault.audit.append({ kind: `secret.${change}`, secretId, ...group });
      return secret;
    });
  }

  /** Documents that are set aside because they are malformed, and why. */
  async quarantined(): Promise<readonly QuarantinedDocument[]> {
    return await guard(async () => (await this.#currentCatalog()).quarantined);
  }

  get #sources(): ProvisionSources {
    return { vault: this.#vault, registry: this.#registry, now: this.#now };
  }

  get #capabilityOptions(): CapabilityOptions {
    const internal = this.#internal;
    return {
      isInternalAllowed: (host, port) =>
        internal.some((entry) => entry.host === host && entry.port === port),
      isInternalHost: (host) => internal.some((entry) => entry.host === host),
    };
  }

  /** The catalog, where it is the present one; null where {@link #currentCatalog} has work to do. */
  #presentCatalog(): Catalog | null {
    const { locked, revision } = this.#vault;
    return !locked && this.#catalog?.revision === revision ? this.#catalog : null;
  }

  /** The documents at the vault's present revision: nothing outlives a change (G13). */
  async #currentCatalog(): Promise<Catalog> {
    const { locked, revision } = this.#vault;
    if (locked) {
      this.#catalog = null;
      throw new BrokerError("vault_locked", "the vault is locked; an operator can unlock it", {
        hint: "aivault unlock",
      });
    }
    if (this.#catalog?.revision === revision) return this.#catalog;
    const internal = this.#internal;
    this.#loading ??= loadCatalog(this.#vault, this.#registry, this.#capabilityOptions);
    const loading = this.#loading;
    const catalog = await guard(() => loading).finally(() => {
      if (this.#loading === loading) this.#loading = null;
    });
    // Read by what was allowed before: once more.
    if (internal !== this.#internal) return await this.#currentCatalog();
    this.#catalog = catalog;
    // A change that came while loading makes another round.
    return this.#vault.revision === catalog.revision ? catalog : await this.#currentCatalog();
  }

  #append(event: AuditEvent): Promise<unknown> {
    return this.#vault.audit.append(event).catch(rethrow);
  }
}

type Outcome =
  | { readonly outcome: "completed" }
  | {
      readonly outcome: "cancelled" | "failed";
      readonly code: string;
      readonly reason: string | null;
      readonly message: string;
    };

type Recorder = (outcome: Outcome) => Promise<unknown>;

const LENGTH_UNKNOWN = { lengthUnknown: true } as const;
const COMPLETED = { outcome: "completed" } as const;
const NO_GRANTS: readonly TokenGrant[] = [];

function rethrow(error: unknown): never {
  throw toBrokerError(error);
}

/** @returns The failure, recorded as far as that is possible. */
async function recordFailure(
  record: Recorder,
  error: unknown,
  signal: AbortSignal,
): Promise<BrokerError> {
  const failure = toBrokerError(error);
  await record({
    outcome: signal.aborted ? "cancelled" : "failed",
    code: failure.code,
    reason: failure.reason,
    message: cut(failure.message),
  }).catch(() => {});
  return failure;
}

/** Fields about a body, which go when the body goes (RFC 9110 section 15.4). */
function isNotAboutBody({ name }: { readonly name: string }): boolean {
  return !name.toLowerCase().startsWith("content-");
}

function blocked(why: string): BrokerError {
  return new BrokerError("policy_violation", `the provider's redirect is not followed: ${why}`, {
    reason: "redirect_blocked",
  });
}

function countedUses(
  capabilityId: string,
  policy: CapabilityPolicy,
  grants: readonly TokenGrant[],
): readonly Counted[] {
  const isBounded = policy.requestsPerMinute !== undefined || policy.concurrency !== undefined;
  if (!isBounded && grants.length === 0) return NOTHING_COUNTED;
  return [
    { id: capabilityId, name: `\`${capabilityId}\``, limits: policy },
    ...grants.flatMap(({ tokenId, limits }) =>
      limits === undefined ? [] : [{ id: `token:${tokenId}`, name: "the token", limits }],
    ),
  ];
}

const NOTHING_COUNTED: readonly Counted[] = [];

function unknownCapability(id: string): BrokerError {
  const shown = cut(id, 100).replaceAll(/[^\x21-\x7e]/g, "?");
  return new BrokerError("capability_not_found", `there is no capability \`${shown}\``, {
    hint: "aivault capability list",
  });
}

/** Everything that decides whether a request fits; the risk of a single rule is not part of it. */
function viewRule({ methods, match, path, query, encodedSlash }: PathRule): PathRuleView {
  return {
    methods: [...methods],
    match,
    path,
    ...(query === undefined ? {} : { query }),
    ...(encodedSlash === true ? { encodedSlash } : {}),
  };
}

function deadlines(
  base: UpstreamLimits,
  policy: CapabilityPolicy,
  timeoutMs: number | undefined,
): UpstreamLimits {
  if (timeoutMs === undefined && policy.totalMs === undefined && policy.idleMs === undefined) {
    return base;
  }
  const totalMs = Math.min(
    base.totalMs === 0 ? Number.POSITIVE_INFINITY : base.totalMs,
    policy.totalMs ?? Number.POSITIVE_INFINITY,
    timeoutMs ?? Number.POSITIVE_INFINITY,
  );
  return {
    ...base,
    totalMs: Number.isFinite(totalMs) ? totalMs : 0,
    idleMs: policy.idleMs === undefined ? base.idleMs : Math.min(base.idleMs, policy.idleMs),
  };
}

function describePrincipal(principal: Principal): Record<string, string | number | null> {
  const { kind, transport, uid, pid, tokenId } = principal;
  return tokenId === undefined
    ? { kind, pid, transport, uid }
    : { kind, pid, tokenId, transport, uid };
}

const AUDIT_TEXT_CHARS_MAX = 512;
const ASCII = /^[ -~]*$/;

function cut(text: string, charsMax = AUDIT_TEXT_CHARS_MAX): string {
  const shown = text.length > charsMax ? `${text.slice(0, charsMax)}…` : text;
  if (ASCII.test(shown)) return shown;
  // Half of a surrogate pair is not Unicode, and the log refuses what is not.
  return shown.replaceAll(/\p{Cs}/gu, "?");
}

/** Runs something and turns what it throws into a {@link BrokerError}. */
async function guard<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw toBrokerError(error);
  }
}
