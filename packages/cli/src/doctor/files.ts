import { chmod, lstat, readdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isOn } from "../args.ts";
import type { Context } from "../context.ts";
import { isAlive, isListening } from "../daemon-process.ts";
import { type Finding, fixed, ok, warning, wrong } from "./finding.ts";

/** The vault's files: whose they are, who may reach them, and what a crash left. */
export async function files(context: Context): Promise<readonly Finding[]> {
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
  return [
    ...checks,
    ...(await keyProvider(context)),
    ...(await staleSockets(context)),
    ...(await lock(context)),
  ];
}

interface Slot {
  readonly provider?: {
    readonly kind?: string;
    readonly path?: string;
    readonly variable?: string;
  };
}

/** Where the key comes from, and whether it can. */
async function keyProvider({ args, env, session }: Context): Promise<readonly Finding[]> {
  let slots: readonly Slot[];
  try {
    const config: unknown = JSON.parse(await readFile(session.location.configFile, "utf8"));
    slots = (config as { readonly slots?: readonly Slot[] }).slots ?? [];
  } catch {
    return [
      wrong(
        "key",
        `${session.location.configFile} cannot be read, or is damaged`,
        "`aivault backup restore` makes the vault anew from a backup",
      ),
    ];
  }
  const findings: Finding[] = [];
  for (const { provider = {} } of slots) {
    const { kind = "unknown", path, variable } = provider;
    if (kind === "file" && path !== undefined) {
      const found = await permissions(path, 0o600, isOn(args, "fix"));
      findings.push(
        found ??
          wrong("key", `there is no key file at ${path}`, "put it back, or restore a backup"),
      );
    } else if (kind === "env" && variable !== undefined) {
      findings.push(
        env[variable]
          ? ok("key", `it comes from ${variable}, which is set`)
          : warning(
              "key",
              `it comes from ${variable}, which is not set here`,
              `export ${variable}`,
            ),
      );
    } else if (kind === "secret-service" && !env["DBUS_SESSION_BUS_ADDRESS"]) {
      findings.push(
        warning(
          "key",
          "it comes from the desktop's keyring, and no session bus is known here",
          "log in to the desktop, or `aivault rotate-master --to-provider file` there",
        ),
      );
    } else findings.push(ok("key", `it comes from: ${kind}`));
  }
  return findings;
}

/** A socket that nobody listens on keeps nobody out, and confuses whoever looks. */
async function staleSockets({ args, session }: Context): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const path of [session.location.socket, session.location.operatorSocket]) {
    const stat = await lstat(path).catch(() => null);
    if (stat === null || !stat.isSocket() || (await isListening(path))) continue;
    if (isOn(args, "fix")) {
      await rm(path, { force: true });
      findings.push(fixed("socket", `${path} is removed; nobody listened there`));
    } else {
      const hint = "the next start replaces it; `aivault doctor --fix` removes it";
      findings.push(warning("socket", `nobody listens at ${path}`, hint));
    }
  }
  return findings;
}

/** Whether a process holds the vault without answering. What is left of one that died is no harm. */
async function lock({ session }: Context): Promise<readonly Finding[]> {
  const { root, operatorSocket } = session.location;
  const generations = (await readdir(root).catch(() => []))
    .flatMap((name) => /^lock\.(\d+)$/.exec(name)?.[1] ?? [])
    .sort((a, b) => Number(b) - Number(a));
  const [newest] = generations;
  if (newest === undefined) return [];
  const text = await readFile(join(root, `lock.${newest}`), "utf8").catch(() => "");
  const owner = /"pid": ?(\d+)/.exec(text)?.[1];
  const isReleased = /"released": ?true/.test(text);
  if (owner === undefined || isReleased || !isAlive(Number(owner))) return [];
  if (await isListening(operatorSocket)) return [];
  return [
    warning(
      "lock",
      `process ${owner} may hold the vault, and nobody listens at ${operatorSocket}`,
      `if it is an aivaultd that hangs or has other sockets, end it: kill ${owner}`,
    ),
  ];
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
    return fixed("permissions", `${path} is yours alone now`);
  }
  const octal = (bits: number) => bits.toString(8).padStart(4, "0");
  return wrong(
    "permissions",
    `${path} is ${octal(stat.mode & 0o777)}: others can reach it`,
    `chmod ${octal(mode)} ${path}, or \`aivault doctor --fix\``,
  );
}
