/** What the daemon asks of the operating system. One file per system implements it. */

import type { Socket } from "node:net";

/** Who holds the other end of a unix socket, as the kernel says. */
export interface PeerIdentity {
  readonly uid: number;
  /** For the record only: a pid is reused and may have changed hands. Null where unknown. */
  readonly pid: number | null;
}

/** The services of one operating system. */
export interface Platform {
  /** As `process.platform` names it. */
  readonly name: string;
  /** Bytes of a socket path that fit `sun_path` with its NUL. */
  readonly socketPathBytesMax: number;
  /**
   * Keep this process's memory out of core dumps, for good. False where the system offers no way; then the
   * limit of whoever started us decides.
   */
  forbidCoreDumps(): boolean;
  /** Files and sockets this process may have open at once; null where the system does not tell. */
  descriptorsMax(): number | null;
  /**
   * Ask the kernel for the peer of a connected unix socket.
   *
   * @returns null when it cannot be told: no native dependency, another kind of socket, or the
   * connection is gone. Then the permissions of the socket decide, and audit entries have no uid.
   */
  peerOf(socket: Socket): PeerIdentity | null;
}

/** Read an option of a socket into `value`; true when the kernel answered with that many bytes. */
export type GetSocketOption = (
  descriptor: number,
  level: number,
  option: number,
  value: Uint8Array,
) => boolean;

/**
 * The descriptor under a connected socket, or null.
 *
 * Node has no public way to it; the handle has had this property since v0.10, and without it peers
 * are merely unknown.
 */
export function descriptorOf(socket: Socket): number | null {
  const handle = (socket as unknown as { _handle?: { fd?: unknown } | null })._handle;
  const fd = handle?.fd;
  return typeof fd === "number" && fd >= 0 ? fd : null;
}
