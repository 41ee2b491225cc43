/**
 * What main.ts loads for everything but `--version`: a file of its own, `dist/program.cjs`.
 */
export { run } from "./cli.ts";
export { Output } from "./output.ts";
