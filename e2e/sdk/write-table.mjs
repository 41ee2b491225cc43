// @ts-check
// Writes docs/sdks.md. The suite compares.
import { writeFileSync } from "node:fs";
import { sdksPage } from "./table.mjs";

writeFileSync(new URL("../../docs/sdks.md", import.meta.url), sdksPage());
