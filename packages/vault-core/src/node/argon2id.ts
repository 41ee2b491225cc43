import * as crypto from "node:crypto";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { KEY_BYTES } from "../aead.ts";
import { wipe } from "../bytes.ts";
import { type Argon2id, portableArgon2id } from "../passphrase.ts";

/** crypto.argon2, which Node has from 24.7 on; its options are those of RFC 9106. */
type NativeArgon2 = (
  algorithm: "argon2id",
  parameters: {
    readonly message: Uint8Array;
    readonly nonce: Uint8Array;
    readonly parallelism: number;
    readonly tagLength: number;
    readonly memory: number;
    readonly passes: number;
  },
  callback: (error: Error | null, derived: Uint8Array) => void,
) => void;

const native: NativeArgon2 | undefined = Reflect.get(crypto, "argon2");

// The worker has no file of its own, because a bundler would have to be told of it; it imports the
// same implementation that the portable form uses.
const WORKER = `
  const { parentPort, workerData } = require("node:worker_threads");
  const { module, passphrase, salt, memoryKib, passes, lanes, length } = workerData;
  import(module).then(({ argon2id }) => {
    const costs = { m: memoryKib, t: passes, p: lanes, dkLen: length, maxmem: 2 ** 32 - 1 };
    const key = argon2id(passphrase, salt, costs);
    passphrase.fill(0);
    parentPort.postMessage(key);
    key.fill(0);
  });
`;

/**
 * Argon2id (RFC 9106) that leaves the event loop free: by Node's own implementation where it has
 * one, else in a worker thread, else in slices between other work.
 *
 * G23: the worker gets a copy of the passphrase and wipes it; its memory is freed when it ends,
 * which is not the same as wiping it.
 */
export const systemArgon2id: Argon2id = async (passphrase, salt, costs) => {
  if (native !== undefined) return deriveNatively(native, passphrase, salt, costs);
  const module = implementation();
  return module === null
    ? portableArgon2id(passphrase, salt, costs)
    : deriveInWorker(module, passphrase, salt, costs);
};

function deriveNatively(argon2: NativeArgon2, ...[passphrase, salt, costs]: Parameters<Argon2id>) {
  return new Promise<Uint8Array>((resolve, reject) => {
    const parameters = {
      message: passphrase,
      nonce: salt,
      parallelism: costs.lanes,
      tagLength: KEY_BYTES,
      memory: costs.memoryKib,
      passes: costs.passes,
    };
    argon2("argon2id", parameters, (error, derived) => {
      if (error !== null) return reject(error);
      resolve(new Uint8Array(derived));
      wipe(derived);
    });
  });
}

/** Where the portable implementation is; null in a bundle that holds it itself. */
function implementation(): string | null {
  try {
    const path = createRequire(import.meta.url).resolve("@noble/hashes/argon2.js");
    return pathToFileURL(path).href;
  } catch {
    return null;
  }
}

function deriveInWorker(module: string, ...[passphrase, salt, costs]: Parameters<Argon2id>) {
  const { memoryKib, passes, lanes } = costs;
  // Not `slice`: that of a Buffer is a view of memory that it shares with other Buffers, all of which
  // would be sent to the worker, and wiped is what the caller still needs.
  const copy = Uint8Array.from(passphrase);
  // Nothing from this process's environment or options: they may hold what a worker need not see.
  const worker = new Worker(WORKER, {
    eval: true,
    env: {},
    argv: [],
    execArgv: [],
    workerData: {
      module,
      passphrase: copy,
      salt: Uint8Array.from(salt),
      memoryKib,
      passes,
      lanes,
      length: KEY_BYTES,
    },
  });
  wipe(copy);
  return new Promise<Uint8Array>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
    worker.once("exit", (status) => reject(new Error(`the Argon2id worker ended with ${status}`)));
  });
}
