/** Flags that give a value or a passphrase, for every command that takes one. */
import type { Flag } from "../command.ts";

/** `--NAME-stdin`, `--NAME-file`, and `--NAME` itself, which still works and is warned about. */
export function secretFlags(name: string, what: string): readonly Flag[] {
  return [
    {
      name: `${name}-stdin`,
      kind: "switch",
      summary: `read the ${what} from stdin`,
      conflicts: [name, `${name}-file`],
    },
    {
      name: `${name}-file`,
      kind: "text",
      value: "PATH",
      summary: `read the ${what} from a file`,
      conflicts: [name],
      completes: "file",
    },
    {
      name,
      kind: "text",
      value: "TEXT",
      summary: `the ${what} itself; the shell's history and the process list will have it`,
    },
  ];
}

export const SCOPE_FLAGS: readonly Flag[] = [
  {
    name: "scope",
    kind: "text",
    value: "SCOPE",
    summary: "global, workspace or group",
    choices: ["global", "workspace", "group"],
  },
  { name: "workspace-id", kind: "text", value: "ID", summary: "the workspace of the scope" },
  {
    name: "group-id",
    kind: "text",
    value: "ID",
    summary: "the group of the scope, within the workspace",
  },
];
