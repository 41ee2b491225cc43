// A secret attached to groups and detached.
import { value } from "../vault-subject.mjs";

export { vaultSubject as subject } from "../vault-subject.mjs";

const group = (groupId) => ({ workspaceId: "work", groupId });

const step = (name, groupId) => ({
  name: `${name} ${groupId}`,
  run: async (world) => {
    const id = await world.find("A_KEY");
    await world.change((tx) => tx[`${name}Group`](id, group(groupId)));
  },
});

export const scenario = () => ({
  setup: (world) => world.change((tx) => tx.createSecret({ name: "A_KEY", value: value("one") })),
  steps: [step("attach", "g1"), step("attach", "g2"), step("detach", "g1")],
});
