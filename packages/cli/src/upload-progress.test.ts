import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { capture } from "../test/terminal.ts";
import { Output } from "./output.ts";
import { progressLine, uploadProgress } from "./upload-progress.ts";

let directory: string;
let path: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "aivault-upload-"));
  path = join(directory, "large");
  writeFileSync(path, "");
  truncateSync(path, 4_000_000);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const args = (file: string) => ({ positionals: {}, flags: { "multipart-file": [`f=${file}`] } });

describe("uploadProgress", () => {
  it("appears when it takes long, at its own pace, and leaves no trace", () => {
    let nowMs = 0;
    const stderr = capture(80);
    const progress = uploadProgress(
      args(path),
      new Output(capture().sink, stderr.sink, {}),
      () => nowMs,
    );
    progress?.onUpload(1000);
    expect(stderr.octets().toString()).toBe("");
    nowMs = 1000;
    progress?.onUpload(2_000_000);
    progress?.onUpload(2_100_000);
    expect(stderr.octets().toString()).toBe("\ruploading  50 %  2.0 of 4.0 MB  2.0 MB/s\u001b[K");
    progress?.clear();
    expect(stderr.octets().toString().endsWith("\r\u001b[K")).toBe(true);
  });

  it("is for a person, and for what is large", () => {
    const at = (columns: number | undefined) =>
      new Output(capture().sink, capture(columns).sink, {});
    expect(uploadProgress(args(path), at(undefined))).toBeNull();
    expect(uploadProgress(args(join(directory, "gone")), at(80))).toBeNull();
    const quiet = at(80);
    quiet.beQuiet();
    expect(uploadProgress(args(path), quiet)).toBeNull();
  });

  it("does not say more than everything", () => {
    expect(progressLine(5_000_100, 5_000_000, 0)).toBe("uploading 100 %  5.0 of 5.0 MB");
  });
});
