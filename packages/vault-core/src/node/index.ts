import { randomBytes } from "node:crypto";
import type { RandomBytes } from "../bytes.ts";
import type { KeyProvider } from "../key-provider.ts";
import type { Store } from "../store.ts";

const pending = (): never => {
  throw new Error("not built yet");
};

/** The operating system's random generator. */
export const systemRandom: RandomBytes = (length) => new Uint8Array(randomBytes(length));

export function openFileStore(
  _directory: string,
  _options?: { readonly readOnly?: boolean },
): Promise<Store> {
  return pending();
}
export function fileKeyProvider(_path: string): KeyProvider {
  return pending();
}
export function environmentKeyProvider(
  _variable: string,
  _environment: Readonly<Record<string, string | undefined>>,
): KeyProvider {
  return pending();
}
