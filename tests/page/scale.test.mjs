// The trial with five hundred items, on a separate Worker: with a short history, nearly everything
// counts as new.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { NOW, built, tables } from "../harness/dataset.mjs";
import { Edge, PREVIEW_SECRET } from "../harness/edge.mjs";
import { launch, open } from "./browser.mjs";

const ITEMS = 500;
const ROUNDS = 5;
const TURNS = 6;
/**
 * Maximum nodes drawn by a move: twenty rows and twenty cards have some thousand, all rows would
 * have ten thousand and more.
 */
const MOST_NODES = 2000;
/**
 * Maximum layout and style passes of a move: code that alternates between reading sizes and writing
 * needs one for each item.
 */
const MOST_PASSES = 2;
/**
 * Maximum CPU time of a move, as a multiple of ordering all items and reading the order: about
 * twice the measured value.
 */
const MOST_ORDERS = 13;

let edge;
let browser;
let viewers;

before(async () => {
  const its = await tables("7", NOW, "--days", "3");
  const snapshot = await built(its, NOW, { rules: "[verdict]\nmin_history_days = 0\ncensored_reviews = 1000000\n" });
  viewers = JSON.parse(await readFile(join(its, "viewers.json"), "utf8")).viewers;
  edge = await Edge.start({ snapshot });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await edge?.stop();
});

test("a weight that is moved costs no more than it must at 500 items", async (t) => {
  const query = new URLSearchParams({ tool: "trial", viewer: viewers[0].user_id });
  const { page, requests, close } = await open(browser, edge.url.origin, `/?${query}#preview=${encodeURIComponent(PREVIEW_SECRET)}`);
  await page.locator(".trial-list li").first().waitFor();
  await page.locator("#new-items .draggable").waitFor();
  await page.evaluate(async (secret) => {
    const { Local } = await import("/page/local.js");
    const home = await (await fetch("/v1/home")).json();
    const viewer = new URLSearchParams(location.search).get("viewer");
    const seat = await new Local(() => ({ preview: secret, token: "" })).seat(home.snapshot.id, viewer);
    const weights = seat.weights();
    const nowMs = Date.parse(home.snapshot.built_at);
    const slider = document.querySelector('#weight-soon[type="range"]');
    let turn = 0;
    // A different value of the slider each time.
    const next = () => Number(slider.min) + ((turn += 17) % (slider.max - slider.min));
    globalThis.added = 0;
    new MutationObserver((changes) => {
      const size = (node) => 1 + (node.querySelectorAll?.("*").length ?? 0);
      for (const { addedNodes } of changes) for (const node of addedNodes) globalThis.added += size(node);
    }).observe(document.body, { childList: true, subtree: true });
    // The unavoidable work: ordering all items and parsing the result, once.
    globalThis.order = () => seat.arrange({ now_ms: nowMs, limit: 500, weights: { ...weights, new: { ...weights.new, soon: next() } } });
    globalThis.move = async () => {
      slider.value = String(next());
      slider.dispatchEvent(new Event("input", { bubbles: true }));
      // The tool finishes after its promises; the layout is forced, so that it counts too.
      await new Promise((done) => setTimeout(done));
      document.body.getBoundingClientRect();
    };
  }, PREVIEW_SECRET);
  const debug = await page.context().newCDPSession(page);
  // CPU time of the page's thread: other load on the machine doesn't count.
  await debug.send("Performance.enable", { timeDomain: "threadTicks" });
  const metrics = async () => Object.fromEntries((await debug.send("Performance.getMetrics")).metrics.map(({ name, value }) => [name, value]));
  const run = async (name) => {
    const before = await metrics();
    const beganMs = performance.now();
    await page.evaluate(async ({ name, turns }) => {
      for (let turn = 0; turn < turns; turn += 1) await globalThis[name]();
    }, { name, turns: TURNS });
    const after = await metrics();
    const all = ["TaskDuration", "LayoutCount", "RecalcStyleCount"].map((key) => [key, (after[key] - before[key]) / TURNS]);
    return { ...Object.fromEntries(all), wallMs: (performance.now() - beganMs) / TURNS };
  };
  await run("move");
  await run("order");
  const asked = requests.length;
  await page.evaluate(() => (globalThis.added = 0));
  const rounds = [];
  for (let round = 0; round < ROUNDS; round += 1) rounds.push({ move: await run("move"), order: await run("order") });
  const sum = (what, key) => rounds.reduce((whole, round) => whole + round[what][key], 0) / ROUNDS;
  const items = Number(await page.locator(".hint[data-items]").getAttribute("data-items"));
  const added = (await page.evaluate(() => globalThis.added)) / (ROUNDS * TURNS);
  const dear = sum("move", "TaskDuration") / sum("order", "TaskDuration");
  t.diagnostic(
    `${items} items: ${(sum("move", "TaskDuration") * 1000).toFixed(1)} ms of CPU for a move, ${dear.toFixed(2)} times the order alone; ` +
      `${added.toFixed(0)} nodes, ${sum("move", "LayoutCount").toFixed(1)} layouts, ${sum("move", "RecalcStyleCount").toFixed(1)} style passes; ${sum("move", "wallMs").toFixed(1)} ms by the clock`,
  );
  assert.equal(items, ITEMS);
  const asking = requests.slice(asked).filter(({ path }) => path !== "/favicon.svg");
  assert.deepEqual(asking.map(({ path }) => path), [], "nothing is asked of the edge");
  assert.ok(added > 300 && added < MOST_NODES, `${added} nodes: what is on the screen is drawn, and not all items`);
  assert.ok(sum("move", "LayoutCount") <= MOST_PASSES && sum("move", "RecalcStyleCount") <= MOST_PASSES, JSON.stringify(rounds));
  assert.ok(dear < MOST_ORDERS, JSON.stringify(rounds));
  await close();
});
