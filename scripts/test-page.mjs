// Serves the built Worker and the page for the tests of the page, and runs them: node scripts/test-page.mjs FILE...
import { spawn } from "node:child_process";
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { NOW, ROOT, STEP_MS, dataset, kst, sinsang } from "../tests/harness/dataset.mjs";
import { Edge, PREVIEW_SECRET } from "../tests/harness/edge.mjs";

const DAY_MS = 24 * 60 * 60 * 1000;
const files = process.argv.slice(2);
if (files.length === 0) {
  console.error("usage: node scripts/test-page.mjs tests/page/*.test.mjs");
  process.exit(2);
}

const data = await dataset();
// A copy of the page with the viewers of the tests: www/demo/ is that of a `make run` that may be going on.
mkdirSync(join(ROOT, ".cache/test"), { recursive: true });
const assets = mkdtempSync(join(ROOT, ".cache/test/www."));
cpSync(join(ROOT, "www"), assets, { recursive: true, filter: (path) => !path.endsWith("/www/demo") });
mkdirSync(join(assets, "demo"));

// Food is lifted, so that a rule has something to mark. An experiment that nobody is in unless it is chosen: all other tests see what they would without it.
const RULES = `
[[directive]]
name = "식품 대전"
do = "boost"
points = 100000
category = ["식품"]

[[experiment]]
id = "soon-first"
layer = "new order"
from = "2099-01-01T00:00:00+09:00"

[[experiment.variant]]
id = "control"

[[experiment.variant]]
id = "far"
ranking.new.soon = -4000
`;
const tried = mkdtempSync(join(ROOT, ".cache/test/tried."));
writeFileSync(join(tried, "rules.toml"), RULES);
const later = join(tried, "snapshot");
// Some rows that can't be used, and a snapshot of the day before to be judged, for the page of quality.
const tables = join(tried, "tables");
cpSync(data.tables, tables, { recursive: true, filter: (path) => !path.includes("/truth") });
const bad = ["GS샵,,2026-11-20T10:00:00+09:00", "GS샵,무쇠솥,soon", "CJ온스타일,무쇠솥,soon"].map((row, number) => `bad-${number},${row}`);
damage(tables, ["listing_id,shop,title,starts_at", ...bad, ""].join("\n"));
for (const now of [NOW - DAY_MS, NOW + STEP_MS]) {
  const build = ["--input", tables, "--rules", join(tried, "rules.toml"), "--viewers", join(data.tables, "viewers.json"), "--output", later];
  await sinsang("build", ...build, "--now", kst(now));
}
copyFileSync(join(tried, "snapshot.viewers.json"), join(assets, "demo/viewers.json"));

/** Adds a file of rows to the table of broadcasts, which becomes a folder where it is one file. */
function damage(folder, text) {
  const broadcasts = join(folder, "broadcasts");
  if (!existsSync(broadcasts)) {
    const [file] = readdirSync(folder).filter((name) => name.startsWith("broadcasts."));
    mkdirSync(broadcasts);
    renameSync(join(folder, file), join(broadcasts, file));
  }
  writeFileSync(join(broadcasts, "damaged.csv"), text);
}

// Published one after the other, so that the live snapshot knows the one before it.
const state = mkdtempSync(join(ROOT, ".cache/test/state."));
for (const snapshot of [data.first, later]) await sinsang("publish", snapshot, "--local", state);

let status = 1;
const edge = await Edge.start({ state, assets });
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
  for (const folder of [assets, state, tried]) rmSync(folder, { recursive: true, force: true });
}
process.exit(status);
