import { afterEach, describe, expect, it, vi } from "vitest";
import { play } from "../examples/demo/acts.mjs";
import { createStage, type Stage } from "../examples/demo/stage.mjs";
import { findSecret } from "./support/find-secret.mjs";

const CANARY = "sk-proj-canaryCANARYcanary0123456789-_canary";

let stage: Stage | undefined;
afterEach(async () => {
  await stage?.clear();
  stage = undefined;
});

describe("the demo, played with a known key", () => {
  it("G3: leaves the key in no file, stream, log or audit entry, in no encoding", async () => {
    const shown: Buffer[] = [];
    const write = vi.spyOn(process.stdout, "write").mockImplementation((chunk) => {
      shown.push(Buffer.from(chunk));
      return true;
    });
    stage = await createStage(CANARY);
    try {
      await play(stage, CANARY);
    } finally {
      write.mockRestore();
    }

    // Not in vain: the provider did get the key, and somebody did say something.
    const requests = await stage.provider.requests();
    expect(requests.filter(({ authorized }) => authorized).length).toBeGreaterThan(5);
    expect(stage.heard.length).toBeGreaterThan(20);

    const places = [
      { place: "the terminal", bytes: Buffer.concat(shown) },
      { place: "the provider's own record", bytes: Buffer.from(JSON.stringify(requests)) },
      ...stage.files().map(({ path, bytes }) => ({ place: path, bytes })),
      ...stage.heard.map(({ who, bytes }) => ({ place: who, bytes })),
      { place: "all output", bytes: Buffer.concat(stage.heard.map(({ bytes }) => bytes)) },
    ];
    const found = places
      .map(({ place, bytes }) => ({ place, forms: findSecret(CANARY, bytes) }))
      .filter(({ forms }) => forms.length > 0);
    expect(found).toEqual([]);
  });
});
