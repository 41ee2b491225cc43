import { join } from "node:path";
import { encodeUtf8 } from "../../src/bytes.ts";
import { Vault } from "../../src/index.ts";
import { fileKeyProvider, openFileStore, systemRandom } from "../../src/node/index.ts";

// One lifecycle command in a process of its own, to be cut off at every system call. It prints
// `ACK` once the command has been acknowledged.

const [directory = "", command = ""] = process.argv.slice(2);
const keyProvider = fileKeyProvider(join(directory, "keys", "kek.key"));
const options = { random: systemRandom, now: Date.now };
const store = await openFileStore(join(directory, "vault"));
const vault =
  command === "init"
    ? await Vault.create({ store, keyProvider, ...options })
    : await Vault.open({ store, ...options });
if (command !== "init") await vault.unlock(keyProvider);

const idOf = async (name: string): Promise<string> => {
  const metadata = await vault.findSecret(name, { kind: "global" });
  if (metadata === null) throw new Error(`${name} is missing`);
  return metadata.secretId;
};

const commands: Record<string, () => Promise<unknown>> = {
  init: async () => {},
  create: () =>
    vault.transaction((tx) => tx.createSecret({ name: "NEW", value: encodeUtf8("new") })),
  update: async () => {
    const id = await idOf("K0");
    await vault.transaction((tx) =>
      tx.updateSecret(id, { aliases: ["ALIAS"], pinnedProvider: "p" }),
    );
  },
  rotate: async () => {
    const id = await idOf("K0");
    await vault.transaction((tx) => tx.rotateSecret(id, encodeUtf8("rotated")));
  },
  delete: async () => {
    const id = await idOf("K0");
    await vault.transaction((tx) => tx.deleteSecret(id));
  },
  attach: async () => {
    const id = await idOf("K0");
    await vault.transaction((tx) => tx.attachGroup(id, { workspaceId: "w", groupId: "g" }));
  },
  import: () =>
    vault.transaction(async (tx) => {
      for (let index = 0; index < 50; index += 1) {
        await tx.createSecret({ name: `I${index}`, value: encodeUtf8(`i${index}`) });
      }
    }),
  policy: () => vault.transaction((tx) => tx.putDocument("policy", "p", { after: true })),
  audit: () => vault.audit.append({ kind: "crash.acknowledged" }),
  "audit-disk": async () => {
    await vault.setAuditDurability("disk");
    await vault.audit.append({ kind: "crash.acknowledged" });
  },
  "rotate-master": () => vault.rotateMaster({ provider: keyProvider }),
};

await commands[command]?.();
process.stdout.write("ACK\n");
await vault.close();
process.stdout.write("CLOSED\n");
