import { randomFillSync } from "node:crypto";
import type { RandomBytes } from "../bytes.ts";

/** The operating system's cryptographic random generator. */
export const systemRandom: RandomBytes = (length) => randomFillSync(new Uint8Array(length));
