// The page's test data: a store with a snapshot with rules after the data set's first one, and its
// build's viewers.
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { NOW, STEP_MS, dataset, kst } from "../harness/dataset.mjs";
import { HERE, made } from "../harness/made.mjs";

const DAY_MS = 24 * 60 * 60 * 1000;
// Food is boosted, so that a rule marks something. The experiment has no viewers unless a preview
// chooses it: other tests see no difference.
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
/** Invalid rows, for the page on quality. */
const BAD = ["GS샵,,2026-11-20T10:00:00+09:00", "GS샵,무쇠솥,soon", "CJ온스타일,무쇠솥,soon"].map((row, number) => `bad-${number},${row}`);

/**
 * Copies the tables into `folder`, and adds a file of rows to broadcasts; a single file becomes a
 * folder.
 */
function prepare(folder, tables, rules, rows) {
  writeFileSync(join(folder, "rules.toml"), rules);
  cpSync(tables, join(folder, "tables"), { recursive: true, filter: (path) => !path.includes("/truth") });
  const broadcasts = join(folder, "tables/broadcasts");
  if (!existsSync(broadcasts)) {
    const [file] = readdirSync(join(folder, "tables")).filter((name) => name.startsWith("broadcasts."));
    mkdirSync(broadcasts);
    renameSync(join(folder, "tables", file), join(broadcasts, file));
  }
  writeFileSync(join(broadcasts, "damaged.csv"), ["listing_id,shop,title,starts_at", ...rows, ""].join("\n"));
}

/** @returns {Promise<{state: string, viewers: string}>} a store to be copied, and a file */
export async function data() {
  const { tables, first } = await dataset();
  const build = ["build", "--input", `${HERE}/tables`, "--rules", `${HERE}/rules.toml`, "--viewers", join(tables, "viewers.json"), "--output", `${HERE}/snapshot`];
  const steps = [
    prepare,
    // A snapshot of the day before, which the next build evaluates.
    [...build, "--now", kst(NOW - DAY_MS)],
    [...build, "--now", kst(NOW + STEP_MS)],
    // In turn, so that the live snapshot names its predecessor; forced, because both are in the
    // past.
    ["publish", first, "--local", `${HERE}/state`, "--force"],
    ["publish", `${HERE}/snapshot`, "--local", `${HERE}/state`, "--force"],
    (folder) => rmSync(join(folder, "tables"), { recursive: true }),
  ];
  const folder = await made(steps, tables, RULES, BAD);
  return { state: join(folder, "state"), viewers: join(folder, "snapshot.viewers.json") };
}
