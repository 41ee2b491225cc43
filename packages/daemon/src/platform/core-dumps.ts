/** No memory of this process in a core dump: what crashes must not leave keys behind (G3, G23). */

import { writeFileSync } from "node:fs";

/** `RLIMIT_CORE`, the same number on Linux and macOS. */
const RLIMIT_CORE = 4;

/** Set this process's limit of core dumps to nothing; false when that could not be done. */
export type ForbidCoreFiles = () => boolean;

/** `setrlimit(2)` through the optional native dependency; null where that does not work. */
export async function loadForbidCoreFiles(): Promise<ForbidCoreFiles | null> {
  try {
    const { default: koffi } = await import("koffi");
    // struct rlimit { rlim_t rlim_cur; rlim_t rlim_max; }, both 64 bits wide.
    const setrlimit = koffi.load(null).func("int setrlimit(int, const uint64_t *)");
    return () => setrlimit(RLIMIT_CORE, new BigUint64Array(2)) === 0;
  } catch {
    return null;
  }
}

/**
 * Linux: leave every mapping out of a dump, see core(5). Needs nothing native, and holds as well where the
 * kernel pipes dumps to a program, which the limit does not forbid.
 */
export function emptyCoreDumps(): boolean {
  try {
    writeFileSync("/proc/self/coredump_filter", "0");
    return true;
  } catch {
    return false;
  }
}
