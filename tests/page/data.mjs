// What the page is tested on: a store in which a snapshot with rules stands behind the first one of the data set, and what its build tells of viewers.
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { NOW, STEP_MS, dataset, kst } from "../harness/dataset.mjs";
import { HERE, made } from "../harness/made.mjs";

const DAY_MS = 24 * 60 * 60 * 1000;
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
/** Rows that can't be used, for the page of quality. */
const BAD = ["GS샵,,2026-11-20T10:00:00+09:00", "GS샵,무쇠솥,soon", "CJ온스타일,무쇠솥,soon"].map((row, number) => `bad-${number},${row}`);

/** Copies the tables into `folder`, with a file of rows more in that of broadcasts, which becomes a folder where it is one file. */
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
    // One of the day before, to be judged by the next.
    [...build, "--now", kst(NOW - DAY_MS)],
    [...build, "--now", kst(NOW + STEP_MS)],
    // One after the other, so that the live snapshot knows the one before it; forced, for both are over by now.
    ["publish", first, "--local", `${HERE}/state`, "--force"],
    ["publish", `${HERE}/snapshot`, "--local", `${HERE}/state`, "--force"],
    (folder) => rmSync(join(folder, "tables"), { recursive: true }),
  ];
  const folder = await made(steps, tables, RULES, BAD);
  return { state: join(folder, "state"), viewers: join(folder, "snapshot.viewers.json") };
}
