/** Opening a page in the person's browser, which happens only when they said so. */
import { spawn } from "node:child_process";

const OPENERS: Partial<Record<NodeJS.Platform, readonly [string, ...string[]]>> = {
  darwin: ["open"],
  win32: ["rundll32", "url.dll,FileProtocolHandler"],
};

/**
 * Open an https page.
 *
 * Other accounts of this machine may see the address in the process list while the opener runs. It has
 * no secret in it; the verifier that makes the code worth something stays in the daemon.
 *
 * @returns False when there is nothing to open it with.
 */
export async function openInBrowser(url: string): Promise<boolean> {
  if (new URL(url).protocol !== "https:") return false;
  const [program, ...before] = OPENERS[process.platform] ?? ["xdg-open"];
  return await new Promise((resolve) => {
    const child = spawn(program, [...before, url], { stdio: "ignore", detached: true });
    child.once("error", () => resolve(false));
    child.once("spawn", () => {
      child.unref();
      resolve(true);
    });
  });
}
