// An access token renewed: the lease that keeps others from asking, and then, as one change, the new
// refresh token, the access token and the end of the lease. A provider takes a refresh token once, so
// that half of this would lock the credential out for good.
import { value } from "../vault-subject.mjs";

export { vaultSubject as subject } from "../vault-subject.mjs";

const lease = "oauth-lease:mail";
const token = (valueVersion) => ({ accessToken: "CANARY-7f3a9c", valueVersion });

export const scenario = () => ({
  async setup(world) {
    await world.change((tx) => tx.createSecret({ name: "A_GRANT", value: value("refresh one") }));
    await world.change((tx) => tx.putDocument("state", "oauth:mail", token(1)));
  },
  steps: [
    {
      name: "take the lease",
      run: (world) =>
        world.change((tx) => tx.putDocument("state", lease, { holder: "me", beat: 0 })),
    },
    {
      name: "write back",
      run: async (world) => {
        const id = await world.find("A_GRANT");
        await world.change(async (tx) => {
          const { valueVersion } = await tx.rotateSecret(id, value("refresh two"));
          await tx.putDocument("state", "oauth:mail", token(valueVersion));
          await tx.deleteDocument("state", lease);
          await world.vault.audit.append({ kind: "oauth.renewed", credential: "mail" });
        });
      },
    },
  ],
});
