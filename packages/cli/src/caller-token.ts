/**
 * The token that a caller presents, where one was given to it: from a file, stdin or `AIVAULT_TOKEN`,
 * never from the command line, which others can read (G1).
 */
import { CliError } from "./errors.ts";
import type { Environment } from "./output.ts";

/** The token in `AIVAULT_TOKEN`; undefined when it is unset or blank. @throws {CliError} `CLI_INPUT` */
export function tokenFromEnvironment(env: Environment): string | undefined {
  const value = env["AIVAULT_TOKEN"]?.trim() ?? "";
  return value === "" ? undefined : checked(value, "AIVAULT_TOKEN");
}

/** The token in a file, or on stdin as `-`. @throws {CliError} `CLI_INPUT` */
export async function tokenFromFile(path: string): Promise<string> {
  const { readTextInput } = await import("./text-input.ts");
  return checked((await readTextInput(path)).trim(), path === "-" ? "stdin" : `\`${path}\``);
}

/** What presents `token` to the daemon. */
export function tokenHeaders(token: string | undefined): Readonly<Record<string, string>> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` };
}

// Only its form, so that no other file is sent by mistake; whether it is valid the daemon knows.
function checked(token: string, source: string): string {
  if (/^avp_[\w-]{1,200}$/.test(token)) return token;
  throw new CliError(
    "CLI_INPUT",
    `${source} does not have a token, which begins with avp_`,
    "`aivault token mint --token-only` prints one, and nothing else",
  );
}
