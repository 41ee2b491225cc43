import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const repository = join(dirname(fileURLToPath(import.meta.url)), "../../..");

/**
 * Published test vectors, which are other people's and therefore not in this repository.
 *
 * @returns The parsed file, or null after saying so when the folder is not there.
 */
export function readVectors<T>(name: string): T | null {
  const folder = process.env["AIVAULT_VECTORS"] ?? join(repository, "../shared/vectors");
  const path = join(folder, name);
  if (!existsSync(path)) {
    process.stderr.write(
      `vectors: ${path} is absent, its cases are NOT run (set AIVAULT_VECTORS)\n`,
    );
    return null;
  }
  return JSON.parse(readFileSync(path, "utf8")) as T;
}
