import type { AnyTarget } from "../target.ts";
import { envelopeTarget } from "./envelope.ts";
import { headersTarget } from "./headers.ts";
import { hostTarget } from "./host.ts";
import { jsonTarget } from "./json.ts";
import { membersTarget } from "./members.ts";
import { pathTarget } from "./path.ts";
import { redactorTarget } from "./redactor.ts";

/** Everything that is fuzzed. */
export const TARGETS: readonly AnyTarget[] = [
  pathTarget,
  headersTarget,
  jsonTarget,
  envelopeTarget,
  redactorTarget,
  hostTarget,
  membersTarget,
].map((target) => target as AnyTarget);
