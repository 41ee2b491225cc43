/** How far an upload is, on a terminal's stderr, when it takes long enough for anybody to wonder. */
import { statSync } from "node:fs";
import { list, type ParsedArgs, text } from "./args.ts";
import { parsePair } from "./headers.ts";
import type { Output } from "./output.ts";

/** What draws it. */
export interface UploadProgress {
  /** @param bytes - Sent so far. */
  onUpload(bytes: number): void;
  /** Take it off the screen. */
  clear(): void;
}

const BYTES_MIN = 1024 * 1024;
const QUIET_MS = 500;
const REDRAW_MS = 100;

/** Null where there is nobody to look, or nothing large enough to be looked at. */
export function uploadProgress(
  args: ParsedArgs,
  out: Output,
  now: () => number = Date.now,
): UploadProgress | null {
  if (out.stderr.isTTY !== true || out.isQuiet) return null;
  const total = sizeOf(args);
  if (total < BYTES_MIN) return null;
  const startedMs = now();
  let drawnMs = startedMs + QUIET_MS - REDRAW_MS;
  let drawn = false;
  return {
    onUpload(bytes) {
      if (now() - drawnMs < REDRAW_MS) return;
      drawnMs = now();
      drawn = true;
      const line = progressLine(bytes, total, now() - startedMs);
      out.stderr.write(`\r${line.slice(0, (out.stderr.columns ?? 80) - 1)}\u001b[K`);
    },
    clear() {
      if (drawn) out.stderr.write("\r\u001b[K");
      drawn = false;
    },
  };
}

/** `uploading  43 %  12.3 of 28.6 MB  4.1 MB/s`; the form's own octets may take it a little over. */
export function progressLine(bytes: number, total: number, elapsedMs: number): string {
  const megabytes = (n: number) => (n / 1e6).toFixed(1);
  const part = Math.min(1, bytes / total);
  const speed = elapsedMs > 0 ? `  ${megabytes((bytes * 1000) / elapsedMs)} MB/s` : "";
  return `uploading ${String(Math.floor(part * 100)).padStart(3)} %  ${megabytes(Math.min(bytes, total))} of ${megabytes(total)} MB${speed}`;
}

// What cannot be looked at here is refused with a better reason when it is opened.
function sizeOf(args: ParsedArgs): number {
  const body = text(args, "body-file-path");
  const paths = [
    ...(body === undefined || body === "-" ? [] : [body]),
    ...list(args, "multipart-file").map((pair) => parsePair("multipart-file", pair)[1]),
  ];
  return paths.reduce(
    (sum, path) => sum + (statSync(path, { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
}
