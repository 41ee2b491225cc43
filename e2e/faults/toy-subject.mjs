// A subject small enough to be known through and through: one JSON file, written in several ways of
// which only one is right. It shows that the harness finds what it is there to find.
import fs from "node:fs";
import fsp from "node:fs/promises";
import path from "node:path";

const file = (root) => path.join(root, "state.json");
const body = (value) => JSON.stringify({ value, pad: "x".repeat(6000), whole: true });

function sync(where) {
  const handle = fs.openSync(where, "r");
  fs.fsyncSync(handle);
  fs.closeSync(handle);
}

let pending = Promise.resolve();

/** The ways to write, by name; `finds` says which kinds of fault must show that a way is wrong. */
export const writers = {
  naive: {
    finds: ["kill", "power"],
    write: (root, value) => fs.writeFileSync(file(root), body(value), { mode: 0o600 }),
  },
  "rename without fsync": {
    finds: ["power"],
    write(root, value) {
      fs.writeFileSync(`${file(root)}.new`, body(value), { mode: 0o600 });
      fs.renameSync(`${file(root)}.new`, file(root));
    },
  },
  "fsync after rename": {
    finds: ["power"],
    write(root, value) {
      fs.writeFileSync(`${file(root)}.new`, body(value), { mode: 0o600 });
      fs.renameSync(`${file(root)}.new`, file(root));
      sync(file(root));
      sync(root);
    },
  },
  "no directory fsync": {
    finds: ["power"],
    write(root, value) {
      fs.writeFileSync(`${file(root)}.new`, body(value), { mode: 0o600, flush: true });
      fs.renameSync(`${file(root)}.new`, file(root));
    },
  },
  "failed fsync tried again": {
    finds: ["refused"],
    write(root, value) {
      const handle = fs.openSync(`${file(root)}.new`, "w", 0o600);
      fs.writeFileSync(handle, body(value));
      try {
        fs.fsyncSync(handle);
      } catch {
        fs.fsyncSync(handle);
      }
      fs.closeSync(handle);
      fs.renameSync(`${file(root)}.new`, file(root));
      sync(root);
    },
  },
  "acknowledged early": {
    finds: ["kill", "power"],
    write(root, value) {
      pending = pending.then(() => writers.careful.write(root, value));
      pending.catch(() => {});
    },
    settle: () => pending.catch(() => {}),
  },
  "careful without threads": {
    finds: [],
    write(root, value) {
      const handle = fs.openSync(`${file(root)}.new`, "w", 0o600);
      fs.writeFileSync(handle, body(value));
      fs.fsyncSync(handle);
      fs.closeSync(handle);
      fs.renameSync(`${file(root)}.new`, file(root));
      sync(root);
    },
  },
  careful: {
    finds: [],
    async write(root, value) {
      const handle = await fsp.open(`${file(root)}.new`, "w", 0o600);
      await handle.writeFile(body(value));
      await handle.sync();
      await handle.close();
      await fsp.rename(`${file(root)}.new`, file(root));
      const directory = await fsp.open(root, "r");
      await directory.sync();
      await directory.close();
    },
  },
};

const named = (error) => Object.assign(error, { name: "VaultError" });

export const toySubject = {
  async create(root) {
    await writers.careful.write(root, 0);
  },
  async start(root, scenario) {
    return { root, writer: writers[scenario.writer] };
  },
  async stop(world) {
    await world.writer.settle?.();
  },
  async describe({ root, writer }) {
    await writer.settle?.();
    try {
      const { value, whole } = JSON.parse(fs.readFileSync(file(root), "utf8"));
      return { value, whole };
    } catch (error) {
      throw named(error);
    }
  },
  async recover(root) {
    fs.rmSync(`${file(root)}.new`, { force: true });
  },
  async judge(root, _scenario, verdict) {
    await this.recover(root);
    verdict.found(await this.describe({ root, writer: {} }));
  },
};

/** The steps: three values, one after the other. */
export function toySteps() {
  return [1, 2, 3].map((value) => ({
    name: `write ${value}`,
    async run({ root, writer }) {
      try {
        await writer.write(root, value);
      } catch (error) {
        throw named(error);
      }
    },
  }));
}
