// The pulse in the browser: present demand orders the tools as it orders served answers. The
// Worker's store has a pulse.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { CLOCK_ENTRY } from "../harness/clock.mjs";
import { NOW, dataset, kst, pairs } from "../harness/dataset.mjs";
import { Edge, PREVIEW_SECRET } from "../harness/edge.mjs";
import { packOf, until } from "../harness/pulse.mjs";
import { launch, open, products, random, settled } from "./browser.mjs";

/**
 * Number of random pairs whose orders are compared; the seed makes every run the same. They lie
 * within a pulse's few minutes of validity.
 */
const PAIRS = 200;
const PULSES = 10;
const preview = { "Sinsang-Preview": PREVIEW_SECRET };

let edge;
let base;
let browser;
let data;
let offsetMs;
let counts;

/** Gives the Worker a pulse made at `atMs` of its shown clock. */
async function beat(atMs) {
  const madeAt = Math.floor((atMs - offsetMs) / 1000) * 1000;
  const kv = await edge.kv();
  const pack = packOf({ madeAt, counts });
  const bytes = pack.buffer.slice(pack.byteOffset, pack.byteOffset + pack.length);
  for (const key of [`pulse/${madeAt / 1000}`, "pulse"]) await kv.put(key, bytes);
  // A look is due a minute after the last, by the clock that requests set.
  let turn = 0;
  await until(async () => {
    turn += 1;
    const answer = await fetch(`${base}/v1/home?limit=1`, { headers: { ...preview, "Test-Clock": String(madeAt + turn * 2_000) } });
    await answer.text();
    return answer.headers.get("sinsang-pulse") === String(madeAt / 1000);
  });
}

before(async () => {
  data = await dataset();
  edge = await Edge.start({ entry: CLOCK_ENTRY });
  base = edge.url.origin;
  offsetMs = edge.offset;
  await edge.seed(await pairs(data.first));
  const next = random(7);
  const { items } = await (await fetch(`${base}/v1/new?limit=100`)).json();
  const live = await (await fetch(`${base}/v1/live`)).json();
  const wanted = new Set([...items, ...live.items].map((item) => item.product_id).filter(() => next() < 0.6));
  counts = [...wanted].map((id) => [id, { looks: Math.floor(next() * 4000), alarms: Math.floor(next() * 800), purchases: Math.floor(next() ** 4 * 900) }]);
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await edge?.stop();
});

test("with a pulse the browser orders every surface as the edge does, for 200 random viewers and moments", async () => {
  const { page, complaints, close } = await open(browser, base, `/#preview=${encodeURIComponent(PREVIEW_SECRET)}`);
  const next = random(20261123);
  // No edge serves a snapshot later than its clock, and after two days nothing is called new: the
  // browser checks neither.
  const [from, to] = [NOW, NOW + 47 * 3_600_000];
  const seconds = (ms) => Math.floor(ms / 1000) * 1000;
  const made = Array.from({ length: PULSES }, () => seconds(from + next() * (to - from))).toSorted((one, other) => one - other);
  const result = { different: [], items: 0, orders: new Set(), parts: 0, moved: 0 };
  for (const madeMs of made) {
    const asked = Array.from({ length: PAIRS / PULSES }, () => ({
      viewer: next() < 0.1 ? "" : data.viewers[Math.floor(next() * data.viewers.length)].user_id,
      atMs: seconds(madeMs + (2 + 6 * next()) * 60_000),
    })).toSorted((one, other) => one.atMs - other.atMs);
    await beat(madeMs);
    const found = await compared(page, asked);
    result.different.push(...found.different);
    for (const name of ["items", "parts", "moved"]) result[name] += found[name];
    for (const order of found.orders) result.orders.add(order);
  }
  const { orders, ...told } = result;
  assert.deepEqual(result.different, []);
  assert.ok(result.moved > PAIRS * 0.9, `the pulse changes orders: ${JSON.stringify(told)}`);
  assert.ok(result.items > PAIRS * 20 && orders.size > PAIRS / 4 && result.parts > PAIRS, `${orders.size} orders, ${JSON.stringify(told)}`);
  assert.deepEqual(complaints, []);
  await close();
});

/** Orders the page's data for `asked`, and compares the order with the served one. */
function compared(page, asked) {
  return page.evaluate(
    async ({ asked, secret, offsetMs }) => {
      const { Local } = await import("/page/local.js");
      const local = new Local(() => ({ preview: secret, token: "" }));
      const found = { different: [], items: 0, orders: new Set(), parts: 0, moved: 0 };
      for (const { viewer, atMs } of asked) {
        const query = new URLSearchParams({ limit: "100", ...(viewer === "" ? {} : { viewer }) });
        const answer = await fetch(`/v1/home?${query}`, { headers: { "Sinsang-Preview": secret, "Test-Clock": String(atMs - offsetMs) } });
        const served = await answer.json();
        const pulse = answer.headers.get("sinsang-pulse");
        const order = async (number) => (await local.seat(served.snapshot.id, viewer, { pulse: number })).arrange({ now_ms: atMs, limit: 100 });
        const own = await order(Number(pulse));
        for (const surface of ["tabs", "live", "new"]) {
          const [a, b] = [served[surface].items, own[surface].items].map((items) => JSON.stringify(items));
          if (a !== b) found.different.push(`${surface} of ${viewer} at ${new Date(atMs).toISOString()}`);
          found.items += served[surface].items.length;
        }
        found.parts += own.scores.new.filter((score) => score.pulse > 0).length;
        found.orders.add(served.new.items.map((item) => item.product_id).join());
        const ids = (one) => one.new.items.map((item) => item.product_id).join();
        found.moved += ids(await order(null)) === ids(served) ? 0 : 1;
      }
      return { ...found, orders: [...found.orders] };
    },
    { asked, secret: PREVIEW_SECRET, offsetMs },
  );
}

test("the tools say what the pulse counts, and go without for a chosen time, as the edge does", async () => {
  const viewer = data.viewers[0].user_id;
  await beat(NOW - 60_000);
  const moment = { headers: { ...preview, "Test-Clock": String(NOW - offsetMs) } };
  const served = await (await fetch(`${base}/v1/home?limit=20&viewer=${viewer}`, moment)).json();
  const query = new URLSearchParams({ tool: "why", viewer });
  const { page, complaints, close } = await open(browser, base, `/?${query}#preview=${encodeURIComponent(PREVIEW_SECRET)}`);
  const rows = page.locator(".why-list details");
  const shown = () => rows.evaluateAll((all) => all.slice(0, 20).map((one) => one.dataset.item));
  await rows.first().waitFor();
  assert.deepEqual(await shown(), served.new.items.map((item) => item.product_id));
  assert.deepEqual(await shown(), await products(page, "#new-items"));
  assert.ok((await page.locator(".why-list rect.part-pulse").count()) > 5);

  const then = await (await fetch(`${base}/v1/home?limit=20&viewer=${viewer}&as_of=${encodeURIComponent(kst(NOW))}`, { headers: preview })).json();
  assert.notDeepEqual(then.new.items.map((item) => item.product_id), await shown());
  await page.goto(`${base}/?${new URLSearchParams({ tool: "why", viewer, as_of: kst(NOW) })}`);
  await settled(page);
  await rows.first().waitFor();
  assert.deepEqual(await shown(), then.new.items.map((item) => item.product_id));
  assert.equal(await page.locator(".why-list rect.part-pulse").count(), 0);
  assert.deepEqual(complaints, []);
  await close();
});

test("a pulse is for whoever has the preview secret", async () => {
  const ask = (path, headers = preview, method = "GET") => fetch(`${base}${path}`, { method, headers });
  const answer = await ask("/v1/home");
  const number = answer.headers.get("sinsang-pulse");
  assert.match(number, /^\d+$/);
  assert.equal((await ask("/v1/home", {})).headers.get("sinsang-pulse"), null, "an app needs no such header");
  assert.equal((await ask(`/preview/pulse?number=${number}`)).headers.get("cache-control"), "no-store");
  const statuses = [
    [`/preview/pulse?number=${number}`, preview, 200],
    [`/preview/pulse?number=${number}`, {}, 403],
    [`/preview/pulse?number=${number}`, { "Sinsang-Preview": `${PREVIEW_SECRET}.` }, 403],
    ["/preview/pulse?number=1", preview, 410],
    ["/preview/pulse?number=../live", preview, 400],
    ["/preview/pulse", preview, 400],
    ["/preview/other", preview, 404],
  ];
  for (const [path, headers, status] of statuses) {
    const { status: answered, headers: own } = await ask(path, headers);
    assert.equal(answered, status, path);
    if (status !== 200) assert.match(own.get("content-type"), /^application\/problem\+json/);
  }
  assert.equal((await ask(`/preview/pulse?number=${number}`, preview, "POST")).status, 405);
  await edge.restart();
  assert.equal((await ask(`/preview/pulse?number=${number}`)).status, 200, "a cold isolate has it too");
});
