// Checks generated clients: each has every operation, and a model of every object:
// node scripts/clients.mjs FOLDER...
import { readFileSync, readdirSync } from "node:fs";
import { basename, extname, join } from "node:path";
import { DOCUMENT, operations } from "../tests/openapi/document.mjs";

let status = 0;
for (const folder of process.argv.slice(2)) {
  const files = readdirSync(folder, { recursive: true }).filter((name) => [".kt", ".swift"].includes(extname(name)) && !/test/i.test(name));
  const sources = Object.fromEntries(files.map((name) => [basename(name, extname(name)), readFileSync(join(folder, name), "utf8")]));
  const all = Object.values(sources).join("\n");
  const missing = operations().map(({ operation }) => operation.operationId).filter((name) => !new RegExp(`fun[c]? ${name}\\(`).test(all));
  const objects = Object.entries(DOCUMENT.components.schemas).filter(([, schema]) => schema.properties ?? schema.allOf ?? schema.oneOf ?? schema.enum);
  missing.push(...objects.map(([name]) => name).filter((name) => sources[name] === undefined));
  console.log(`${folder}: ${operations().length} operations, ${objects.length} models${missing.length > 0 ? `, without ${missing.join(", ")}` : ""}`);
  if (missing.length > 0) status = 1;
}
process.exit(status);
