/**
 * The way to the daemon: the one that runs, one that is started for the purpose, or the same code in
 * this process (`AIVAULTD_DISABLE=1`).
 */
// Not node:fs/promises: it takes 3 ms to load, on every call.
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import {
  type AivaultClient,
  AivaultError,
  callerSockets,
  createClient,
  isAivaultError,
} from "@aivault/client";
import type { OperatorClient } from "@aivault/client/operator";
import { tokenFromEnvironment, tokenHeaders } from "./caller-token.ts";
import { CliError } from "./errors.ts";
import { isEnvOn, locateVault, type VaultLocation } from "./location.ts";
import type { Environment, Output } from "./output.ts";

export class Session {
  readonly location: VaultLocation;
  readonly #env: Environment;
  readonly #out: Output;
  /** Of this program. */
  readonly version: string;
  #token: string | undefined;
  #caller: AivaultClient | undefined;
  #operator: OperatorClient | undefined;
  #inProcess: Promise<InProcessDaemon> | undefined;

  constructor(env: Environment, out: Output, version: string) {
    this.location = locateVault(env);
    this.#env = env;
    this.#out = out;
    this.version = version;
  }

  /** Present this token as a caller, and not the one in `AIVAULT_TOKEN`. */
  useToken(token: string): void {
    this.#token = token;
  }

  /**
   * Do something as a caller. A daemon is started if none can be reached, and `act` then runs again:
   * only after `CLIENT_DAEMON_UNREACHABLE`, which promises that nothing was sent (W-D1).
   */
  async asCaller<T>(act: (client: AivaultClient) => Promise<T>): Promise<T> {
    const client = await this.#callerClient();
    try {
      return await act(client);
    } catch (error) {
      if (!isAivaultError(error) || error.code !== "CLIENT_DAEMON_UNREACHABLE") throw error;
      await this.#start(error);
      return await act(client);
    }
  }

  /**
   * Do something that operators and callers may, as the operator where we are one: an operator is
   * told more. Whoever presents a token asks as its holder.
   */
  async asEither<T>(act: (client: AivaultClient) => Promise<T>): Promise<T> {
    if (this.#presented() !== undefined) return await this.asCaller(act);
    let client: AivaultClient;
    try {
      client = await this.operator();
    } catch (error) {
      const isOperator = !(error instanceof CliError && error.code === "CLI_VAULT_MISSING");
      if (isOperator && !(isAivaultError(error) && error.code === "CLIENT_DAEMON_UNREACHABLE")) {
        throw error;
      }
      return await this.asCaller(act);
    }
    return await act(client);
  }

  /** Make sure that a daemon answers, for a caller whose request cannot be made twice. */
  async awaitCaller(): Promise<void> {
    await this.asCaller((client) => client.health());
  }

  /**
   * The operator's client, of a daemon that runs.
   *
   * @param options.orInit - Make a vault if there is none, and say so. For commands that add to one.
   * @throws {CliError} `CLI_VAULT_MISSING`, `CLI_DAEMON_FAILED`
   */
  async operator(options: { readonly orInit?: true } = {}): Promise<OperatorClient> {
    if (this.#operator !== undefined) return this.#operator;
    const [{ createOperatorClient }, { readSession }] = await Promise.all([
      import("@aivault/client/operator"),
      import("./operator-session.ts"),
    ]);
    if (isEnvOn(this.#env["AIVAULTD_DISABLE"])) {
      await this.#requireVault(options);
      const { operatorSocket } = await this.#daemonHere();
      this.#operator = createOperatorClient({ socket: operatorSocket });
      return this.#operator;
    }
    const { isListening } = await import("./daemon-process.ts");
    const { operatorSocket, socket } = this.location;
    if (!(await isListening(operatorSocket))) {
      // Someone else's daemon, most likely the shared one: it is not ours to administer or replace.
      if (await isListening(socket)) throw notTheOperator(socket);
      await this.#requireVault(options);
      await this.#start(
        new AivaultError(
          "CLIENT_DAEMON_UNREACHABLE",
          `cannot reach aivaultd at \`${operatorSocket}\``,
        ),
      );
    }
    const session = readSession(this.location);
    this.#operator = createOperatorClient({ socket: operatorSocket, session });
    return this.#operator;
  }

  /** Whether there is a vault where the environment points. */
  async hasVault(): Promise<boolean> {
    return existsSync(this.location.configFile);
  }

  async close(): Promise<void> {
    this.#caller?.close();
    this.#operator?.close();
    // One that did not start has been reported by whoever asked for it.
    await (await this.#inProcess?.catch(() => undefined))?.close();
  }

  async #callerClient(): Promise<AivaultClient> {
    if (this.#caller === undefined) {
      const socket = isEnvOn(this.#env["AIVAULTD_DISABLE"])
        ? { socket: (await this.#daemonHere()).socket }
        : {};
      const headers = tokenHeaders(this.#presented());
      this.#caller = createClient({ env: this.#env, headers, ...socket });
    }
    return this.#caller;
  }

  #presented(): string | undefined {
    this.#token ??= tokenFromEnvironment(this.#env);
    return this.#token;
  }

  async #requireVault({ orInit }: { readonly orInit?: true }): Promise<void> {
    if (await this.hasVault()) return;
    const { root } = this.location;
    if (orInit === undefined) {
      throw new CliError(
        "CLI_VAULT_MISSING",
        `there is no vault at ${root}`,
        "`aivault init` makes one; so does the first `aivault secrets create`",
      );
    }
    const { initDefaultVault } = await import("./run/init.ts");
    await initDefaultVault(this.#env);
    this.#out.note(`made a new vault at ${root}`);
  }

  async #start(unreachable: AivaultError): Promise<void> {
    const { AIVAULTD_AUTOSTART } = this.#env;
    if (
      AIVAULTD_AUTOSTART !== undefined &&
      AIVAULTD_AUTOSTART !== "" &&
      !isEnvOn(AIVAULTD_AUTOSTART)
    ) {
      throw withHint(
        unreachable,
        "start it with `aivaultd`: AIVAULTD_AUTOSTART keeps aivault from doing so",
      );
    }
    if (!(await this.hasVault())) throw withHint(unreachable, this.#whereElse());
    const { startDaemonProcess } = await import("./daemon-process.ts");
    await startDaemonProcess(this.location, this.#env);
  }

  // Whoever has no vault of their own is probably meant to use someone else's.
  #whereElse(): string {
    const sockets = callerSockets({
      env: this.#env,
      home: this.#env["HOME"] ?? "/",
      platform: process.platform,
    });
    const shared = sockets[1];
    if (shared !== undefined && existsSync(dirname(shared))) {
      return `ask whoever runs the shared daemon to start it at ${shared}`;
    }
    return "`aivault secrets create` starts a vault of your own; to use another's, name its socket in AIVAULTD_SOCKET";
  }

  #daemonHere(): Promise<InProcessDaemon> {
    this.#inProcess ??= startHere(this.#env, this.version);
    return this.#inProcess;
  }
}

interface InProcessDaemon {
  readonly socket: string;
  readonly operatorSocket: string;
  close(): Promise<void>;
}

async function startHere(env: Environment, version: string): Promise<InProcessDaemon> {
  const [{ resolvePaths, startDaemon }, { mkdtemp, rm }, { tmpdir }, { join }] = await Promise.all([
    import("@aivault/daemon"),
    import("node:fs/promises"),
    import("node:os"),
    import("node:path"),
  ]);
  // mkdtemp makes it 0700: nobody else can reach sockets in it.
  const directory = await mkdtemp(join(tmpdir(), "aivault-"));
  const remove = () => rm(directory, { recursive: true, force: true });
  try {
    const daemon = await startDaemon({
      paths: resolvePaths(env, process.platform),
      socket: join(directory, "aivaultd.sock"),
      operatorSocket: join(directory, "aivaultd.operator.sock"),
      env,
      log: false,
      version,
    });
    const close = async () => {
      await daemon.close();
      await remove();
    };
    return { socket: daemon.socket, operatorSocket: daemon.operatorSocket, close };
  } catch (error) {
    await remove();
    throw error;
  }
}

function notTheOperator(socket: string): AivaultError {
  return new AivaultError(
    "CLIENT_DAEMON_UNREACHABLE",
    `the daemon at \`${socket}\` takes calls, but no operator commands, from this account`,
    { hint: "run this as the account that owns the vault" },
  );
}

function withHint(error: AivaultError, hint: string): AivaultError {
  return new AivaultError(error.code, error.message, { hint, cause: error });
}
