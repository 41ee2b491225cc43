// Cases about paths and headers once more, this time through the real broker and real TLS: what counts
// is what a provider gets to read.

import type { NewCredential } from "../../packages/broker/src/index.ts";
import type {
  CorpusOutcome,
  CorpusRunner,
} from "../../packages/broker/test/support/corpus-outcome.ts";
import {
  createHarness,
  invocation,
  receive,
  utf8,
} from "../../packages/broker/test/support/harness.ts";
import { startRawStandIn } from "../../packages/broker/test/support/provider.ts";
import { type CorpusCase, comparableWire } from "../../packages/policy/test/corpora-runner.ts";

const HOST = "api.case-provider.example";
const SECRET = "canary-corpora-0123456789abcdef";
const ANSWER = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/** The policy that a case is decided under, as far as it differs between cases. */
interface SetUp {
  readonly auth: NonNullable<NewCredential["auth"]>;
  readonly method: string;
  readonly prefixes: readonly string[];
}

/** Runs path cases and the header cases that come in an envelope. */
export async function createUpstreamRunner(): Promise<CorpusRunner<CorpusCase>> {
  const provider = await startRawStandIn([HOST], (socket) => socket.write(ANSWER));
  const { broker, close } = await createHarness({ hosts: { [HOST]: provider.port } });
  await broker.createSecret({ name: "CASE", value: utf8(SECRET) });
  const capabilities = new Map<string, Promise<string>>();

  const make = async (setUp: SetUp, name: string): Promise<string> => {
    await broker.createCredential({
      id: name,
      provider: name,
      secrets: secretsOf(setUp.auth.strategy),
      hosts: [HOST],
      auth: setUp.auth,
    });
    const rules = setUp.prefixes.map((path) => ({
      methods: [setUp.method],
      match: "prefix" as const,
      path,
    }));
    const id = `${name}/call`;
    await broker.createCapability({ id, provider: name, host: HOST, rules });
    return id;
  };
  const capabilityOf = (setUp: SetUp): Promise<string> => {
    const key = JSON.stringify(setUp);
    const made = capabilities.get(key) ?? make(setUp, `case${capabilities.size}`);
    capabilities.set(key, made);
    return made;
  };

  return {
    run: async (testCase) => {
      const { input } = testCase;
      const setUp = setUpOf(testCase);
      let capability: string;
      try {
        capability = await capabilityOf(setUp);
      } catch (error) {
        return judgeRefusal(testCase, (error as Error).message);
      }
      provider.requests.length = 0;
      const path = input.pathParts?.map(([text, times]) => text.repeat(times)).join("");
      const request = {
        method: setUp.method,
        path: path ?? input.path ?? "/",
        headers: headersOf(input),
      };
      let parsed: ReturnType<typeof invocation>;
      try {
        parsed = invocation({ capability, request });
      } catch (error) {
        // What the daemon would refuse before the broker hears of it.
        return judgeRefusal(testCase, (error as Error).message);
      }
      const received = await receive(broker, parsed);
      const [sent, ...others] = provider.requests;
      if (others.length > 0) return { verdict: "side condition", detail: "sends more than once" };
      if (received.error !== null) {
        return sent === undefined
          ? judgeRefusal(testCase, received.error.message)
          : { verdict: "side condition", detail: `sends, and then: ${received.error.message}` };
      }
      return judgeSent(testCase, sent?.body ?? "");
    },
    close: async () => {
      await close();
      await provider.close();
    },
  };
}

function setUpOf({ input: { auth, prefixes } }: CorpusCase): SetUp {
  return {
    auth: schemeOf(auth),
    method: "GET",
    prefixes: prefixes ?? ["/"],
  };
}

function secretsOf(strategy: string): Record<string, string> {
  return strategy === "aws-sigv4"
    ? { accessKeyId: "CASE", secretAccessKey: "CASE" }
    : { secret: "CASE" };
}

function schemeOf(auth: CorpusCase["input"]["auth"]): NonNullable<NewCredential["auth"]> {
  const template = "{{secret}}";
  const { headers = [], params, prefixTemplate, type } = auth ?? {};
  if (params !== undefined) {
    return { strategy: "multi-query", params: params.map((name) => ({ name, template })) };
  }
  if (prefixTemplate !== undefined) return { strategy: "path", template: prefixTemplate };
  if (type === "aws-sigv4") {
    return {
      strategy: "aws-sigv4",
      accessKeyId: "accessKeyId",
      secretAccessKey: "secretAccessKey",
      services: { [HOST]: "s3" },
      defaultRegion: "us-east-1",
    };
  }
  if (type === "hmac") {
    return {
      strategy: "hmac",
      algorithm: "sha256",
      key: "secret",
      message: "{{method}}\n{{path}}",
      headers: headers.map((name) => ({ name, template: "{{signature}}" })),
    };
  }
  const names = headers.length === 0 ? ["authorization"] : headers;
  return { strategy: "multi-header", headers: names.map((name) => ({ name, template })) };
}

function headersOf(input: CorpusCase["input"]): readonly { name: string; value: string }[] {
  const { repeatName = "", count = 0, valueLength = 0 } = input.headersSpec ?? {};
  return [
    ...(input.headers ?? []).map(([name, value]) => ({ name, value })),
    ...Array.from({ length: count }, (_, index) => ({
      name: `${repeatName}${index}`,
      value: "v".repeat(valueLength),
    })),
  ];
}

function judgeRefusal({ expected }: CorpusCase, said: string): CorpusOutcome {
  const acceptable = expected.acceptable ?? [expected.decision];
  const good = expected.decision === "either" || acceptable.includes("deny");
  return { verdict: good ? "passed" : "good request refused", detail: `refused: ${said}` };
}

function judgeSent({ input, expected }: CorpusCase, text: string): CorpusOutcome {
  const letThrough = (detail: string): CorpusOutcome => ({ verdict: "attack let through", detail });
  const broken = (detail: string): CorpusOutcome => ({ verdict: "side condition", detail });
  const acceptable = expected.acceptable ?? [expected.decision];
  const [line = "", ...lines] = (text.split("\r\n\r\n", 1)[0] as string).split("\r\n");
  const [, url = ""] = line.split(" ");
  if (expected.decision !== "either" && !acceptable.some((decision) => decision !== "deny")) {
    return letThrough(`sends ${line}`);
  }
  const { params = [], prefixTemplate, headers: managed = [] } = input.auth ?? {};
  const [path = "", query = ""] = split(url);
  const pairs = query.split("&").filter((pair) => pair !== "");
  const injected = pairs.filter((pair) => params.includes(pair.split("=", 1)[0] as string));
  if (injected.length !== params.length) return broken("does not add its parameters once");
  const prefix = prefixTemplate?.replace("{{secret}}", SECRET) ?? "";
  if (!path.startsWith(prefix)) return broken("does not add its prefix");
  const rest = query
    .split("&")
    .filter((pair) => !injected.includes(pair))
    .join("&");
  const bare = path.slice(prefix.length);
  const wire = rest === "" ? bare : `${bare}?${rest}`;
  const wires = expected.wireIfAllowed ?? (expected.wire === undefined ? null : [expected.wire]);
  // A `?` with nothing behind it says no more than none.
  const same = wires?.some(
    (text) => comparableWire(text.replace(/\?$/, "")) === comparableWire(wire),
  );
  if (same === false) return letThrough(`sends ${wire}`);
  if ((expected.neverOnWire ?? []).some((never) => wire.includes(never))) {
    return letThrough(`sends ${wire}`);
  }
  return judgeHeaders({ expected, managed, lines, input, letThrough, broken });
}

function judgeHeaders(given: {
  readonly expected: CorpusCase["expected"];
  readonly input: CorpusCase["input"];
  readonly managed: readonly string[];
  readonly lines: readonly string[];
  readonly letThrough: (detail: string) => CorpusOutcome;
  readonly broken: (detail: string) => CorpusOutcome;
}): CorpusOutcome {
  const { expected, managed, lines, input, letThrough, broken } = given;
  const arrived = lines.map((text) => {
    const colon = text.indexOf(":");
    return [text.slice(0, colon).toLowerCase(), text.slice(colon + 1).trim()] as const;
  });
  for (const name of expected.neverUpstream ?? []) {
    // The broker describes its own connection; the caller's description of it may not arrive.
    const lower = name.toLowerCase();
    const stray = arrived.some(
      ([other, value]) => other === lower && value !== BROKERS_OWN.get(lower),
    );
    if (stray) return letThrough(`passes ${name}`);
  }
  const values = expected.neverUpstreamValue ?? [];
  if (values.some((value) => arrived.some(([, other]) => other.includes(value)))) {
    return letThrough("passes the value");
  }
  for (const [name, value] of expected.mustReachUpstream ?? []) {
    if (!arrived.some(([other, text]) => other === name.toLowerCase() && text === value)) {
      return broken(`does not pass ${name}`);
    }
  }
  const missing = managed.find((name) => !arrived.some(([other]) => other === name.toLowerCase()));
  // A signature names the headers of its family, of which not each is sent.
  if (missing !== undefined && input.auth?.type !== "aws-sigv4") return broken(`lacks ${missing}`);
  return { verdict: "passed", detail: "sent" };
}

/** What the broker says of its connection, whatever the caller says of his. */
const BROKERS_OWN: ReadonlyMap<string, string> = new Map([
  ["connection", "keep-alive"],
  ["host", HOST],
]);

function split(url: string): readonly [path: string, query: string] {
  const mark = url.indexOf("?");
  return mark === -1 ? [url, ""] : [url.slice(0, mark), url.slice(mark + 1)];
}
