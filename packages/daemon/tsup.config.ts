import { base } from "../../tsup.base.ts";

export default base({
  entry: { index: "src/index.ts", main: "src/main.ts", names: "src/names/main.ts" },
  // Optional and native: found at run time, or not.
  external: ["koffi", "@github/keytar"],
});
