// Fifty secrets imported as one change.
import { value } from "../vault-subject.mjs";

export { vaultSubject as subject } from "../vault-subject.mjs";

export const scenario = (count = "50") => ({
  steps: [
    {
      name: "import",
      run: (world) =>
        world.change(async (tx) => {
          for (let i = 0; i < (Number(count) || 50); i++) {
            await tx.createSecret({ name: `IMPORTED_${i}`, value: value(`imported ${i}`) });
          }
        }),
    },
  ],
});
