import type { WireStatus } from "@aivault/client";
import type { Context } from "../context.ts";
import { isListening } from "../daemon-process.ts";
import { verdictText } from "../run/audit.ts";
import { type Finding, ok, warning, wrong } from "./finding.ts";

/** The daemon that runs, and what it says of the vault. */
export async function daemon(context: Context): Promise<readonly Finding[]> {
  const { session } = context;
  const { operatorSocket, socket } = session.location;
  // sockaddr_un has 108 octets on Linux and 104 on macOS, one of them for the end.
  const octetsMax = process.platform === "darwin" ? 103 : 107;
  if (Buffer.byteLength(operatorSocket) > octetsMax) {
    return [
      wrong(
        "socket",
        `${operatorSocket} is longer than ${octetsMax} octets`,
        "set AIVAULTD_SOCKET to a shorter path",
      ),
    ];
  }
  if (!(await isListening(operatorSocket))) {
    return [warning("daemon", `nobody listens at ${operatorSocket}`, "the next command starts it")];
  }
  const status = await (await session.operator()).status();
  return [
    version(context, status, socket),
    ...vaultState(status),
    ...(status.vault.locked ? [] : [await auditChain(context), ...(await clock(context))]),
  ];
}

function version({ session }: Context, { version, pid }: WireStatus, socket: string): Finding {
  const what = `version ${version}, process ${pid}, at ${socket}`;
  if (version === session.version) return ok("daemon", what);
  return warning("daemon", `${what}; this program is ${session.version}`, "`aivault restart`");
}

/** A clock that was put back makes tokens live longer, and the log hard to read. */
async function clock({ session }: Context): Promise<readonly Finding[]> {
  const [newest] = await (await session.operator()).audit({ limit: 1 });
  if (newest === undefined) return [];
  const aheadMs = newest.tsMs - Date.now();
  if (aheadMs <= CLOCK_SLACK_MS) return [ok("clock", "it agrees with the audit log")];
  return [
    wrong(
      "clock",
      `the newest audit entry is ${Math.round(aheadMs / 1000)} s in the future`,
      "set the clock; tokens and limits go by it",
    ),
  ];
}

const CLOCK_SLACK_MS = 5_000;

function vaultState({ vault, setAside }: WireStatus): readonly Finding[] {
  return [
    vault.locked
      ? warning("lock", "the vault is locked; nothing can be invoked", "`aivault unlock`")
      : ok("lock", "the vault is unlocked"),
    ...(vault.quarantined.length === 0
      ? []
      : [
          wrong(
            "records",
            `set aside, they do not authenticate: ${vault.quarantined.join(", ")}`,
            "restore them from a backup",
          ),
        ]),
    ...(setAside ?? []).map(({ kind, id, problem }) =>
      warning("records", `the ${kind} ${id} is not used: ${problem}`, "make it anew, or delete it"),
    ),
  ];
}

async function auditChain({ session }: Context): Promise<Finding> {
  try {
    const result = await (await session.operator()).verifyAudit();
    const verdict = verdictText(result);
    return result["ok"] === true
      ? ok("audit", verdict)
      : wrong(
          "audit",
          verdict,
          "someone or something changed it; `aivault audit verify --json` says where",
        );
  } catch (error) {
    const message = error instanceof Error ? error.message : "it cannot be verified";
    return wrong("audit", message, "`aivault audit verify` says where it breaks");
  }
}
