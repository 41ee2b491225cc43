/** `aivaultd` as a function: open the vault, build the broker, listen on two sockets. */

import { dirname } from "node:path";
import type { Writable } from "node:stream";
import type { LookUp } from "@aivault/broker";
import { isVaultError, Vault } from "@aivault/vault-core";
import { openFileStore, systemRandom } from "@aivault/vault-core/node";
import { callerRoutes } from "./caller-routes.ts";
import { Confirmations } from "./confirmations.ts";
import { DenialLimit } from "./denial-limit.ts";
import { Engine } from "./engine.ts";
import { requireTrustworthyEnvironment } from "./environment.ts";
import { DaemonError } from "./errors.ts";
import { createHttpListener, type HttpListener } from "./http-adapter.ts";
import { vaultExists } from "./init-vault.ts";
import {
  authorityOf,
  type BoundSocket,
  listenAt,
  listenOnTcp,
  parseTcpAddress,
  requireSharedDirectory,
  requireSocketDirectory,
  type TcpAddress,
} from "./listen.ts";
import { createLog } from "./log.ts";
import { Metrics } from "./metrics.ts";
import { operatorRoutes } from "./operator-routes.ts";
import { passthrough } from "./passthrough/passthrough-route.ts";
import { type VaultPaths, withSocket } from "./paths.ts";
import { loadPlatform, type Platform } from "./platform/index.ts";
import { watchRoot } from "./root-watch.ts";
import type { Services } from "./services.ts";
import { type LocalAuthority, loadLocalAuthority } from "./tls/local-authority.ts";

/** What a daemon is started with. Nothing else is read from the process. */
export interface DaemonOptions {
  readonly paths: VaultPaths;
  /** Caller socket instead of `paths.socket`; the operator socket follows it unless given. */
  readonly socket?: string;
  readonly operatorSocket?: string;
  /** Also serve callers of other accounts, at `paths.sharedSocket`. */
  readonly shared?: boolean;
  /** Also serve callers at this loopback `address:port`; every request there needs a token. */
  readonly listen?: string;
  /** The same with TLS, by a certificate of the daemon's own below `paths.tlsDir`. */
  readonly listenTls?: string;
  /** Serve one connection to the caller socket that asks for more than health, then close. */
  readonly once?: boolean;
  /** Read once: development overrides and the environment key provider. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where diagnostics go; default stderr; false for none. */
  readonly log?: Writable | false;
  /** Reported in `health` and `status`. */
  readonly version: string;
  /** How names of providers are found; default: by the system, in this process. */
  readonly lookUp?: LookUp;
}

/** A running daemon. Disposing of it is {@link Daemon.close}. */
export interface Daemon extends AsyncDisposable {
  /** Absolute path of the caller socket. */
  readonly socket: string;
  /** Absolute path of the operator socket. */
  readonly operatorSocket: string;
  /** Absolute path of the shared caller socket, when there is one. */
  readonly sharedSocket: string | null;
  /** `http://127.0.0.1:19790`, when there is a TCP listener. */
  readonly url: string | null;
  /** `https://127.0.0.1:19792`, when there is a TLS listener, and what its clients are to trust. */
  readonly tls: { readonly url: string; readonly authorityFile: string } | null;
  /** Resolves when the daemon has closed, for whatever reason. */
  readonly closed: Promise<void>;
  /** Stop accepting, finish or cut running requests at 10 s, flush the audit log, remove the sockets. */
  close(): Promise<void>;
  /**
   * Read again what is set in the vault, and the TLS listener's certificate: SIGHUP. Does not fail; what could
   * not be read is logged.
   */
  reload(): Promise<void>;
}

/** What running requests get when the daemon is told to stop. */
const DRAIN_MS = 10_000;
/** A daemon started for one connection that never comes does not wait for ever. */
const ONCE_WAIT_MS = 60_000;

/**
 * Open the vault at `paths.root` and serve it. Resolves when both sockets accept connections.
 *
 * A vault whose key is in a file or a variable is unlocked first; if that fails nothing is written and
 * no socket is made. A passphrase vault starts locked.
 *
 * @throws {DaemonError} Any code but `DAEMON_VAULT_EXISTS`.
 * @throws {VaultError} `VAULT_KEY_MISMATCH`, `VAULT_KEY_UNAVAILABLE`, `VAULT_TAMPERED`,
 * `VAULT_LEGACY_FORMAT`, `VAULT_FORMAT_UNSUPPORTED`, `VAULT_STORE_FAILED`, `VAULT_AUDIT_FAILED`.
 */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  requireTrustworthyEnvironment(options.env);
  const paths = choosePaths(options);
  if (!vaultExists(paths)) {
    throw new DaemonError("DAEMON_VAULT_MISSING", `no vault at ${paths.root}`, {
      hint: "aivault init",
    });
  }
  const platform = await loadPlatform();
  const vault = await openVault(paths);
  try {
    return await serveVault(options, paths, platform, vault);
  } catch (error) {
    await vault.close();
    throw error;
  }
}

function choosePaths(options: DaemonOptions): VaultPaths {
  const paths =
    options.socket === undefined ? options.paths : withSocket(options.paths, options.socket);
  return options.operatorSocket === undefined
    ? paths
    : { ...paths, operatorSocket: options.operatorSocket };
}

/** The vault's exclusive lock is what makes this daemon the only one. */
async function openVault(paths: VaultPaths): Promise<Vault> {
  try {
    const store = await openFileStore(paths.root);
    try {
      return await Vault.open({ store, random: systemRandom, now: Date.now });
    } catch (error) {
      await store.close();
      throw error;
    }
  } catch (error) {
    if (isVaultError(error) && error.code === "VAULT_BUSY") {
      throw new DaemonError("DAEMON_ALREADY_RUNNING", error.message, {
        hint: "use the daemon that runs, or stop it: aivault restart",
        cause: error,
      });
    }
    throw error;
  }
}

async function serveVault(
  options: DaemonOptions,
  paths: VaultPaths,
  platform: Platform,
  vault: Vault,
): Promise<Daemon> {
  const log = createLog(options.log);
  const listeners: HttpListener[] = [];
  const engine = new Engine({
    vault,
    paths,
    env: options.env,
    version: options.version,
    log,
    ...(options.lookUp === undefined ? {} : { lookUp: options.lookUp }),
    invocationsRunning: () =>
      listeners.reduce((sum, listener) => sum + listener.invocationsRunning, 0),
    abortRunning: async () => {
      await Promise.all(listeners.map((listener) => listener.abortInvocations()));
      await services.denials.flush();
    },
  });
  await engine.start();

  let settleClosed: { resolve(): void; reject(error: unknown): void } | undefined;
  const closed = new Promise<void>((resolve, reject) => {
    settleClosed = { resolve, reject };
  });
  // Whoever only calls `close` hears of a failure there.
  closed.catch(() => undefined);
  const sockets: BoundSocket[] = [];
  let closing: Promise<void> | null = null;
  let onceTimer: NodeJS.Timeout | undefined;
  let stopWatching = () => {};

  const close = (): Promise<void> => {
    closing ??= shutDown();
    closing.then(settleClosed?.resolve, settleClosed?.reject);
    return closing;
  };

  async function shutDown(): Promise<void> {
    clearTimeout(onceTimer);
    stopWatching();
    for (const socket of sockets) socket.remove();
    await Promise.all(listeners.map((listener) => listener.close(DRAIN_MS)));
    await services.denials.flush();
    await engine.stop();
    log.info("closed");
  }

  const metrics = new Metrics(Date.now());
  const denials = new DenialLimit(Date.now, async (suppressed) => {
    await vault.audit.append({ kind: "denials.suppressed", ...suppressed });
    metrics.suppressed(suppressed.count);
  });
  const services: Services = {
    version: options.version,
    pid: process.pid,
    paths,
    vault,
    log,
    engine,
    confirmations: new Confirmations(Date.now, systemRandom),
    denials,
    metrics,
    shutdown() {
      setImmediate(() => void close());
    },
  };

  const optional = [options.listen !== undefined, options.listenTls !== undefined, options.shared];
  const listenerCount = 1 + optional.filter((isThere) => isThere === true).length;
  const callers = { socket: "caller", routes: callerRoutes, fallback: passthrough } as const;
  const operator = createHttpListener({
    socket: "operator",
    routes: operatorRoutes,
    services,
    platform,
    listeners: listenerCount,
  });
  const caller = createHttpListener({
    ...callers,
    services,
    platform,
    listeners: listenerCount,
    ...(options.once === true ? { onServed: () => void close() } : {}),
  });
  let url: string | null = null;
  let tls: Daemon["tls"] = null;
  let renewCertificate = (): void => undefined;

  try {
    requireSocketDirectory(dirname(paths.socket));
    requireSocketDirectory(dirname(paths.operatorSocket));
    const listenForCallers = async (address: TcpAddress, tls?: LocalAuthority) => {
      const authorities = new Set<string>();
      const tcp = createHttpListener({
        ...callers,
        transport: "tcp",
        authorities,
        services,
        platform,
        listeners: listenerCount,
        ...(tls === undefined ? {} : { tls }),
      });
      const bound = await listenOnTcp(tcp.server, address);
      listeners.push(tcp);
      authorities.add(authorityOf(bound)).add(`localhost:${bound.port}`);
      return { listener: tcp, authority: authorityOf(bound) };
    };
    if (options.listen !== undefined) {
      const address = parseTcpAddress(options.listen, engine.allowsRemoteClients);
      url = `http://${(await listenForCallers(address)).authority}`;
    }
    if (options.listenTls !== undefined) {
      const address = parseTcpAddress(options.listenTls, false, "--listen-tls");
      const load = () => {
        const loaded = loadLocalAuthority({
          directory: paths.tlsDir,
          names: [...new Set(["localhost", "127.0.0.1", "::1", address.host])],
          nowMs: Date.now(),
          random: systemRandom,
        });
        const { authorityFile, isNew } = loaded;
        if (isNew)
          log.info({ authorityFile }, "a certificate was made; its clients trust this file");
        return loaded;
      };
      const local = load();
      const { listener, authority } = await listenForCallers(address, local);
      tls = { url: `https://${authority}`, authorityFile: local.authorityFile };
      renewCertificate = () => listener.replaceCertificate(load());
    }
    if (options.shared === true) {
      const group = requireSharedDirectory(dirname(paths.sharedSocket));
      const shared = createHttpListener({
        ...callers,
        services,
        platform,
        listeners: listenerCount,
      });
      sockets.push(await listenAt(shared.server, paths.sharedSocket, platform, group));
      listeners.push(shared);
    }
    // The caller socket last: whoever finds it finds a daemon that is complete.
    for (const [listener, path] of [
      [operator, paths.operatorSocket],
      [caller, paths.socket],
    ] as const) {
      sockets.push(await listenAt(listener.server, path, platform));
      listeners.push(listener);
    }
  } catch (error) {
    await shutDown();
    throw error;
  }
  if (options.once === true) onceTimer = setTimeout(() => void close(), ONCE_WAIT_MS);
  stopWatching = watchRoot(paths.root, () => {
    log.error({ root: paths.root }, "the vault is gone");
    void close();
  });
  log.info({ socket: paths.socket, operatorSocket: paths.operatorSocket, url, tls }, "listening");

  return {
    socket: paths.socket,
    operatorSocket: paths.operatorSocket,
    sharedSocket: options.shared === true ? paths.sharedSocket : null,
    url,
    tls,
    closed,
    close,
    async reload() {
      try {
        renewCertificate();
      } catch (error) {
        log.error({ err: error }, "the certificate could not be read again");
      }
      try {
        await engine.reload();
        log.info("reloaded");
      } catch (error) {
        log.error({ err: error }, "the settings could not be read again");
      }
    },
    [Symbol.asyncDispose]: close,
  };
}
