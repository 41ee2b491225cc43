import { randomBytes } from "node:crypto";
import { MemoryStore, Vault } from "@aivault/vault-core";
import { expect, it } from "vitest";
import { type Counted, InvocationLimits } from "./invocation-limits.ts";

const key = randomBytes(32);
const counted = (id: string): Counted => ({
  id,
  name: "the token",
  limits: { requestsPerMinute: 2, concurrency: 1 },
});

it("forgets what tokens did that nobody uses any more, and nothing that still counts", async () => {
  let nowMs = 1_800_000_000_000;
  const vault = await Vault.create({
    store: new MemoryStore(),
    random: (length) => new Uint8Array(randomBytes(length)),
    now: () => nowMs,
    keyProvider: {
      config: { kind: "env", variable: "TEST_KEY" },
      create: async () => new Uint8Array(key),
      obtain: async () => new Uint8Array(key),
    },
  });
  const limits = new InvocationLimits(
    vault,
    () => nowMs,
    () => {},
  );
  const leaveLong = await limits.enter([counted("long")]);
  for (let i = 0; i < 300; i++) (await limits.enter([counted(`token:${i}`)]))();
  expect(limits.size).toBe(301);
  nowMs += 60_000;
  await limits.enter([counted("token:0")]).then((leave) => leave());
  nowMs += 61_000;
  await limits.enter([counted("new")]).then((leave) => leave());
  // The one under way, the one that was used a minute ago, and the new one.
  expect(limits.size).toBe(3);
  await expect(limits.enter([counted("long")])).rejects.toMatchObject({ code: "rate_limited" });
  leaveLong();
  // What was forgotten counts on from the vault.
  nowMs -= 121_000;
  (await limits.enter([counted("token:7")]))();
  await expect(limits.enter([counted("token:7")])).rejects.toMatchObject({ code: "rate_limited" });
  await vault.close();
}, 60_000);
