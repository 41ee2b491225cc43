/** Any other system: unix sockets, and no way to ask who is at the other end. */

import type { Platform } from "./platform.ts";

export function otherPlatform(name: string): Platform {
  // The smallest `sun_path` in use (AIX, HP-UX) has 92 bytes.
  return {
    name,
    socketPathBytesMax: 91,
    forbidCoreDumps: () => false,
    descriptorsMax: () => null,
    peerOf: () => null,
  };
}
