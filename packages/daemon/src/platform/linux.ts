/** Linux: `SO_PEERCRED`, see unix(7) and socket(7). */

import { readFileSync } from "node:fs";
import { emptyCoreDumps, type ForbidCoreFiles } from "./core-dumps.ts";
import {
  descriptorOf,
  type GetSocketOption,
  type PeerIdentity,
  type Platform,
} from "./platform.ts";

// asm-generic/socket.h. On ppc64 this number is another option, whose answer has another size and is
// refused below: peers are unknown there.
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
/** `struct ucred { pid_t pid; uid_t uid; gid_t gid; }` */
const UCRED_BYTES = 12;

/** The platform of Linux. Without `getSocketOption` every peer is unknown. */
export function linuxPlatform(
  getSocketOption: GetSocketOption | null,
  forbidCoreFiles: ForbidCoreFiles | null = null,
): Platform {
  return {
    name: "linux",
    socketPathBytesMax: 107,
    forbidCoreDumps() {
      const noFiles = forbidCoreFiles?.() ?? false;
      return emptyCoreDumps() || noFiles;
    },
    descriptorsMax: () => parseLimits(readLimits()),
    peerOf(socket) {
      const descriptor = descriptorOf(socket);
      if (descriptor === null || getSocketOption === null) return null;
      const ucred = new Uint8Array(UCRED_BYTES);
      return getSocketOption(descriptor, SOL_SOCKET, SO_PEERCRED, ucred) ? parseUcred(ucred) : null;
    },
  };
}

function readLimits(): string {
  try {
    return readFileSync("/proc/self/limits", "latin1");
  } catch {
    return "";
  }
}

/** The soft limit of open files in `/proc/self/limits`, see proc(5). */
export function parseLimits(text: string): number | null {
  const [, soft] = /^Max open files +(\d+) /m.exec(text) ?? [];
  return soft === undefined ? null : Number(soft);
}

/** Read a `struct ucred`; null for the answer to a socket without credentials (pid 0, uid -1). */
export function parseUcred(ucred: Uint8Array): PeerIdentity | null {
  const view = new DataView(ucred.buffer, ucred.byteOffset, ucred.byteLength);
  const pid = view.getInt32(0, true);
  const uid = view.getUint32(4, true);
  if (uid === 0xffff_ffff) return null;
  return { uid, pid: pid > 0 ? pid : null };
}
