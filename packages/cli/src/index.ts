export { run, type Terminal } from "./cli.ts";
export type { Command, Example, Flag, Positional } from "./command.ts";
export { COMMAND_GROUPS, COMMANDS, type CommandGroup } from "./commands/index.ts";
export { EXIT, exitStatusOf } from "./exit-status.ts";
export { Output, type Sink } from "./output.ts";
