// Runs schemathesis against the served OpenAPI document: node scripts/schemathesis.mjs COMMAND
// [EXAMPLES]
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { dataset } from "../tests/harness/dataset.mjs";
import { Edge } from "../tests/harness/edge.mjs";

const [command, examples = "100"] = process.argv.slice(2);
if (!command) {
  console.error("usage: node scripts/schemathesis.mjs COMMAND [EXAMPLES]");
  process.exit(2);
}
const data = await dataset();
const edge = await Edge.start({ snapshot: data.first });
let status = 1;
try {
  const document = new URL("/openapi.json", edge.url).href;
  const config = fileURLToPath(new URL("../schemathesis.toml", import.meta.url));
  const args = ["--config-file", config, "run", document, "--url", edge.url.origin, "--max-examples", examples, "--seed", "1", "--workers", "2", "--request-timeout", "20"];
  const run = spawn(command, args, { stdio: "inherit", cwd: new URL("../.cache/test", import.meta.url) });
  status = await new Promise((done, fail) => {
    run.on("error", fail);
    run.on("close", (code) => done(code ?? 1));
  });
} finally {
  await edge.stop();
}
process.exit(status);
