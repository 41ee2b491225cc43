// A caller's token minted, used once, and revoked: what the daemon asks of the vault for it.
export { vaultSubject as subject } from "../vault-subject.mjs";

const id = "tok_0123456789abcdef";
const record = (more) => ({ digest: "CANARY-7f3a9c", uses: 3, revokedAtMs: null, ...more });

export const scenario = () => ({
  setup: (world) => world.change((tx) => tx.putDocument("token", "tok_other", record())),
  steps: [
    {
      name: "mint",
      run: (world) =>
        world.change((tx) => tx.putDocument("token", id, record(), { expectedRevision: null })),
    },
    {
      name: "use",
      run: (world) =>
        world.change(async (tx) => {
          const spent = (await tx.getDocument("state", `token:${id}`))?.value.uses ?? 0;
          await tx.putDocument("state", `token:${id}`, { uses: spent + 1 });
        }),
    },
    {
      name: "revoke",
      run: (world) =>
        world.change(async (tx) => {
          await tx.putDocument("token", id, record({ revokedAtMs: 1 }));
          await tx.deleteDocument("state", `token:${id}`);
        }),
    },
  ],
});
