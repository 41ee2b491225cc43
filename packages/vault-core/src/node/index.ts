export { systemArgon2id } from "./argon2id.ts";
export {
  createBackupFile,
  type OverwriteOption,
  restoreBackupFile,
  verifyBackupFile,
} from "./backup-file.ts";
export { FileStore, type FileStoreOptions, openFileStore } from "./file-store.ts";
export { environmentKeyProvider, fileKeyProvider } from "./key-file.ts";
export { systemRandom } from "./random.ts";
