// The short form of `node e2e/oauth/storm.mjs`.
import { expect, it } from "vitest";
import { runStorm } from "./storm.mjs";

it("renews once per expiry for fifty processes, whichever of them are killed", async () => {
  const seed = Date.now() % 1_000_000;
  const { complaints, ...figures } = await runStorm({ refreshes: 8, processes: 50, seed });
  console.log(`oauth storm, seed ${seed}: ${JSON.stringify(figures)}`);
  expect(complaints).toEqual([]);
  expect(figures.refreshes).toBeGreaterThanOrEqual(8);
}, 240_000);
