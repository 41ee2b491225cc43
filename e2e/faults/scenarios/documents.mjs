// Credentials, capabilities and policies: made, replaced, removed.
export { vaultSubject as subject } from "../vault-subject.mjs";

const put = (kind, id, note, expectedRevision) => ({
  name: `put ${kind} ${id}`,
  run: (world) =>
    world.change((tx) =>
      tx.putDocument(
        kind,
        id,
        { note: `CANARY-7f3a9c ${note}`, list: [1, 2, 3] },
        { expectedRevision },
      ),
    ),
});

export const scenario = () => ({
  setup: (world) => put("credential", "openai", "before", null).run(world),
  steps: [
    put("capability", "openai-chat", "new", null),
    put("credential", "openai", "after"),
    put("policy", "default", "new", null),
    {
      name: "delete credential",
      run: (world) => world.change((tx) => tx.deleteDocument("credential", "openai")),
    },
  ],
});
