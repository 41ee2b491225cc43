/**
 * Connections to the daemon: an HTTP agent whose sockets are unix sockets.
 */
import { Agent } from "node:http";
import { connect, type Socket } from "node:net";
import { AivaultError } from "./errors.ts";

// Below node:http's 5 s keep-alive on the other end: we let go of an idle connection before the
// daemon does, or a call would be written to a socket that is just being closed.
const IDLE_MS = 4_000;

// A unix connect to a full backlog fails at once instead of waiting. Nothing has been sent then.
const BUSY_RETRIES = 20;
const BUSY_WAIT_MS = 25;

/** Keeps connections to the first of `paths` that accepts one. */
export class SocketAgent extends Agent {
  readonly #paths: readonly string[];
  #connected: string | null = null;

  /** @param paths - Candidates in order of preference; at least one. */
  constructor(paths: readonly [string, ...string[]]) {
    super({ keepAlive: true, timeout: IDLE_MS, maxFreeSockets: 16 });
    this.#paths = paths;
  }

  /** The path of the latest connection, else the first candidate. */
  get path(): string {
    return this.#connected ?? (this.#paths[0] as string);
  }

  override createConnection(
    _options: unknown,
    callback?: (error: Error | null, socket: Socket) => void,
  ): undefined {
    this.#connectFirst().then(
      (socket) => callback?.(null, socket),
      (error: Error) => callback?.(error, undefined as never),
    );
  }

  async #connectFirst(): Promise<Socket> {
    const failures: { path: string; errno: string }[] = [];
    for (const path of this.#paths) {
      try {
        const socket = await connectPatiently(path);
        this.#connected = path;
        return socket;
      } catch (error) {
        failures.push({ path, errno: errnoOf(error) });
      }
    }
    throw unreachable(failures);
  }
}

async function connectPatiently(path: string): Promise<Socket> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await connectOnce(path);
    } catch (error) {
      if (errnoOf(error) !== "EAGAIN" || attempt === BUSY_RETRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, BUSY_WAIT_MS));
    }
  }
}

function connectOnce(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.removeListener("error", reject);
      resolve(socket);
    });
  });
}

function unreachable(failures: readonly { path: string; errno: string }[]): AivaultError {
  const tried = failures.map(({ path, errno }) => `\`${path}\` (${WHY[errno] ?? errno})`);
  const denied = failures.some(({ errno }) => errno === "EACCES" || errno === "EPERM");
  return new AivaultError(
    "CLIENT_DAEMON_UNREACHABLE",
    `cannot reach aivaultd at ${tried.join(" or ")}`,
    {
      hint: denied
        ? "ask the vault's owner for access to that socket, or name another one in AIVAULTD_SOCKET"
        : "start it with `aivaultd`, or name its socket in AIVAULTD_SOCKET",
    },
  );
}

const WHY: Readonly<Record<string, string>> = {
  ENOENT: "no such socket",
  ECONNREFUSED: "nobody is listening",
  EACCES: "permission denied",
  EPERM: "permission denied",
  ENOTSOCK: "not a socket",
  EAGAIN: "too busy to accept a connection",
  EINVAL: "path too long for a socket",
  ENAMETOOLONG: "path too long for a socket",
};

function errnoOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown error";
}
