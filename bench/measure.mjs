// What a benchmark reads off a process and makes of it.
import { readFileSync } from "node:fs";

/** What the kernel counts processor time in; a second has a hundred on every Linux there is. */
const TICKS_PER_SECOND = 100;

/** Milliseconds of processor time that all threads of a process have used so far (Linux), or NaN. */
export function cpuMs(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND;
  } catch {
    return Number.NaN;
  }
}

/** Bytes of memory that a process has resident (Linux). */
export function residentBytes(pid) {
  return (
    Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]) * 1024
  );
}

/** The middle one. */
export const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
