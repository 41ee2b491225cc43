/**
 * Setting up the machine: find out what is there, decide what is to be done, show it or do it.
 */
import { existsSync, readdirSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { isOn, text, wantsJson } from "../args.ts";
import type { Context } from "../context.ts";
import { daemonBin } from "../daemon-process.ts";
import { CliError, usageError } from "../errors.ts";
import {
  type AgentAccessFacts,
  GROUP,
  grantSteps,
  powerfulGroups,
  revokeSteps,
  TMPFILES,
} from "../setup/agent-access.ts";
import { LABEL, launchdSteps } from "../setup/launchd.ts";
import { type Step, shellLines } from "../setup/step.ts";
import {
  type Account,
  ask,
  carryOut,
  changeableBy,
  contentOf,
  directoryFacts,
  findAccount,
  findGroup,
  groupsOf,
} from "../setup/system.ts";
import { systemdSteps, UNIT, UNIT_PATH } from "../setup/systemd.ts";

/** `setup agent-access`: a group, a directory, and two members. */
export async function runAgentAccess(context: Context): Promise<void> {
  const { args, out } = context;
  const platform = supportedPlatform();
  requireRoot(context);
  const daemon = await daemonAccount(context, platform);
  const agent = await account(text(args, "agent-user") as string, platform);
  if (agent.uid === daemon.uid) {
    throw usageError(`${agent.name} owns the vault: an agent needs an account of its own`);
  }
  if (agent.uid === 0) throw usageError("root reads everything; an agent must not be root");
  const directory = await sharedDirectory(context);
  const facts: AgentAccessFacts = {
    platform,
    daemon,
    agent,
    group: await findGroup(GROUP, platform),
    directory,
    directoryFacts: directoryFacts(directory),
    tmpfiles: contentOf(TMPFILES),
  };
  const uninstall = isOn(args, "uninstall");
  if (!uninstall) await requireSafeDirectory(directory, daemon);
  await perform(context, uninstall ? revokeSteps(facts) : grantSteps(facts));
  if (uninstall) {
    if (!isOn(args, "dry-run")) {
      out.note(`what already runs as ${agent.name} keeps its groups until it ends`);
    }
    return;
  }
  await warnAboutAgent(context, daemon, agent);
  if (isOn(args, "dry-run")) return;
  out.note(`next, as ${daemon.name}: \`aivaultd --shared\`, or have it started for you:`);
  out.note(platform === "darwin" ? "`aivault setup launchd`" : "`sudo aivault setup systemd`");
  out.note(`then, as ${agent.name}, after logging in anew: \`aivault capability list\``);
}

/** `setup systemd`: a unit, enabled and started. */
export async function runSystemd(context: Context): Promise<void> {
  const { args, env, out } = context;
  const dryRun = isOn(args, "dry-run");
  if (process.platform !== "linux" && !dryRun) throw notHere("systemd");
  requireRoot(context);
  const daemon = await daemonAccount(context, process.platform);
  const vaultDirectory = env["AIVAULT_DIR"] ? realpathOf(env["AIVAULT_DIR"]) : null;
  const uninstall = isOn(args, "uninstall");
  const programs = await installedPrograms();
  if (!uninstall && !dryRun) {
    if ((await findGroup(GROUP, process.platform)) === null) {
      throw new CliError(
        "CLI_SETUP_FAILED",
        `there is no group ${GROUP}`,
        `sudo aivault setup agent-access --agent-user USER --daemon-user ${daemon.name}`,
      );
    }
    const vault = vaultDirectory ?? join(daemon.home, ".aivault");
    if (!existsSync(vault)) {
      throw new CliError(
        "CLI_VAULT_MISSING",
        `${daemon.name} has no vault at ${vault}`,
        `as ${daemon.name}: aivault init`,
      );
    }
    refuseChangeable(programs, daemon);
  }
  const runs = (await ask(["systemctl", "show-environment"])).status === 0;
  const steps = systemdSteps({
    unit: {
      user: daemon.name,
      home: daemon.home,
      ...programs,
      vaultDirectory,
      sharedDirectory: await sharedDirectory(context),
    },
    uninstall,
    // In a container there is often no systemd to talk to; the unit can still be put in its place.
    systemdRuns: runs || dryRun,
    current: contentOf(UNIT_PATH),
    isEnabled: runs && (await ask(["systemctl", "is-enabled", UNIT])).status === 0,
    isActive: runs && (await ask(["systemctl", "is-active", UNIT])).status === 0,
  });
  await perform(context, steps);
  if (!runs && !dryRun) {
    out.warn("systemd does not run here: nothing was started; it will be when the system starts");
  }
  if (!uninstall && !dryRun) out.note(`\`systemctl status ${UNIT}\` says how it is`);
}

/** `setup launchd`: an agent of this account, loaded and started. */
export async function runLaunchd(context: Context): Promise<void> {
  const { args, env, out } = context;
  const dryRun = isOn(args, "dry-run");
  if (process.platform !== "darwin" && !dryRun) throw notHere("launchd");
  const uid = process.getuid?.() ?? 0;
  if (uid === 0 && !dryRun) {
    throw usageError("run this as the owner of the vault, without sudo: its keychain is theirs");
  }
  const home = env["HOME"] ?? "/";
  const plistPath = join(home, "Library", "LaunchAgents", `${LABEL}.plist`);
  await perform(
    context,
    launchdSteps({
      plist: {
        ...(await installedPrograms()),
        logDirectory: join(home, ".aivault", "logs"),
        vaultDirectory: env["AIVAULT_DIR"] ? realpathOf(env["AIVAULT_DIR"]) : null,
      },
      plistPath,
      uid,
      uninstall: isOn(args, "uninstall"),
      current: contentOf(plistPath),
      isLoaded: (await ask(["launchctl", "print", `gui/${uid}/${LABEL}`])).status === 0,
    }),
  );
  if (!isOn(args, "uninstall") && !dryRun)
    out.note(`\`launchctl print gui/${uid}/${LABEL}\` says how it is`);
}

async function perform({ args, out }: Context, steps: readonly Step[]): Promise<void> {
  const dryRun = isOn(args, "dry-run");
  const asJson = wantsJson(args);
  const reported = [];
  for (const step of steps) {
    if (!dryRun && !step.isDone) await carryOut(step);
    const state = step.isDone ? "already" : dryRun ? "planned" : "done";
    const shell = shellLines(step);
    reported.push({ says: step.says, state, shell: shell.join("\n") });
    if (asJson) continue;
    if (!dryRun || step.isDone) out.answer(`${state}: ${step.says}`);
    else for (const [index, line] of shell.entries()) out.answer(index === 0 ? `$ ${line}` : line);
  }
  if (asJson) out.json({ dryRun, steps: reported });
  if (dryRun) out.note("nothing was done");
}

function supportedPlatform(): "linux" | "darwin" {
  const { platform } = process;
  if (platform === "linux" || platform === "darwin") return platform;
  throw notHere("agent-access");
}

function requireRoot({ args, command }: Context): void {
  if (isOn(args, "dry-run") || process.getuid?.() === 0) return;
  const name = command.words.join(" ");
  throw new CliError(
    "CLI_SETUP_FAILED",
    `\`aivault ${name}\` changes the system, and needs root`,
    `sudo aivault ${name} …; --dry-run shows what it would do`,
  );
}

async function daemonAccount({ args, env }: Context, platform: string): Promise<Account> {
  const { SUDO_USER, USER } = env;
  const name = text(args, "daemon-user") ?? (SUDO_USER || undefined) ?? (USER || undefined);
  if (name === undefined) throw usageError("say who owns the vault, with --daemon-user");
  return await account(name, platform);
}

async function account(name: string, platform: string): Promise<Account> {
  // Also keeps a name from being read as a flag by the programs that get it.
  if (!/^[A-Za-z_][\w.-]{0,63}$/.test(name)) throw usageError(`\`${name}\` is no account name`);
  const found = await findAccount(name, platform);
  if (found === null) throw new CliError("CLI_INPUT", `there is no account \`${name}\``);
  return found;
}

async function sharedDirectory({ env }: Context): Promise<string> {
  const { resolvePaths } = await import("@aivault/daemon");
  return dirname(resolvePaths(env, process.platform).sharedSocket);
}

/** Whatever gets another owner and mode here must be ours to give away. */
async function requireSafeDirectory(directory: string, daemon: Account): Promise<void> {
  if (existsSync(directory)) {
    const foreign = readdirSync(directory).find((name) => !/^(\.\d+\.\d+|.*\.sock)$/.test(name));
    if (foreign !== undefined) {
      throw new CliError(
        "CLI_SETUP_FAILED",
        `${directory} has \`${foreign}\` in it, and is not for sockets alone; nothing was changed`,
        "AIVAULTD_SHARED_SOCKET names another place",
      );
    }
  }
  // Someone who owns a directory above could put another in its place.
  const above = changeableBy(dirname(directory), [daemon.uid]);
  if (above !== null) {
    throw new CliError(
      "CLI_SETUP_FAILED",
      `${above}, above the shared socket, can be changed by other accounts; nothing was changed`,
      `make it root's: chown root ${above} && chmod 755 ${above}`,
    );
  }
}

async function installedPrograms(): Promise<{ node: string; daemon: string }> {
  return { node: realpathOf(process.execPath), daemon: realpathOf(await daemonBin()) };
}

// What runs with the vault's key must not be what somebody else wrote.
function refuseChangeable(
  { node, daemon }: { readonly node: string; readonly daemon: string },
  { uid }: Account,
): void {
  for (const path of [node, daemon]) {
    const at = changeableBy(path, [uid]);
    if (at === null) continue;
    throw new CliError(
      "CLI_SETUP_FAILED",
      `${at} can be changed by other accounts, and ${path} would run with the vault's key`,
      "install Node and aivault for all accounts, as root",
    );
  }
}

async function warnAboutAgent({ out }: Context, daemon: Account, agent: Account): Promise<void> {
  const powerful = powerfulGroups(await groupsOf(agent.name));
  if (powerful.length > 0) {
    out.warn(
      `${agent.name} is in ${powerful.join(", ")}, and can become root from there: then nothing here protects the vault`,
    );
  }
  const { node, daemon: program } = await installedPrograms();
  for (const path of [node, program]) {
    const at = changeableBy(path, [daemon.uid]);
    if (at !== null) out.warn(`${at} can be changed by other accounts, and ${path} has the key`);
  }
}

function realpathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function notHere(what: string): CliError {
  return new CliError(
    "CLI_NOT_AVAILABLE",
    `\`aivault setup ${what}\` does nothing on ${process.platform}`,
    "--dry-run shows what it would do",
  );
}
