import { base } from "../../tsup.base.ts";

export default base({
  entry: ["src/index.ts", "src/main.ts"],
  // Optional and native: found at run time, or not.
  external: ["koffi", "@github/keytar"],
});
