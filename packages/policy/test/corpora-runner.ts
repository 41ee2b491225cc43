/**
 * Runs the pure part of the attack corpora (corpora/README.md) against this package: every case that
 * needs no listener, no upstream and no clock. Any folder of the same shape will do.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  allows,
  checkAddresses,
  checkJsonContentType,
  classifyAddress,
  type Denial,
  type Envelope,
  type HeaderPair,
  hostMatches,
  managedPathConflict,
  managedQueryConflict,
  type PathRule,
  parseEndpointUrl,
  parseEnvelopeText,
  parseHostPattern,
  parseMethod,
  parsePathRule,
  parseTarget,
  queryPairs,
  requestHeaders,
  type Target,
} from "../src/index.ts";

/** The sets of which at least some cases are pure. */
export const PURE_SETS = ["path", "ssrf", "headers", "envelopes"] as const;

export type PureSet = (typeof PURE_SETS)[number];

type Parts = readonly (readonly [text: string, times: number])[];

/** One case, as it stands in the file. Which members are present depends on the set and kind. */
export interface CorpusCase {
  readonly id: string;
  readonly class: string;
  readonly why: string;
  readonly input: {
    readonly kind?: string;
    readonly via?: string;
    readonly path?: string;
    readonly pathParts?: Parts;
    readonly prefixes?: readonly string[];
    readonly auth?: {
      readonly type?: string;
      readonly headers?: readonly string[];
      readonly params?: readonly string[];
      readonly prefixTemplate?: string;
    };
    readonly pattern?: string;
    readonly host?: string;
    readonly address?: string;
    readonly answers?: readonly (readonly string[])[];
    readonly url?: string;
    readonly allowHosts?: readonly string[];
    readonly headers?: readonly (readonly [name: string, value: string])[];
    readonly headersSpec?: {
      readonly repeatName: string;
      readonly count: number;
      readonly valueLength: number;
    };
    readonly contentType?: string;
    readonly text?: string;
    readonly base64?: string;
    readonly textParts?: Parts;
  };
  readonly expected: {
    readonly decision: string;
    readonly acceptable?: readonly string[];
    readonly wire?: string;
    readonly wireIfAllowed?: readonly string[];
    readonly queryPairs?: readonly (readonly [string, string])[];
    readonly neverOnWire?: readonly string[];
    readonly connectOnlyTo?: readonly string[];
    readonly host?: string;
    readonly port?: number;
    readonly neverUpstream?: readonly string[];
    readonly neverUpstreamValue?: readonly string[];
    readonly mustReachUpstream?: readonly (readonly [name: string, value: string])[];
    readonly maxMillis?: number;
    readonly upstreamBody?: string;
    readonly upstreamBodyBase64?: string;
  };
}

/** What came of a case. */
export interface Outcome {
  readonly id: string;
  readonly set: PureSet;
  readonly verdict: "passed" | "attack let through" | "good request refused" | "side condition";
  readonly detail: string;
}

/** Read one set of a corpus folder. */
export function readCorpus(folder: string, set: string): readonly CorpusCase[] {
  return JSON.parse(readFileSync(join(folder, `${set}.json`), "utf8"));
}

/** What the cases that name a capability take for granted. */
export interface SetUp {
  readonly capability: string;
  readonly method: string;
  readonly host: string;
  readonly prefix: string;
  readonly credential: string;
  /** The header that the credential adds. */
  readonly header: { readonly name: string; readonly template: string };
}

const DEFAULT_SET_UP: SetUp = {
  capability: "openai/chat-completions",
  method: "POST",
  host: "api.openai.com",
  prefix: "/v1/chat/completions",
  credential: "openai",
  header: { name: "authorization", template: "Bearer {{secret}}" },
};

/** Read the set-up of a corpus folder from the one sentence in its `setup.md`. */
export function readSetUp(folder: string): SetUp {
  const path = join(folder, "setup.md");
  const text = existsSync(path) ? readFileSync(path, "utf8") : "";
  const { capability, method, host, prefix, credential, header } = DEFAULT_SET_UP;
  const [, name = header.name, template = header.template] =
    /header auth `([^`:]+):\s*([^`]+)`/.exec(text) ?? [];
  return {
    capability: /capability `([^`]+)`/.exec(text)?.[1] ?? capability,
    method: /method `?([A-Z]+)/.exec(text)?.[1] ?? method,
    host: /host `?([a-z0-9][a-z0-9.-]*[a-z0-9])/.exec(text)?.[1] ?? host,
    prefix: /prefix `([^`]+)`/.exec(text)?.[1] ?? prefix,
    credential: /credential `([^`]+)`/.exec(text)?.[1] ?? credential,
    header: { name, template },
  };
}

/** Run a case, or return null when it needs more than this package. */
export function runPure(
  set: PureSet,
  testCase: CorpusCase,
  setUp: SetUp = DEFAULT_SET_UP,
): Outcome | null {
  const answer = RUNNERS[set](testCase, setUp);
  if (answer === null) return null;
  const outcome = (verdict: Outcome["verdict"], detail: string): Outcome => ({
    id: testCase.id,
    set,
    verdict,
    detail,
  });
  const expected = testCase.expected.decision;
  const acceptable = testCase.expected.acceptable ?? [expected];
  const given = answer.denial === null ? "accepted" : `refused: ${answer.denial.message}`;
  if (answer.denial !== null) {
    if (!WELL_FORMED_MESSAGE.test(answer.denial.message)) return outcome("side condition", given);
    return expected === "either" || acceptable.includes("deny")
      ? outcome("passed", given)
      : outcome("good request refused", given);
  }
  if (answer.failed !== null) {
    const attack = expected === "deny" || expected === "strip";
    return outcome(attack ? "attack let through" : "side condition", answer.failed);
  }
  const passes = expected === "either" || acceptable.some((decision) => decision !== "deny");
  return passes ? outcome("passed", given) : outcome("attack let through", given);
}

/** Messages are one line of lowercase text without a final period; see docs/style. */
const WELL_FORMED_MESSAGE =
  /^[^A-Z\n\r][^\n\r]{0,600}[^.\n\r]$|^(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|JSON) /;

interface Answer {
  readonly denial: Denial | null;
  /** A side condition of the case that the accepted request breaks. */
  readonly failed: string | null;
}

const accepted: Answer = { denial: null, failed: null };

function refused(denial: Denial): Answer {
  return { denial, failed: null };
}

function failed(what: string): Answer {
  return { denial: null, failed: what };
}

const RUNNERS: Readonly<Record<PureSet, (testCase: CorpusCase, setUp: SetUp) => Answer | null>> = {
  path: runPath,
  ssrf: runSsrf,
  headers: runHeaders,
  envelopes: runEnvelope,
};

function bytesOf(input: CorpusCase["input"]): Uint8Array {
  if (typeof input.text === "string") return Buffer.from(input.text, "utf8");
  if (typeof input.base64 === "string") return Buffer.from(input.base64, "base64");
  return Buffer.concat(
    (input.textParts ?? []).map(([text, times]) => {
      const part = Buffer.from(text, "utf8");
      return Buffer.alloc(part.length * times, part);
    }),
  );
}

/** What the broker does with an envelope before it needs a vault, in the broker's order. */
function decide(
  bytes: Uint8Array,
  options: {
    readonly capabilities: ReadonlyMap<string, readonly PathRule[]>;
    readonly credentials: ReadonlySet<string>;
    readonly managedHeaders: readonly string[];
    readonly managedQuery: readonly string[];
    readonly pathTemplate: string | null;
  },
): Denial | { envelope: Envelope; target: Target; headers: readonly HeaderPair[] } {
  const envelope = parseEnvelopeText(bytes);
  if (!envelope.ok) return envelope;
  const { capability, credential, request } = envelope.value;
  const stated = options.capabilities.get(capability);
  if (stated === undefined) return notFound("the capability is not known");
  if (credential !== null && !options.credentials.has(credential)) {
    return notFound("the credential is not known");
  }
  const rules: PathRule[] = [];
  for (const rule of stated) {
    const parsed = parsePathRule(rule);
    if (!parsed.ok) return parsed;
    rules.push(parsed.value);
  }
  const target = parseTarget(request.path);
  if (!target.ok) return target;
  const { path, query } = target.value;
  const method = parseMethod(request.method);
  if (!method.ok) return method;
  const allowed = allows(rules, method.value, path, query);
  if (!allowed.ok) return allowed;
  if (options.pathTemplate !== null) {
    const conflict = managedPathConflict(path, options.pathTemplate);
    if (!conflict.ok) return conflict;
  }
  const conflict = managedQueryConflict(query, options.managedQuery);
  if (conflict !== null) return conflict;
  const headers = requestHeaders(request.headers, { managed: options.managedHeaders });
  if (!headers.ok) return headers;
  return { envelope: envelope.value, target: target.value, headers: headers.value };
}

/** Stands for the broker's own refusal: this package does not know which ids exist. */
function notFound(message: string): Denial {
  return { ok: false, code: "policy_violation", reason: null, message };
}

/** What the broker would find in its vault. */
function policyOf({ capability, method, prefix, credential, header }: SetUp) {
  return {
    capabilities: new Map<string, readonly PathRule[]>([
      [capability, [{ methods: [method], match: "prefix", path: prefix }]],
    ]),
    credentials: new Set([credential]),
    managedHeaders: [header.name],
    managedQuery: [] as readonly string[],
    pathTemplate: null as string | null,
  };
}

/** The wire form with needless percent-encoding undone and hex digits in upper-case. */
export function comparableWire(wire: string): string {
  return wire.replace(/%([0-9A-Fa-f]{2})/g, (encoded, hex: string) => {
    const letter = String.fromCharCode(Number.parseInt(hex, 16));
    return /[A-Za-z0-9._~-]/.test(letter) ? letter : encoded.toUpperCase();
  });
}

function runPath({ input, expected }: CorpusCase): Answer {
  const path = input.pathParts?.map(([text, times]) => text.repeat(times)).join("") ?? input.path;
  const rules = (input.prefixes ?? []).map(
    (prefix): PathRule => ({ methods: ["GET"], match: "prefix", path: prefix }),
  );
  const decision = decide(
    Buffer.from(JSON.stringify({ capability: "a/b", request: { method: "GET", path } })),
    {
      ...policyOf(DEFAULT_SET_UP),
      capabilities: new Map([["a/b", rules]]),
      managedHeaders: [],
      managedQuery: input.auth?.params ?? [],
      pathTemplate: input.auth?.prefixTemplate ?? null,
    },
  );
  if ("ok" in decision) return refused(decision);
  const { target } = decision;
  const wire = target.query === "" ? target.path : `${target.path}?${target.query}`;
  const equivalents = expected.wireIfAllowed ?? [expected.wire ?? wire];
  if (!equivalents.map(comparableWire).includes(comparableWire(wire)))
    return failed(`sends ${wire}`);
  if (expected.queryPairs !== undefined) {
    const pairs = JSON.stringify(queryPairs(target.query));
    if (pairs !== JSON.stringify(expected.queryPairs)) return failed(`the query reads ${pairs}`);
  }
  const never = expected.neverOnWire ?? [];
  return never.some((text) => wire.includes(text)) ? failed(`sends ${wire}`) : accepted;
}

function runSsrf({ input, expected }: CorpusCase): Answer | null {
  switch (input.kind) {
    case "pattern": {
      const pattern = parseHostPattern(input.pattern ?? "");
      return pattern.ok ? accepted : refused(pattern);
    }
    case "match": {
      const pattern = parseHostPattern(input.pattern ?? "");
      if (!pattern.ok) return refused(pattern);
      return hostMatches(pattern.value, input.host ?? "")
        ? accepted
        : refused(notFound("the host is not covered"));
    }
    case "connect": {
      const address = input.address ?? "";
      const checked = checkAddresses([address], []);
      if (classifyAddress(address).public !== checked.ok) return failed("answers in two ways");
      return checked.ok ? accepted : refused(checked);
    }
    case "resolve": {
      // The broker looks a name up once and connects to what was checked: only the first answer counts.
      const checked = checkAddresses(input.answers?.[0] ?? [], []);
      if (!checked.ok) return refused(checked);
      const only = expected.connectOnlyTo ?? checked.value;
      const stray = checked.value.find((address) => !only.includes(address));
      return stray === undefined ? accepted : failed(`connects to ${stray}`);
    }
    case "url": {
      const url = parseEndpointUrl(input.url ?? "", input.allowHosts ?? []);
      if (!url.ok) return refused(url);
      const { host, port } = url.value;
      const same = (expected.host ?? host) === host && (expected.port ?? port) === port;
      return same ? accepted : failed(`goes to ${host}:${port}`);
    }
    default:
      return null;
  }
}

function runHeaders({ input, expected }: CorpusCase, setUp: SetUp): Answer | null {
  if (input.via !== "envelope") return null;
  const { repeatName = "", count = 0, valueLength = 0 } = input.headersSpec ?? {};
  const repeated = Array.from({ length: count }, (_, index) => ({
    name: `${repeatName}${index}`,
    value: "v".repeat(valueLength),
  }));
  const stated = (input.headers ?? []).map(([name, value]) => ({ name, value }));
  const envelope = {
    capability: setUp.capability,
    request: {
      method: setUp.method,
      path: setUp.prefix,
      headers: [...stated, ...repeated],
    },
  };
  const decision = decide(Buffer.from(JSON.stringify(envelope)), {
    ...policyOf(setUp),
    managedHeaders: input.auth?.headers ?? [],
  });
  if ("ok" in decision) return refused(decision);
  const passed = decision.headers;
  for (const name of expected.neverUpstream ?? []) {
    if (passed.some((header) => header.name === name.toLowerCase())) {
      return failed(`passes ${name}`);
    }
  }
  for (const value of expected.neverUpstreamValue ?? []) {
    if (passed.some((header) => header.value.includes(value))) return failed("passes the value");
  }
  for (const [name, value] of expected.mustReachUpstream ?? []) {
    if (!passed.some((header) => header.name === name && header.value === value)) {
      return failed(`does not pass ${name}`);
    }
  }
  return accepted;
}

function runEnvelope({ input, expected }: CorpusCase, setUp: SetUp): Answer | null {
  if (input.kind !== "body") return null;
  const bytes = bytesOf(input);
  const startedAtMs = performance.now();
  const decision =
    checkJsonContentType(input.contentType ?? null) ?? decide(bytes, policyOf(setUp));
  const tookMs = performance.now() - startedAtMs;
  if (tookMs > (expected.maxMillis ?? 5_000)) return failed(`took ${Math.round(tookMs)} ms`);
  if (String(Reflect.ownKeys(Object.prototype)) !== PROTOTYPE_KEYS) {
    return failed("changes Object.prototype");
  }
  if ("ok" in decision) {
    return LONG_NAME.test(decision.message) ? failed("echoes a long name") : refused(decision);
  }
  const { body } = decision.envelope.request;
  const sent = body.kind === "text" ? Buffer.from(body.text, "utf8") : Buffer.alloc(0);
  const { upstreamBody = sent.toString("utf8"), upstreamBodyBase64 = sent.toString("base64") } =
    expected;
  return sent.toString("utf8") === upstreamBody && sent.toString("base64") === upstreamBodyBase64
    ? accepted
    : failed("changes the body");
}

const PROTOTYPE_KEYS = String(Reflect.ownKeys(Object.prototype));
const LONG_NAME = /([a-z])\1{100}/;
