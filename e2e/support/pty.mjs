// @ts-check
// A person at a terminal: a real pseudo-terminal (util-linux `script`), what is on its screen, and keys.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AIVAULT } from "./run.mjs";

const PATIENCE_MS = 45_000;

/**
 * @typedef {object} Terminal
 * @property {() => string} screen - Everything that was shown, escapes included.
 * @property {(what: RegExp) => Promise<RegExpExecArray>} see - Wait for it to be shown.
 * @property {(text: string) => void} type
 * @property {(columns: number) => void} resize - As a window manager does, with SIGWINCH.
 * @property {Promise<number | null>} ended - With the status.
 */

/** Escapes, so that only text is left. @param {string} shown */
export function plain(shown) {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escapes are what is removed.
  return shown.replace(/\u001b\[[0-9;?]*[A-Za-z]|\u001b[()][A-Z0-9]|\r/g, "");
}

/** Whether this machine has what it takes. */
export function hasPty() {
  return spawnSync("script", ["--version"]).stdout?.includes("util-linux") === true;
}

/**
 * Run the built `aivault` on a terminal.
 *
 * @param {readonly string[]} args
 * @param {{ env: Readonly<Record<string, string>>, columns?: number, redirect?: string }} options
 * @returns {Terminal}
 */
export function onTerminal(args, { env, columns = 80, redirect = "" }) {
  const directory = mkdtempSync(join(tmpdir(), "aivault-pty-"));
  const place = join(directory, "tty");
  const quoted = [process.execPath, AIVAULT, ...args].map(
    (word) => `'${word.replaceAll("'", "'\\''")}'`,
  );
  const command = `stty rows 24 cols ${columns}; tty > '${place}'; exec ${quoted.join(" ")} ${redirect}`;
  const child = spawn("script", ["-qefc", command, "/dev/null"], {
    env: { PATH: process.env["PATH"] ?? "", TERM: "xterm-256color", SHELL: "/bin/sh", ...env },
  });
  let shown = "";
  child.stdout.on("data", (chunk) => {
    shown += chunk;
  });
  child.stdin.on("error", () => {});
  const ended = once(child, "close").then(([status]) => {
    rmSync(directory, { recursive: true, force: true });
    return status;
  });
  return {
    screen: () => shown,
    see: async (what) => {
      for (const end = Date.now() + PATIENCE_MS; Date.now() < end; ) {
        const found = what.exec(plain(shown));
        if (found !== null) return found;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      throw new Error(`the screen does not show ${what}:\n${plain(shown)}`);
    },
    type: (text) => {
      child.stdin.write(text);
    },
    resize: (to) => {
      spawnSync("stty", ["-F", readFileSync(place, "utf8").trim(), "cols", String(to)]);
    },
    ended,
  };
}
