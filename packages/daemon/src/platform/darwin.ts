/** macOS: `LOCAL_PEERCRED` and `LOCAL_PEERPID`, see unix(4). */

import type { ForbidCoreFiles } from "./core-dumps.ts";
import {
  descriptorOf,
  type GetSocketOption,
  type PeerIdentity,
  type Platform,
} from "./platform.ts";

const SOL_LOCAL = 0;
const LOCAL_PEERCRED = 1;
const LOCAL_PEERPID = 2;
/** `struct xucred { u_int version; uid_t uid; short ngroups; gid_t groups[16]; }`, padded. */
const XUCRED_BYTES = 76;
const XUCRED_VERSION = 0;

/** The platform of macOS. Without `getSocketOption` every peer is unknown. */
export function darwinPlatform(
  getSocketOption: GetSocketOption | null,
  forbidCoreFiles: ForbidCoreFiles | null = null,
): Platform {
  return {
    name: "darwin",
    socketPathBytesMax: 103,
    forbidCoreDumps: () => forbidCoreFiles?.() ?? false,
    descriptorsMax: () => null,
    peerOf(socket) {
      const descriptor = descriptorOf(socket);
      if (descriptor === null || getSocketOption === null) return null;
      const xucred = new Uint8Array(XUCRED_BYTES);
      if (!getSocketOption(descriptor, SOL_LOCAL, LOCAL_PEERCRED, xucred)) return null;
      const pid = new Uint8Array(4);
      const hasPid = getSocketOption(descriptor, SOL_LOCAL, LOCAL_PEERPID, pid);
      return parseXucred(xucred, hasPid ? pid : null);
    },
  };
}

/** Read a `struct xucred` and the four octets of a pid; null for a version we do not know. */
export function parseXucred(xucred: Uint8Array, pid: Uint8Array | null): PeerIdentity | null {
  const view = new DataView(xucred.buffer, xucred.byteOffset, xucred.byteLength);
  if (view.getUint32(0, true) !== XUCRED_VERSION) return null;
  const uid = view.getUint32(4, true);
  if (uid === 0xffff_ffff) return null;
  const number =
    pid === null ? 0 : new DataView(pid.buffer, pid.byteOffset, pid.byteLength).getInt32(0, true);
  return { uid, pid: number > 0 ? number : null };
}
