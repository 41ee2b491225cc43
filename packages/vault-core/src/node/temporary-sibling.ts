import { randomBytes } from "node:crypto";
import { readdirSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { isAlive } from "./process-lock.ts";

// What is put together beside its target, and takes its name last. A process that dies before that
// leaves it behind; the next one that makes the same target takes it away (G20).

/** `restoring` is a directory, `tmp` a file. */
type Kind = "tmp" | "restoring";

const NAME = /^\.(.+)\.(\d+)-[0-9a-f]{16}\.(?:tmp|restoring)$/;

/** What this process is making now. */
const making = new Set<string>();

/** A new name beside `target`, which is kept from {@link collectSiblings} until {@link forgetSibling}. */
export function temporarySibling(target: string, kind: Kind): string {
  const name = `.${basename(target)}.${process.pid}-${randomBytes(8).toString("hex")}.${kind}`;
  const path = join(dirname(target), name);
  making.add(path);
  return path;
}

/** Nothing is made under this name any more. */
export function forgetSibling(path: string): void {
  making.delete(path);
}

/** Removes what processes that died while making one of `targets`, of one directory, left beside it. */
export function collectSiblings(...targets: readonly [string, ...string[]]): void {
  const directory = dirname(targets[0]);
  const owners = new Set(targets.map((target) => basename(target)));
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch {
    // Reading or writing the target will say what is wrong.
    return;
  }
  for (const name of names) {
    const [, owner, pid] = NAME.exec(name) ?? [];
    if (owner === undefined || !owners.has(owner)) continue;
    // In a container the process that died may have had our own pid.
    const path = join(directory, name);
    const living = Number(pid) === process.pid ? making.has(path) : isAlive(Number(pid));
    if (living) continue;
    try {
      rmSync(path, { recursive: true, force: true });
    } catch {
      // It is tried again the next time.
    }
  }
}
