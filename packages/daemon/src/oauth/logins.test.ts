import { randomBytes } from "node:crypto";
import type { Broker, Upstream, UpstreamHandler } from "@aivault/broker";
import { builtinRegistry, type Provider } from "@aivault/registry";
import { type KeyProvider, MemoryStore, Vault } from "@aivault/vault-core";
import { describe, expect, it } from "vitest";
import { OAuthLogins } from "./logins.ts";
import { loginScheme } from "./scheme.ts";

const keyProvider: KeyProvider = {
  config: { kind: "env", variable: "TEST_KEY" },
  create: async () => new Uint8Array(32).fill(7),
  obtain: async () => new Uint8Array(32).fill(7),
};
const random = (length: number) => new Uint8Array(randomBytes(length));
const signal = new AbortController().signal;
const DEVICE = {
  device_code: "device-code",
  user_code: "WDJB-MJHT",
  verification_uri: "https://acme.test/device",
  interval: 5,
};
const TOKENS = { access_token: "access", refresh_token: "refresh" };

/** A provider of the registry with both ways in. */
const provider = builtinRegistry().providers.find((each) =>
  ["device", "code"].every((flow) => {
    try {
      return loginScheme(each, flow as "device" | "code").startUrl !== "";
    } catch {
      return false;
    }
  }),
) as Provider;

/** Logins whose authorisation server answers when it is told to. */
async function makeLogins() {
  const vault = await Vault.create({
    store: new MemoryStore(),
    keyProvider,
    random,
    now: Date.now,
  });
  const waiting: UpstreamHandler[] = [];
  const stored: string[] = [];
  let nowMs = Date.now();
  const upstream: Upstream = {
    send: (_request, handler) => void waiting.push(handler),
    close: async () => {},
  };
  const broker = {
    createSecret: async ({ value }: { value: Uint8Array }) => {
      stored.push(Buffer.from(value).toString());
      return { secret: { secretId: "s" } };
    },
  } as unknown as Broker;
  const logins = new OAuthLogins({
    vault,
    broker: () => broker,
    upstream: () => upstream,
    now: () => nowMs,
    random,
    version: "1.2.3",
  });
  const handed: Uint8Array[] = [];
  return {
    logins,
    stored,
    handed,
    pass: (ms: number) => {
      nowMs += ms;
    },
    answer: async (members: object) => {
      await expect.poll(() => waiting.length).toBeGreaterThan(0);
      const handler = waiting.shift();
      const chunk = Buffer.from(JSON.stringify(members));
      handed.push(chunk);
      handler?.head(200, "OK", [], { pause: () => {}, resume: () => {}, abort: () => {} });
      handler?.data(chunk);
      handler?.end();
    },
  };
}
type Logins = Awaited<ReturnType<typeof makeLogins>>;

async function beginDevice({ logins, answer, pass }: Logins) {
  const login = { provider: provider.id, flow: "device", clientId: "client" } as const;
  const begun = logins.begin(provider, login, Buffer.from("client-secret"), signal);
  await answer(DEVICE);
  const { id } = await begun;
  pass(5_000);
  return id;
}

describe("a login on another device", () => {
  it("G23: stores the refresh token, and wipes what the server sent", async () => {
    const all = await makeLogins();
    const polled = all.logins.poll(await beginDevice(all), signal);
    await all.answer(TOKENS);
    expect(await polled).toMatchObject({ done: true, isNew: true });
    const document = { clientId: "client", clientSecret: "client-secret", refreshToken: "refresh" };
    expect(all.stored.map((text) => JSON.parse(text))).toEqual([document]);
    for (const chunk of all.handed) expect(chunk.every((octet) => octet === 0)).toBe(true);
  });

  it.each<[string, (all: Logins, id: string) => unknown]>([
    ["was cancelled", ({ logins }, id) => logins.cancel(id)],
    ["was forgotten with the others", ({ logins }) => logins.forgetAll()],
    [
      "ran out of time",
      async ({ logins, pass }) => {
        pass(3_600_000);
        // Whoever looks for a login finds out which are over.
        const found = logins.poll("another", signal);
        await expect(found).rejects.toMatchObject({ code: "not_found" });
      },
    ],
  ])("G13: stores nothing of a login that %s while the server was asked", async (_, end) => {
    const all = await makeLogins();
    const id = await beginDevice(all);
    const refused = expect(all.logins.poll(id, signal)).rejects.toMatchObject({
      code: "not_found",
    });
    await end(all, id);
    await all.answer(TOKENS);
    await refused;
    expect(all.stored).toEqual([]);
  });
});
