// Serves the built Worker and the page, and runs the page's tests: node scripts/test-page.mjs
// FILE...
import { spawn } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { NOW, ROOT } from "../tests/harness/dataset.mjs";
import { Edge, PREVIEW_SECRET } from "../tests/harness/edge.mjs";
import { data } from "../tests/page/data.mjs";

const files = process.argv.slice(2);
if (files.length === 0) {
  console.error("usage: node scripts/test-page.mjs tests/page/*.test.mjs");
  process.exit(2);
}

const { state: published, viewers } = await data();
// A copy of the page with the tests' viewers: www/demo/ belongs to `make run`, which may be
// running.
const assets = mkdtempSync(join(ROOT, ".cache/test/www."));
cpSync(join(ROOT, "www"), assets, { recursive: true, filter: (path) => !path.endsWith("/www/demo") });
mkdirSync(join(assets, "demo"));
copyFileSync(viewers, join(assets, "demo/viewers.json"));
const state = mkdtempSync(join(ROOT, ".cache/test/state."));
cpSync(published, state, { recursive: true });

let status = 1;
// A machine that is busy with other suites reads slowly; that is not a store's failure.
const edge = await Edge.start({ state, assets, bindings: { READ_LIMIT_MS: "20000" } });
try {
  const only = process.env.ONLY ? [`--test-name-pattern=${process.env.ONLY}`] : [];
  const tests = spawn(process.execPath, ["--test", "--test-reporter=spec", "--test-concurrency=1", ...only, ...files], {
    cwd: ROOT,
    stdio: "inherit",
    env: { ...process.env, SINSANG_URL: edge.url.origin, SINSANG_PREVIEW: PREVIEW_SECRET, SINSANG_NOW: String(NOW) },
  });
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => tests.kill(signal));
  status = await new Promise((done, fail) => {
    tests.on("error", fail);
    tests.on("close", (code) => done(code ?? 1));
  });
} finally {
  await edge.stop();
  for (const folder of [assets, state]) rmSync(folder, { recursive: true, force: true });
}
process.exit(status);
