// Slot boundaries: the page refreshes at them, and a list being paged through survives them. The
// Worker's clock moves with the page's.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { CLOCK_ENTRY } from "../harness/clock.mjs";
import { dataset } from "../harness/dataset.mjs";
import { Edge, PREVIEW_SECRET } from "../harness/edge.mjs";
import { launch, open, products, scrollToEnd, settled, until } from "./browser.mjs";

const HOUR_MS = 3_600_000;

let browser;
let edge;
let base;

before(async () => {
  edge = await Edge.start({ snapshot: (await dataset()).first, entry: CLOCK_ENTRY });
  base = edge.url.origin;
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await edge?.stop();
});

const preview = `#preview=${encodeURIComponent(PREVIEW_SECRET)}`;
const ask = async (path, headers = {}) => (await fetch(base + path, { headers: { "Sinsang-Preview": PREVIEW_SECRET, ...headers } })).json();
const ids = (items) => items.map((item) => item.product_id);
const times = ({ live, new: fresh }) =>
  [...live.items.map((item) => item.broadcast), ...fresh.items.flatMap((item) => item.broadcasts)].flatMap(({ starts_at, ends_at }) => [starts_at, ends_at].map(Date.parse));

test("a list that is paged through goes on over a slot's end, while what is on air changes by itself", async () => {
  // The edge's clock stays at a request's time; the page's runs on from there.
  const stand = (atMs) => ask("/v1/tabs", { "Test-Clock": String(atMs - edge.offset) });
  const began = Date.parse((await ask("/v1/status")).now);
  // A viewer's order, because the shared one has the items that end soonest on its first pages.
  const viewer = "u000001";
  const listed = (await ask(`/v1/new?limit=100&viewer=${viewer}`)).items;
  const whole = ids(listed);
  const endOf = ({ broadcasts }) => Date.parse(broadcasts[0].ends_at);
  // Late enough for an item to have ended that has not been shown by then.
  const atMs = Math.min(...listed.slice(40).map(endOf)) + 2000;
  assert.ok(atMs - began < 47 * HOUR_MS, "the snapshot is not too old by then to call anything new");
  await stand(began);
  const { page, requests, complaints, close } = await open(browser, base, `/?viewer=${viewer}${preview}`, { movesClock: true });
  const first = await products(page, "#new-items");
  assert.deepEqual(first, whole.slice(0, 20));
  await scrollToEnd(page);
  await page.waitForFunction(() => document.querySelectorAll("#new-items article").length >= 40);
  const paged = await products(page, "#new-items");
  const onAir = await products(page, "#strip-items");

  await stand(atMs);
  const later = await ask(`/v1/home?limit=20&viewer=${viewer}`);
  assert.notDeepEqual(ids(later.live.items), onAir, "a slot begins or ends meanwhile");
  const asked = requests.filter(({ path }) => path === "/v1/home").length;
  await page.clock.fastForward(atMs - began);
  await until(page, () => requests.filter(({ path }) => path === "/v1/home").length > asked);
  await page.waitForFunction((shown) => [...document.querySelectorAll("#strip-items article")].map((one) => one.dataset.product).join() === shown, ids(later.live.items).join());
  assert.deepEqual((await products(page, "#new-items")).slice(0, paged.length), paged, "the list stays under the hand");

  for (let turn = 0; turn < 10 && (await page.locator('#new-more [data-key="more"]').count()) > 0; turn += 1) {
    const count = await page.locator("#new-items article").count();
    await scrollToEnd(page);
    await page.waitForFunction((had) => document.querySelectorAll("#new-items article").length > had || document.querySelector("#new-more .end") !== null, count);
  }
  const all = await products(page, "#new-items");
  assert.equal(new Set(all).size, all.length, "no product twice");
  // Only items that have ended before they were shown are omitted from the original list.
  const expected = listed.filter((item, place) => place < paged.length || endOf(item) > atMs);
  assert.ok(expected.length < listed.length, "something has ended");
  assert.deepEqual(all.slice(0, expected.length), ids(expected));
  assert.deepEqual(complaints, []);
  await close();
});

test("the buttons go to the next slot's boundary and back, and the slider over days", async () => {
  const { page, requests, complaints, close } = await open(browser, base, `/${preview}`);
  const asOf = () => Date.parse(new URL(page.url()).searchParams.get("as_of"));
  const lastAsked = () => requests.findLast(({ path }) => path === "/v1/home").query.get("as_of");
  const now = Date.parse((await ask("/v1/status")).now);
  const next = Math.min(...times(await ask("/v1/home?limit=20")).filter((atMs) => atMs > now));
  const before = await products(page, "#strip-items");
  await page.getByRole("button", { name: "뒤 경계 ▶" }).click();
  await settled(page);
  assert.equal(asOf(), next);
  const at = await ask(`/v1/home?limit=20&as_of=${encodeURIComponent(new Date(next).toISOString())}`);
  assert.deepEqual(await products(page, "#strip-items"), ids(at.live.items));
  assert.notDeepEqual(ids(at.live.items), before, "the boundary has changed what is on air");
  await page.getByRole("button", { name: "◀ 앞 경계" }).click();
  await settled(page);
  assert.ok(asOf() < next, "a second before it");
  assert.deepEqual((await products(page, "#strip-items")).toSorted(), before.toSorted());

  // Dragged by two days, as one step of the history.
  const slider = page.locator("#time-slider");
  const box = await slider.boundingBox();
  const [from, to] = await slider.evaluate((one) => [Number(one.value) / one.max, (Number(one.value) + 2 * 144) / one.max]);
  const x = (share) => box.x + 8 + share * (box.width - 16);
  const steps = await page.evaluate(() => history.length);
  const seen = new Set();
  await page.mouse.move(x(from), box.y + box.height / 2);
  await page.mouse.down();
  for (let step = 1; step <= 8; step += 1) {
    await page.mouse.move(x(from + ((to - from) * step) / 8), box.y + box.height / 2);
    seen.add(await page.locator(".time-words").innerText());
  }
  await page.mouse.up();
  await until(page, () => Date.parse(lastAsked()) === asOf() && asOf() > next + 40 * HOUR_MS);
  await settled(page);
  assert.ok(seen.size >= 6, "the time is told on the way");
  assert.ok(asOf() > next + 40 * HOUR_MS && asOf() < next + 60 * HOUR_MS, new Date(asOf()).toISOString());
  assert.equal(await page.evaluate(() => history.length), steps + 1);
  const then = await ask(`/v1/home?limit=20&as_of=${encodeURIComponent(new URL(page.url()).searchParams.get("as_of"))}`);
  assert.deepEqual([await products(page, "#strip-items"), await products(page, "#new-items")], [ids(then.live.items), ids(then.new.items)]);
  assert.deepEqual(complaints, []);
  await close();
});
