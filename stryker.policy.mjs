import { mutating } from "./stryker.base.mjs";

/** What decides. The rest of the package (limits, spellings of secrets, punycode) has published vectors. */
export const files = [
  "address",
  "capability-pattern",
  "endpoint-url",
  "envelope",
  "header-name",
  "headers",
  "host",
  "method",
  "path-rule",
  "percent",
  "query",
  "redirect",
  "segment",
  "strict-json",
  "target",
];

export default mutating("policy", files);
