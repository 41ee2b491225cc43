// registry:new <id>: writes providers/<id>.json to be filled in. It names what is missing by failing
// registry:check until it is there.

import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { providersDirectory } from "./definitions.mjs";

const [id, directory = providersDirectory] = process.argv.slice(2);
if (id === undefined || !/^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(id)) {
  console.error("usage: registry:new <id>, in lower-case words joined by hyphens");
  process.exit(2);
}
const file = join(directory, `${id}.json`);
if (existsSync(file)) {
  console.error(`${id}: there is a definition already`);
  process.exit(1);
}
const variable = `${id.toUpperCase().replaceAll("-", "_")}_API_KEY`;
const definition = {
  id,
  name: "",
  category: "",
  docsUrl: "https://",
  checked: new Date().toISOString().slice(0, 10),
  secrets: [
    {
      name: /^[A-Z]/.test(variable) ? variable : `KEY_${variable}`,
      placeholder: "secret",
      description: "API key.",
      pattern: "",
      example: "",
    },
  ],
  auth: { strategy: "header", name: "Authorization", template: "Bearer {{secret}}" },
  hosts: [""],
  capabilities: [
    {
      id: `${id}/things-read`,
      description: "",
      host: "",
      risk: "read",
      rules: [{ methods: ["GET"], match: "prefix", path: "" }],
    },
  ],
  verify: { capability: `${id}/things-read`, method: "GET", path: "" },
};
writeFileSync(file, `${JSON.stringify(definition, null, 2)}\n`);
console.log(`wrote ${file}: fill it in from the provider's documentation, then run registry:check`);
