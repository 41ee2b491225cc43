import { lookup } from "node:dns";

/**
 * Finds every address of a name, as text. Rejects when the name has none or cannot be asked for; may take
 * as long as it likes, for whoever waits has a deadline of their own.
 */
export type LookUp = (host: string) => Promise<readonly string[]>;

const underWay = new Map<string, Promise<readonly string[]>>();

/**
 * Asks the system, so that its hosts file, search domains and other sources of names count.
 *
 * That takes one of a few threads of this process, which files need too, and cannot be called off: a name
 * that hangs holds its thread until the system gives up, and the process does not end before that. So one
 * name is asked for once at a time, however many wait for it. A long-running process brings a
 * {@link LookUp} of its own.
 */
export const systemLookUp: LookUp = (host) => {
  const known = underWay.get(host);
  if (known !== undefined) return known;
  const asked = new Promise<readonly string[]>((resolve, reject) => {
    lookup(host, { all: true }, (error, found) => {
      underWay.delete(host);
      if (error !== null) reject(error);
      else resolve(found.map(({ address }) => address));
    });
  });
  underWay.set(host, asked);
  return asked;
};
