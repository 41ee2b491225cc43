import { randomBytes } from "node:crypto";
import { type Envelope, parseEnvelope } from "@aivault/policy";
import { builtinRegistry, type Registry } from "@aivault/registry";
import { type KeyProvider, MemoryStore, Vault } from "@aivault/vault-core";
import {
  Broker,
  type BrokerError,
  type BrokerSettings,
  createUndiciUpstream,
  type Invocation,
  type Principal,
  type ResponseHead,
  type ResponseSink,
  type UndiciUpstreamOptions,
  type Upload,
  type Upstream,
} from "../../src/index.ts";
import { authority } from "./certificate-authority.ts";

/** A broker over a vault in memory and the real network door, pointed at stand-ins. */
export interface Harness {
  readonly vault: Vault;
  readonly broker: Broker;
  readonly upstream: Upstream;
  readonly store: MemoryStore;
  readonly keyProvider: KeyProvider;
  close(): Promise<void>;
}

export const caller: Principal = { kind: "caller", transport: "unix", uid: 1000, pid: null };
export const operator: Principal = { kind: "operator", transport: "unix", uid: 1000, pid: null };

export const utf8 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
export const random = (length: number): Uint8Array => new Uint8Array(randomBytes(length));

/** A key that lives as long as the test. */
export function createTestKey(): KeyProvider {
  const key = randomBytes(32);
  return {
    config: { kind: "env", variable: "TEST_KEY" },
    create: async () => new Uint8Array(key),
    obtain: async () => new Uint8Array(key),
  };
}

export interface HarnessOptions {
  /** Host to the port of a stand-in on loopback. */
  readonly hosts?: Readonly<Record<string, number>>;
  readonly registry?: Registry;
  readonly settings?: BrokerSettings;
  readonly upstream?: UndiciUpstreamOptions;
  readonly now?: () => number;
}

export async function createHarness(options: HarnessOptions = {}): Promise<Harness> {
  const store = new MemoryStore();
  const keyProvider = createTestKey();
  const now = options.now ?? Date.now;
  const vault = await Vault.create({ store, random, now, keyProvider });
  const upstream = createUndiciUpstream({
    ca: [authority.certificatePem],
    resolve: new Map(
      Object.entries(options.hosts ?? {}).map(([host, port]) => [
        host,
        { address: "127.0.0.1", port },
      ]),
    ),
    ...options.upstream,
  });
  const broker = new Broker({
    vault,
    registry: options.registry ?? builtinRegistry(),
    upstream,
    now,
    random,
    version: "0.0.0-test",
    ...(options.settings === undefined ? {} : { settings: options.settings }),
  });
  return {
    vault,
    broker,
    upstream,
    store,
    keyProvider,
    close: async () => {
      await upstream.close();
      await vault.close();
    },
  };
}

/** An envelope as the daemon would have parsed it. */
export function envelope(json: unknown, uploads = false): Envelope {
  const parsed = parseEnvelope(json, { uploads });
  if (!parsed.ok) throw new TypeError(parsed.message);
  return parsed.value;
}

let requests = 0;

export function invocation(
  json: unknown,
  uploads: readonly Upload[] | null = null,
  more: Partial<Invocation> = {},
): Invocation {
  requests += 1;
  return {
    requestId: `req-${requests}`,
    principal: caller,
    envelope: envelope(json, uploads !== null),
    uploads: uploads === null ? null : sequence(uploads),
    ...more,
  };
}

async function* sequence<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

/** A response as a caller got it. */
export interface Received {
  head: ResponseHead | null;
  body: Buffer;
  ended: boolean;
  error: BrokerError | null;
  /** Each chunk by itself. */
  readonly arrivals: string[];
}

/** Invokes and collects. */
export async function receive(
  broker: Broker,
  what: Invocation,
  options: {
    readonly signal?: AbortSignal;
    readonly onData?: (chunk: Uint8Array) => boolean;
    readonly onHead?: (head: ResponseHead, resume: () => void) => void;
  } = {},
): Promise<Received> {
  const received: Received = {
    head: null,
    body: Buffer.alloc(0),
    ended: false,
    error: null,
    arrivals: [],
  };
  const chunks: Uint8Array[] = [];
  const sink: ResponseSink = {
    head: (head, control) => {
      received.head = head;
      options.onHead?.(head, () => control.resume());
    },
    data: (chunk) => {
      chunks.push(chunk);
      received.arrivals.push(Buffer.from(chunk).toString());
      return options.onData?.(chunk) ?? true;
    },
    end: () => {
      received.ended = true;
    },
  };
  try {
    await broker.invoke(what, sink, options.signal ?? new AbortController().signal);
  } catch (error) {
    received.error = error as BrokerError;
  }
  received.body = Buffer.concat(chunks);
  return received;
}

/** What the audit log says last, oldest first. */
export async function auditEvents(
  vault: Vault,
  limit = 1000,
): Promise<readonly Record<string, unknown>[]> {
  const entries = await vault.audit.read({ limit });
  return entries.map(({ event }) => event as Record<string, unknown>).reverse();
}
