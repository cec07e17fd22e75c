// The overlay on the page: cards show what operators said, and the browser orders as the edge does.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { CLOCK_ENTRY } from "../harness/clock.mjs";
import { NOW, dataset, pairs } from "../harness/dataset.mjs";
import { Edge, PREVIEW_SECRET } from "../harness/edge.mjs";
import { overlayOf } from "../harness/overlay.mjs";
import { launch, open } from "./browser.mjs";

const NOTE = "오늘만 무이자";
const VIEWERS = 20;
const buffer = (bytes) => bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);

let edge;
let base;
let browser;
let data;
let items;

before(async () => {
  data = await dataset();
  edge = await Edge.start({ entry: CLOCK_ENTRY });
  base = edge.url.origin;
  await edge.seed(await pairs(data.first));
  items = (await (await fetch(`${base}/v1/new?limit=100`)).json()).items;
  const nowS = Math.floor(NOW / 1000);
  const said = [
    { what: "hide", product: items[0].product_id },
    { what: "sold_out", product: items[1].product_id },
    { what: "note", product: items[2].product_id, text: NOTE },
    { what: "price", product: items[2].product_id, price: 12_300 },
    { what: "pin", product: items[60].product_id, place: 0 },
  ];
  const entries = said.map((one, at) => ({ id: at + 1, since: 1, fromS: nowS - 60, untilS: nowS + 7 * 86_400, ...one }));
  const kv = await edge.kv();
  await kv.put("overlay", buffer(overlayOf(entries, 1, Date.now())));
  const line = { id: "0000abcd", revision: 1, at: new Date(NOW).toISOString(), by: "kim", do: "hide", product: items[0].product_id, title: items[0].title, from: new Date(NOW - 60_000).toISOString(), until: new Date(NOW + 86_400_000).toISOString(), why: "리콜" };
  await kv.put("overlay/log", `${JSON.stringify(line)}\n`);
  await edge.restart();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await edge?.stop();
});

test("cards show what operators said, and what is hidden is not there", async () => {
  const { page, complaints, close } = await open(browser, base, `/#preview=${encodeURIComponent(PREVIEW_SECRET)}`);
  const card = (at) => page.locator(`.card[data-product="${items[at].product_id}"]`);
  await card(60).first().waitFor();
  const first = await page.locator(".cards .card[data-product]").evaluateAll((all) => all.map((one) => one.dataset.product));
  assert.ok(first.includes(items[60].product_id), "the pinned one is on the first page");
  assert.equal(await card(0).count(), 0);
  assert.equal(await card(2).first().locator(".note").textContent(), NOTE);
  assert.match(await card(2).first().textContent(), /12,300/);
  assert.deepEqual(complaints, []);
  await close();
});

test("the browser orders every surface as the edge does under an overlay", async () => {
  const { page, complaints, close } = await open(browser, base, `/#preview=${encodeURIComponent(PREVIEW_SECRET)}`);
  const viewers = ["", ...data.viewers.slice(0, VIEWERS).map(({ user_id: id }) => id)];
  const found = await page.evaluate(
    async ({ viewers, secret, atMs, offsetMs }) => {
      const { Local } = await import("/page/local.js");
      const local = new Local(() => ({ preview: secret, token: "" }));
      const different = [];
      let moved = 0;
      for (const viewer of viewers) {
        const query = new URLSearchParams({ limit: "100", ...(viewer === "" ? {} : { viewer }) });
        const answer = await fetch(`/v1/home?${query}`, { headers: { "Sinsang-Preview": secret, "Test-Clock": String(atMs - offsetMs) } });
        const served = await answer.json();
        const overlay = Number(answer.headers.get("sinsang-overlay"));
        const order = async (moment) => (await local.seat(served.snapshot.id, viewer, moment)).arrange({ now_ms: atMs, limit: 100 });
        const own = await order({ overlay });
        for (const surface of ["tabs", "live", "new"]) {
          const [a, b] = [served[surface].items, own[surface].items].map((list) => JSON.stringify(list));
          if (a !== b) different.push(`${surface} of ${viewer}`);
        }
        const ids = (one) => one.new.items.map((item) => item.product_id).join();
        moved += ids(await order({})) === ids(served) ? 0 : 1;
      }
      return { different, moved };
    },
    { viewers, secret: PREVIEW_SECRET, atMs: NOW, offsetMs: edge.offset },
  );
  assert.deepEqual(found, { different: [], moved: viewers.length });
  assert.deepEqual(complaints, []);
  await close();
});

test("the tool for quality lists what operators said, and why", async () => {
  const { page, complaints, close } = await open(browser, base, `/?tool=quality#preview=${encodeURIComponent(PREVIEW_SECRET)}`);
  const line = page.locator("#said li");
  await line.first().waitFor();
  const text = await line.first().textContent();
  for (const part of ["숨김", items[0].title, "kim: 리콜"]) assert.ok(text.includes(part), `${part}: ${text}`);
  assert.deepEqual(complaints, []);
  await close();
});
