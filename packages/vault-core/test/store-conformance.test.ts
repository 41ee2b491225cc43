import { describe } from "vitest";
import { MemoryStore } from "../src/index.ts";
import { openFileStore } from "../src/node/index.ts";
import { describeStoreConformance } from "./store-conformance.ts";
import { temporaryDirectory } from "./support.ts";

describe("MemoryStore", () => describeStoreConformance(async () => new MemoryStore()));
describe("FileStore", () => describeStoreConformance(() => openFileStore(temporaryDirectory())));
