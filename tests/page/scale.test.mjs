// The trial at five hundred items, before a Worker of its own: young records call nearly everything new.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { NOW, ROOT, kst, sinsang } from "../harness/dataset.mjs";
import { Edge, PREVIEW_SECRET } from "../harness/edge.mjs";
import { launch, open } from "./browser.mjs";

const ITEMS = 500;
/** What takes longer is felt as slow. */
const INTERACTION_MS = 100;
const TURNS = 15;

let folder;
let edge;
let browser;
let viewers;

before(async () => {
  await mkdir(join(ROOT, ".cache/test"), { recursive: true });
  folder = await mkdtemp(join(ROOT, ".cache/test/scale."));
  const tables = join(folder, "tables");
  await sinsang("generate", "--quick", "--days", "3", "--seed", "7", "--now", kst(NOW), "--out", tables);
  await writeFile(join(folder, "rules.toml"), "[verdict]\nmin_history_days = 0\ncensored_reviews = 1000000\n");
  const snapshot = join(folder, "snapshot");
  await sinsang("build", "--input", tables, "--output", snapshot, "--now", kst(NOW), "--rules", join(folder, "rules.toml"));
  viewers = JSON.parse(await readFile(join(tables, "viewers.json"), "utf8")).viewers;
  edge = await Edge.start({ snapshot });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await edge?.stop();
  await rm(folder, { recursive: true, force: true });
});

test("a weight that is moved shows within a tenth of a second at 500 items", async (t) => {
  const query = new URLSearchParams({ tool: "trial", viewer: viewers[0].user_id });
  const { page, close } = await open(browser, edge.url.origin, `/?${query}#preview=${encodeURIComponent(PREVIEW_SECRET)}`);
  await page.locator(".trial-list li").first().waitFor();
  const times = await page.evaluate(async (turns) => {
    const slider = document.querySelector('#weight-soon[type="range"]');
    const taken = [];
    for (let turn = 0; turn < turns; turn += 1) {
      await new Promise((done) => setTimeout(done, 50));
      const beganMs = performance.now();
      slider.value = String(30 + turn);
      slider.dispatchEvent(new Event("input", { bubbles: true }));
      // The tool's part is done after its promises; layout is asked for, so that it counts too.
      await new Promise((done) => setTimeout(done));
      document.body.getBoundingClientRect();
      taken.push(performance.now() - beganMs);
    }
    const { items, ms } = document.querySelector(".hint[data-items]").dataset;
    return { taken: taken.toSorted((a, b) => a - b), items: Number(items), ms: Number(ms) };
  }, TURNS);
  const middle = times.taken[Math.floor(TURNS / 2)];
  t.diagnostic(`${times.items} items: middle ${middle.toFixed(1)} ms, slowest ${times.taken.at(-1).toFixed(1)} ms`);
  assert.equal(times.items, ITEMS);
  assert.ok(middle < INTERACTION_MS, JSON.stringify(times));
  await close();
});
