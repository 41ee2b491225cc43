// Loaded before the daemon with `node --import`: the audit log then stays in memory from here on, and
// everything else of the daemon is as it is. Only a benchmark has a use for that.
import { FileStore } from "@aivault/vault-core/node";

const { listLogs, readLog, readMark } = FileStore.prototype;
const marks = new Map();
/** What the log held before; filled in when it is first asked for. */
let logs = null;

FileStore.prototype.listLogs = async function () {
  if (logs === null) {
    logs = new Map();
    for (const { name, size } of await listLogs.call(this)) {
      logs.set(name, { size, parts: [await readLog.call(this, name, 0, size)] });
    }
  }
  const all = [...logs].map(([name, { size }]) => ({ name, size }));
  return all.sort((a, b) => (a.name < b.name ? -1 : 1));
};
FileStore.prototype.readLog = async (name, offset, length) =>
  Buffer.concat(logs?.get(name)?.parts ?? []).subarray(offset, offset + length);
FileStore.prototype.appendLog = (name, _offset, bytes) => {
  const log = logs?.get(name) ?? { size: 0, parts: [] };
  logs?.set(name, log);
  log.parts.push(Buffer.from(bytes));
  log.size += bytes.length;
};
FileStore.prototype.syncedLogBytes = (name) => logs?.get(name)?.size ?? 0;
FileStore.prototype.syncLogs = async () => {};
FileStore.prototype.writeMark = (name, bytes) => {
  marks.set(name, Buffer.from(bytes));
};
FileStore.prototype.readMark = async function (name) {
  const mark = marks.get(name);
  return mark === undefined ? readMark.call(this, name) : [mark];
};
