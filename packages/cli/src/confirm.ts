/**
 * Deliberate confirmation (G17): a destructive call is made once to hear from the daemon what it would
 * do, and again, with the token of that answer, when the person agrees or `--yes` was given.
 */
import { isAivaultError } from "@aivault/client";
import type { Confirmable } from "@aivault/client/operator";
import { isOn } from "./args.ts";
import type { Flag } from "./command.ts";
import type { Context } from "./context.ts";
import { CliError } from "./errors.ts";
import type { Output } from "./output.ts";

/** For every command that asks. */
export const YES_FLAG: Flag = {
  name: "yes",
  short: "y",
  kind: "switch",
  summary: "do it without asking; without a terminal to ask on, nothing is done otherwise",
};

/**
 * Make a call that the daemon may want confirmed.
 *
 * @throws {CliError} `CLI_CANCELLED`: the person said no. `CLI_CONFIRMATION_NEEDED`: nobody could be
 * asked. Nothing was changed.
 */
export async function confirmed<T>(
  context: Context,
  act: (confirmable: Confirmable) => Promise<T>,
): Promise<T> {
  try {
    return await act({});
  } catch (error) {
    if (!isAivaultError(error) || error.confirmation === null) throw error;
    const { says, token } = error.confirmation;
    await requireConsent(context, says);
    return await act({ confirmation: token });
  }
}

/** Whether there is somebody at a terminal who can be asked. */
export function canAsk(out: Output): boolean {
  return process.stdin.isTTY === true && out.stderr.isTTY === true;
}

/** Say what will happen, and return only if it is meant. @throws As {@link confirmed}. */
export async function requireConsent({ args, command, out }: Context, says: string): Promise<void> {
  out.note(says);
  if (isOn(args, "yes")) return;
  if (!canAsk(out)) {
    throw new CliError(
      "CLI_CONFIRMATION_NEEDED",
      `\`aivault ${command.words.join(" ")}\` was not confirmed; nothing was changed`,
      "add --yes if this is meant",
    );
  }
  const { confirm } = await import("./prompt.ts");
  if (!(await confirm("Do it?"))) {
    throw new CliError("CLI_CANCELLED", "cancelled; nothing was changed");
  }
}
