/** A daemon whose vault was removed has nothing left to serve, and must not stay behind for ever. */

import { statSync } from "node:fs";

const LOOK_MS = 5_000;
/** Restoring a backup moves a vault's directory away and another one there. */
const LOOKS = 2;

/**
 * Look now and then whether a directory is still there.
 *
 * Only that it is not there counts: a file system that does not answer may come back.
 *
 * @param onGone - Called once.
 * @param lookMs - Default 5 s.
 * @returns Stops looking. Looking by itself keeps no process alive.
 */
export function watchRoot(root: string, onGone: () => void, lookMs = LOOK_MS): () => void {
  let missed = 0;
  const timer = setInterval(() => {
    missed = isGone(root) ? missed + 1 : 0;
    if (missed < LOOKS) return;
    clearInterval(timer);
    onGone();
  }, lookMs);
  timer.unref();
  return () => clearInterval(timer);
}

function isGone(root: string): boolean {
  try {
    return statSync(root, { throwIfNoEntry: false }) === undefined;
  } catch {
    return false;
  }
}
