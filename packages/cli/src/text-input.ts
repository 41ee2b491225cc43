/**
 * Text that a flag names by path: a file, or stdin as `-`.
 */
import { readFile } from "node:fs/promises";
import { inputError } from "./secret-input.ts";

/** @throws {CliError} `CLI_INPUT` */
export async function readTextInput(path: string): Promise<string> {
  if (path !== "-") {
    return await readFile(path, "utf8").catch((error: unknown) => {
      throw inputError(path, error);
    });
  }
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}
