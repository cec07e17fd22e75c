// The data set of tests of complete requests: made by the built command, the same at every run.
import { writeFileSync } from "node:fs";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { HERE, made } from "./made.mjs";

export { ROOT, USER_KEY, sinsang } from "./made.mjs";

/** The build time of the first snapshot: a Friday noon in Korea. */
export const NOW = Date.parse("2026-11-20T12:00:00+09:00");
/**
 * The later snapshots come from the same tables, each built this much later, in the next pack
 * format. It is less than the permitted clock skew (CLOCK_LEEWAY_MS in crates/core/src/time.rs), so
 * that an edge whose clock shows NOW takes both.
 */
export const STEP_MS = 4 * 60 * 1000;

/** An instant in Korean time. */
export const kst = (ms) => new Date(ms + 9 * 3_600_000).toISOString().replace(/\.000Z$/, "+09:00").replace(/Z$/, "+09:00");

/** A folder of tables as of `now`. */
export async function tables(seed, now, ...more) {
  return join(await made([["generate", "--quick", "--seed", seed, "--now", kst(now), ...more, "--out", `${HERE}/tables`]]), "tables");
}

/** The snapshot folder of `tables` as of `now`. `rules` is the text of a rules file. */
export async function built(tables, now, { rules, more = [] } = {}) {
  const build = ["build", "--input", tables, "--output", `${HERE}/snapshot`, "--now", kst(now), ...more];
  if (rules === undefined) return join(await made([build]), "snapshot");
  const folder = await made([(folder, text) => writeFileSync(join(folder, "rules.toml"), text), [...build, "--rules", `${HERE}/rules.toml`]], rules);
  return join(folder, "snapshot");
}

/**
 * Two snapshots with enough users for leanings by province and device class: one with them, one of
 * the same tables without.
 */
export async function crowd() {
  const its = await tables("7", NOW, "--users", "1500");
  const told = await built(its, NOW);
  const plain = await built(its, NOW, { rules: "[taste]\nby_context = false\n" });
  return { told, plain };
}

export const FOOD = "식품";
/** Food stands before the rest in Seoul, and an experiment is for newcomers. */
const AUDIENCE_RULES = `
[taste]
by_context = false

[[audience]]
name = "seoul"
region = ["11"]

[[audience]]
name = "first-visits"
newcomer = true

[[directive]]
name = "서울 식품"
do = "boost"
points = 90000000
category = ["${FOOD}"]
on = ["new", "live"]
for = ["seoul"]

[mix]
category = 0

[[experiment]]
id = "hello"
layer = "a layer"
for = ["first-visits"]
[[experiment.variant]]
id = "a"
[[experiment.variant]]
id = "b"
`;

/** A snapshot with rules for audiences: of a province, and of newcomers. */
export async function forAudiences() {
  return built(await tables("7", NOW), NOW, { rules: AUDIENCE_RULES });
}

/**
 * The tables and two snapshots of them, one built at NOW, the other STEP_MS later.
 * @returns {Promise<{tables: string, first: string, second: string, viewers: {user_id: string, label: string}[]}>} folders and users
 */
export async function dataset() {
  const its = await tables("7", NOW);
  const first = await built(its, NOW, { more: ["--pack-format", "1"] });
  const second = await built(its, NOW + STEP_MS, { more: ["--pack-format", "2"] });
  const { viewers } = JSON.parse(await readFile(join(its, "viewers.json"), "utf8"));
  return { tables: its, first, second, viewers };
}

/** The pairs of a snapshot folder as KV holds them: key to bytes. */
export async function pairs(snapshot) {
  const found = new Map([["manifest", await readFile(join(snapshot, "manifest"))]]);
  for (const name of await readdir(join(snapshot, "pack"))) found.set(`pack/${name}`, await readFile(join(snapshot, "pack", name)));
  return found;
}
