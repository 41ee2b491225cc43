import type { Environment } from "../output.ts";
import { type Finding, ok, warning, wrong } from "./finding.ts";

/** Whether this Node is new enough. */
export function nodeVersion(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  return major > 20 || (major === 20 && minor >= 19)
    ? ok("node", process.versions.node)
    : wrong("node", `${process.versions.node} is too old`, "install Node 20.19 or later");
}

// Variables that change what our own processes trust or run, if they are not removed.
const DANGEROUS = [
  "NODE_OPTIONS",
  "NODE_TLS_REJECT_UNAUTHORIZED",
  "NODE_EXTRA_CA_CERTS",
  "SSLKEYLOGFILE",
];

/** What is in the environment that should not be. */
export function environment(env: Environment): readonly Finding[] {
  const set = DANGEROUS.filter((name) => env[name]);
  const development = Object.keys(env).filter((name) => name.startsWith("AIVAULT_DEV_"));
  return [
    set.length === 0
      ? ok("environment", "nothing that weakens TLS or loads code")
      : warning(
          "environment",
          `${set.join(", ")} ${set.length === 1 ? "is" : "are"} set`,
          "the daemon is started without them; unset them for everything else too",
        ),
    ...(development.length === 0
      ? []
      : [
          warning(
            "environment",
            `${development.join(", ")} ${development.length === 1 ? "works" : "work"} with development vaults only`,
            "with any other vault the daemon refuses to start while they are set",
          ),
        ]),
  ];
}
