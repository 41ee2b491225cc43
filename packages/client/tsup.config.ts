import { base } from "../../tsup.base.ts";

export default base({ entry: ["src/index.ts", "src/operator.ts", "src/protocol.ts"] });
