import { setTimeout as sleep } from "node:timers/promises";
import { wantsJson } from "../args.ts";
import type { Context } from "../context.ts";
import { daemonBin, isAlive, isListening, startDaemonProcess } from "../daemon-process.ts";
import { CliError } from "../errors.ts";

const STOP_MS = 15_000;

export async function runStop(context: Context): Promise<void> {
  const { args, out, session } = context;
  const stopped = await stop(context);
  const { socket } = session.location;
  if (wantsJson(args) || !out.isTerminal) out.json({ stopped, socket });
  else out.answer(stopped ? "the daemon has ended" : `no daemon listens at ${socket}`);
}

export async function runRestart(context: Context): Promise<void> {
  const { args, env, out, session } = context;
  if (!(await session.hasVault())) {
    throw new CliError(
      "CLI_VAULT_MISSING",
      `there is no vault at ${session.location.root}`,
      "`aivault init` makes one",
    );
  }
  await stop(context);
  await startDaemonProcess(session.location, env);
  const { socket } = session.location;
  if (wantsJson(args) || !out.isTerminal)
    out.json({ restarted: true, socket, daemonPath: await daemonBin() });
  else out.answer(`the daemon listens at ${socket}`);
}

/** End the daemon if there is one, and wait until its process is gone: only then is all written. */
async function stop({ session }: Context): Promise<boolean> {
  const { operatorSocket } = session.location;
  if (!(await isListening(operatorSocket))) return false;
  const operator = await session.operator();
  const { pid } = await operator.status();
  await operator.shutdown();
  const deadline = Date.now() + STOP_MS;
  while ((await isListening(operatorSocket)) || isAlive(pid)) {
    if (Date.now() > deadline) {
      throw new CliError(
        "CLI_DAEMON_FAILED",
        `aivaultd, process ${pid}, did not end within ${STOP_MS / 1000} s`,
      );
    }
    await sleep(20);
  }
  return true;
}
