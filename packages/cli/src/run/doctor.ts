/**
 * What usually goes wrong, checked one by one, each with the command that puts it right.
 */
import { chmod, lstat } from "node:fs/promises";
import { dirname } from "node:path";
import type { WireStatus } from "@aivault/client";
import { isOn, wantsJson } from "../args.ts";
import type { Context } from "../context.ts";
import { isListening } from "../daemon-process.ts";
import { EXIT } from "../exit-status.ts";
import type { Environment } from "../output.ts";
import { verdictText } from "./audit.ts";

interface Finding {
  readonly name: string;
  readonly state: "ok" | "warning" | "wrong" | "fixed";
  readonly message: string;
  readonly hint: string | null;
}

/** Check everything; with `--fix`, put right what is safe to. */
export async function runDoctor(context: Context): Promise<number> {
  const { args, env, out } = context;
  const findings = [
    nodeVersion(),
    ...environment(env),
    ...(await files(context)),
    ...(await daemon(context)),
  ];
  const isWrong = findings.some(({ state }) => state === "wrong");
  if (wantsJson(args)) out.json({ ok: !isWrong, checks: findings });
  else {
    const { green, yellow, red } = out.colors;
    const marks = {
      ok: green("ok     "),
      warning: yellow("warning"),
      wrong: red("wrong  "),
      fixed: green("fixed  "),
    };
    for (const { name, state, message, hint } of findings) {
      out.answer(`${marks[state]}  ${name}: ${message}`);
      if (hint !== null) out.answer(`         ${hint}`);
    }
  }
  return isWrong ? EXIT.failed : EXIT.done;
}

function nodeVersion(): Finding {
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

function environment(env: Environment): readonly Finding[] {
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

async function files(context: Context): Promise<readonly Finding[]> {
  const { root, socket, operatorSocket, logFile } = context.session.location;
  if (!(await context.session.hasVault())) {
    return [warning("vault", `there is none at ${root}`, "`aivault init` makes one")];
  }
  const checks: Finding[] = [ok("vault", root)];
  const privates: readonly (readonly [string, number])[] = [
    [root, 0o700],
    [dirname(socket), 0o700],
    [operatorSocket, 0o600],
    [logFile, 0o600],
  ];
  for (const [path, mode] of privates) {
    const finding = await permissions(path, mode, isOn(context.args, "fix"));
    if (finding !== null) checks.push(finding);
  }
  return checks;
}

/** Whether `path`, if it exists, is ours and nobody else's. */
async function permissions(path: string, mode: number, fix: boolean): Promise<Finding | null> {
  const stat = await lstat(path).catch(() => null);
  if (stat === null) return null;
  if (stat.isSymbolicLink()) {
    return wrong("permissions", `${path} is a link`, "move the real directory there");
  }
  const uid = process.getuid?.();
  if (uid !== undefined && stat.uid !== uid) {
    return wrong(
      "permissions",
      `${path} belongs to uid ${stat.uid}, not to you`,
      `chown it to uid ${uid}`,
    );
  }
  const extra = stat.mode & 0o777 & ~mode;
  if (extra === 0) return ok("permissions", path);
  if (fix) {
    await chmod(path, mode);
    return {
      name: "permissions",
      state: "fixed",
      message: `${path} is yours alone now`,
      hint: null,
    };
  }
  const octal = (bits: number) => bits.toString(8).padStart(4, "0");
  return wrong(
    "permissions",
    `${path} is ${octal(stat.mode & 0o777)}: others can reach it`,
    `chmod ${octal(mode)} ${path}, or \`aivault doctor --fix\``,
  );
}

async function daemon(context: Context): Promise<readonly Finding[]> {
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
    ok("daemon", `version ${status.version}, process ${status.pid}, at ${socket}`),
    ...vaultState(status),
    await auditChain(context),
  ];
}

function vaultState({ vault }: WireStatus): readonly Finding[] {
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

function ok(name: string, message: string): Finding {
  return { name, state: "ok", message, hint: null };
}

function warning(name: string, message: string, hint: string): Finding {
  return { name, state: "warning", message, hint };
}

function wrong(name: string, message: string, hint: string): Finding {
  return { name, state: "wrong", message, hint };
}
