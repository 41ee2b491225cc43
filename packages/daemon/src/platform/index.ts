/** The one place that asks where it runs. */

import { loadForbidCoreFiles } from "./core-dumps.ts";
import { darwinPlatform } from "./darwin.ts";
import { loadGetSocketOption } from "./get-socket-option.ts";
import { linuxPlatform } from "./linux.ts";
import { otherPlatform } from "./other.ts";
import type { Platform } from "./platform.ts";

export type { PeerIdentity, Platform } from "./platform.ts";

/** The name of this system, as `process.platform` has it. */
export const platformName: string = process.platform;

/** The platform this process runs on. */
export async function loadPlatform(name: string = platformName): Promise<Platform> {
  switch (name) {
    case "linux":
      return linuxPlatform(await loadGetSocketOption(null), await loadForbidCoreFiles());
    case "darwin":
      return darwinPlatform(await loadGetSocketOption(null), await loadForbidCoreFiles());
    default:
      return otherPlatform(name);
  }
}
