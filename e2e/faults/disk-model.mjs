// What a disk may hold after a power cut, worked out from the record of a process's calls.
//
// A kill leaves every call that was made. A power cut does not: the bytes of a file are only there
// once the file was synced, and a name (created, renamed, linked, removed) only once its directory
// was. Between those, the system may have written any part, in any order. The model keeps for each
// file the synced bytes and the writes since, for each directory the synced names and the changes
// since, and lists for a cut after any call the states worth judging: nothing unsynced is there,
// all of it, the names without the bytes (a file of length zero, of zeros, half of one), the bytes
// without the names, the changes of names up to each point, each one alone, all but each one, and
// some chosen by a seeded generator.
//
// It is stricter than ext4, where syncing a new file also syncs its name: POSIX does not promise
// it. It has no bit rot and no sector that holds neither old nor new bytes; see damage.mjs.
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";

const UMASK = 0o022;

/** Read a directory into `{ path: { directory, mode, bytes } }`, paths relative, parents first. */
export function readTree(root) {
  const tree = new Map();
  const walk = (relative) => {
    const full = path.join(root, relative);
    for (const entry of fs.readdirSync(full, { withFileTypes: true })) {
      const name = path.join(relative, entry.name);
      const mode = fs.statSync(path.join(root, name)).mode & 0o7777;
      if (entry.isDirectory()) {
        tree.set(name, { directory: true, mode });
        walk(name);
      } else {
        tree.set(name, { directory: false, mode, bytes: fs.readFileSync(path.join(root, name)) });
      }
    }
  };
  walk("");
  return tree;
}

/** Write a tree into `root`, which is emptied first. */
export function writeTree(root, tree) {
  fs.rmSync(root, { recursive: true, force: true });
  fs.mkdirSync(root, { recursive: true, mode: 0o700 });
  for (const [name, node] of tree) {
    const target = path.join(root, name);
    if (node.directory) fs.mkdirSync(target, { mode: 0o700 });
    else fs.writeFileSync(target, node.bytes);
    fs.chmodSync(target, node.mode);
  }
}

/** A digest of a tree: names, modes and bytes. */
export function digestTree(tree) {
  const hash = createHash("sha256");
  for (const [name, node] of [...tree].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${name}\0${node.directory}\0${node.mode}\0${node.bytes?.length ?? 0}\0`);
    if (node.bytes) hash.update(node.bytes);
  }
  return hash.digest("hex");
}

function newDirectory(mode) {
  return { directory: true, mode, synced: new Map(), pending: [] };
}

function newFile(mode, bytes) {
  return { directory: false, mode, synced: bytes, pending: [] };
}

function applyNames(names, changes) {
  for (const change of changes) {
    for (const [name, node] of change.set) names.set(name, node);
    for (const name of change.remove) names.delete(name);
  }
  return names;
}

function applyWrites(bytes, writes) {
  let result = bytes;
  for (const write of writes) {
    if (write.length !== undefined) {
      const next = Buffer.alloc(write.length);
      result.copy(next, 0, 0, Math.min(write.length, result.length));
      result = next;
    } else {
      const end = write.offset + write.data.length;
      const next = Buffer.alloc(Math.max(end, result.length));
      result.copy(next);
      write.data.copy(next, write.offset);
      result = next;
    }
  }
  return result;
}

/** The disk: what is synced, and what was changed since. */
export class DiskModel {
  #root = newDirectory(0o700);
  #rootPath;
  #sequence = 0;

  /** @param tree - What `rootPath` holds at the start, all of it synced; see {@link readTree}. */
  constructor(rootPath, tree) {
    this.#rootPath = rootPath;
    for (const [name, node] of tree) {
      const parent = this.#find(path.dirname(path.join(rootPath, name)));
      parent.synced.set(
        path.basename(name),
        node.directory ? newDirectory(node.mode) : newFile(node.mode, node.bytes),
      );
    }
  }

  /** Apply one recorded call. Calls that failed changed nothing, a failed fsync excepted. */
  apply(call) {
    if (call.op === "ack" || call.op === "end") return;
    if (call.result < 0) {
      // The system reports once that it could not write bytes, and then forgets them: a later fsync
      // that succeeds says nothing about them.
      if (call.op === "fsync") {
        for (const write of this.#find(call.path)?.pending ?? []) write.lost = true;
      }
      return;
    }
    switch (call.op) {
      case "open":
        if (call.second === "new") {
          this.#change(call.path, newFile(call.number & ~UMASK, Buffer.alloc(0)));
        } else if (call.second === "emptied") {
          this.#find(call.path)?.pending.push({ length: 0 });
        }
        return;
      case "write":
        this.#find(call.path)?.pending.push({
          offset: call.number,
          data: call.data.subarray(0, call.result),
        });
        return;
      case "truncate":
        this.#find(call.path)?.pending.push({ length: call.number });
        return;
      case "fsync": {
        const node = this.#find(call.path);
        // A file that was removed while open may be synced still; it is in no state.
        if (node?.directory) node.synced = applyNames(node.synced, node.pending);
        else if (node)
          node.synced = applyWrites(
            node.synced,
            node.pending.filter(({ lost }) => !lost),
          );
        if (node) node.pending = [];
        return;
      }
      case "rename": {
        const node = this.#find(call.path);
        if (!node) throw new Error(`the model lost ${call.path}`);
        this.#change(call.second, node, call.path);
        return;
      }
      case "link":
        this.#change(call.second, this.#find(call.path));
        return;
      case "unlink":
      case "rmdir":
        this.#change(null, null, call.path);
        return;
      case "mkdir":
        this.#change(call.path, newDirectory(call.number & 0o7777 & ~UMASK));
        return;
      case "chmod": {
        // Modes are taken as written at once: nothing here rests on the order of a chmod.
        const node = this.#find(call.path);
        if (node) node.mode = call.number & 0o7777;
        return;
      }
      default:
        throw new Error(`the power-cut model does not know the call ${call.op}`);
    }
  }

  /** The state in which every call made is there: what a kill leaves. */
  current() {
    return this.#materialise(
      () => true,
      (file) => applyWrites(file.synced, file.pending),
    );
  }

  /**
   * The states a power cut may leave now, by label.
   *
   * @param random - Numbers in [0, 1); a seeded generator, so that a run can be repeated.
   */
  *states(random, { samples = 3, perChange = 12 } = {}) {
    const [directories, files] = this.#dirty();
    const changes = [
      ...new Set(directories.flatMap((directory) => directory.pending.map(({ at }) => at))),
    ];
    const none = () => false;
    const all = () => true;
    const full = (file) => applyWrites(file.synced, file.pending);
    const lost = (file) => file.synced;
    const half = (file) => {
      const last = file.pending.at(-1);
      if (!last?.data) return applyWrites(file.synced, file.pending.slice(0, -1));
      const cut = { ...last, data: last.data.subarray(0, Math.floor(last.data.length / 2)) };
      return applyWrites(file.synced, [...file.pending.slice(0, -1), cut]);
    };
    const zeros = (file) => {
      const end = full(file);
      const bytes = Buffer.alloc(end.length);
      file.synced.copy(bytes, 0, 0, Math.min(file.synced.length, end.length));
      return bytes;
    };

    yield ["everything", this.current()];
    yield ["nothing unsynced", this.#materialise(none, lost)];
    yield ["names only", this.#materialise(all, lost)];
    yield ["bytes only", this.#materialise(none, full)];
    yield ["names and half the last bytes", this.#materialise(all, half)];
    yield ["names and lengths", this.#materialise(all, zeros)];
    for (const change of changes.slice(-perChange)) {
      yield [`names up to ${change}`, this.#materialise((at) => at <= change, full)];
      yield [`names up to ${change}, no bytes`, this.#materialise((at) => at <= change, lost)];
      yield [`only name ${change}`, this.#materialise((at) => at === change, full)];
      yield [`all but name ${change}`, this.#materialise((at) => at !== change, full)];
    }
    for (const [index, one] of files.slice(-perChange).entries()) {
      const only = (file) => (file === one ? full(file) : lost(file));
      const but = (file) => (file === one ? lost(file) : full(file));
      yield [`all names, bytes of file ${index} only`, this.#materialise(all, only)];
      const torn = (file) => (file === one ? half(file) : full(file));
      const zeroed = (file) => (file === one ? zeros(file) : full(file));
      yield [`all names, all bytes but file ${index}`, this.#materialise(all, but)];
      yield [`all names, file ${index} torn`, this.#materialise(all, torn)];
      yield [`all names, file ${index} zeros`, this.#materialise(all, zeroed)];
    }
    if (changes.length + files.length > 1) {
      for (let sample = 0; sample < samples; sample++) {
        const names = new Map(changes.map((at) => [at, random() < 0.5]));
        const pick = new Map(
          files.map((file) => [file, [full, lost, half][Math.floor(random() * 3)]]),
        );
        const bytes = (file) => (pick.get(file) ?? full)(file);
        yield [`sample ${sample}`, this.#materialise((at) => names.get(at) ?? true, bytes)];
      }
    }
  }

  // Every file and directory with something unsynced that is named now or was when last synced.
  #dirty() {
    const seen = new Set();
    const visit = (node) => {
      if (seen.has(node)) return;
      seen.add(node);
      if (!node.directory) return;
      for (const child of node.synced.values()) visit(child);
      for (const change of node.pending) for (const [, child] of change.set) visit(child);
    };
    visit(this.#root);
    const dirty = [...seen].filter((node) => node.pending.length > 0);
    return [dirty.filter((node) => node.directory), dirty.filter((node) => !node.directory)];
  }

  #materialise(nameIsThere, bytesOf) {
    const tree = new Map();
    const walk = (directory, relative) => {
      const kept = directory.pending.filter(({ at }) => nameIsThere(at));
      for (const [name, node] of applyNames(new Map(directory.synced), kept)) {
        const where = path.join(relative, name);
        if (node.directory) {
          tree.set(where, { directory: true, mode: node.mode });
          walk(node, where);
        } else {
          tree.set(where, { directory: false, mode: node.mode, bytes: bytesOf(node) });
        }
      }
    };
    walk(this.#root, "");
    return tree;
  }

  #names(directory) {
    return applyNames(new Map(directory.synced), directory.pending);
  }

  #find(where) {
    const relative = path.relative(this.#rootPath, where);
    if (relative === "") return this.#root;
    let node = this.#root;
    for (const name of relative.split(path.sep)) {
      node = node?.directory ? this.#names(node).get(name) : undefined;
    }
    return node;
  }

  // One change of names: `node` appears at `to`, and `from` goes. A rename inside one directory
  // is one change; between two it is one in each, kept or lost together.
  #change(to, node, from) {
    const at = ++this.#sequence;
    const target = to === null ? null : this.#find(path.dirname(to));
    const source = from === undefined ? null : this.#find(path.dirname(from));
    if (target && target === source) {
      const change = { at, set: [[path.basename(to), node]], remove: [path.basename(from)] };
      target.pending.push(change);
      return;
    }
    target?.pending.push({ at, set: [[path.basename(to), node]], remove: [] });
    source?.pending.push({ at, set: [], remove: [path.basename(from)] });
  }
}
