// Audiences on the page: it names those that the shown viewer is in, and the browser orders as the
// edge does for each of them.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { NOW, dataset, forAudiences } from "../harness/dataset.mjs";
import { Edge, PREVIEW_SECRET } from "../harness/edge.mjs";
import { launch, open } from "./browser.mjs";

const VIEWERS = 8;

let edge;
let base;
let browser;
let viewers;

before(async () => {
  edge = await Edge.start({ snapshot: await forAudiences() });
  base = edge.url.origin;
  viewers = (await dataset()).viewers.slice(0, VIEWERS).map(({ user_id: id }) => id);
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await edge?.stop();
});

test("the browser orders every surface as the edge does, from a province and from elsewhere", async () => {
  const { page, complaints, close } = await open(browser, base, `/#preview=${encodeURIComponent(PREVIEW_SECRET)}`);
  const found = await page.evaluate(
    async ({ viewers, secret, atMs, at }) => {
      const { Local } = await import("/page/local.js");
      const local = new Local(() => ({ preview: secret, token: "" }));
      const different = [];
      const orders = new Set();
      for (const viewer of viewers) {
        for (const region of ["", "11", "49"]) {
          const given = Object.entries({ limit: "100", as_of: at, viewer, region }).filter(([, value]) => value !== "");
          const answer = await fetch(`/v1/home?${new URLSearchParams(given)}`, { headers: { "Sinsang-Preview": secret } });
          const served = await answer.json();
          const variants = Object.entries(served.experiments ?? {}).map((pair) => pair.join(":"));
          const audiences = Number(answer.headers.get("sinsang-audiences"));
          const seat = await local.seat(served.snapshot.id, viewer, {});
          const own = await seat.arrange({ now_ms: atMs, limit: 100, region, audiences, variants });
          for (const surface of ["tabs", "live", "new"]) {
            const [a, b] = [served[surface].items, own[surface].items].map((list) => JSON.stringify(list));
            if (a !== b) different.push(`${surface} of ${viewer} in ${region}`);
          }
          orders.add(viewer + audiences + served.new.items.map((item) => item.product_id).join());
        }
      }
      return { different, orders: orders.size };
    },
    { viewers: ["", ...viewers], secret: PREVIEW_SECRET, atMs: NOW, at: new Date(NOW).toISOString() },
  );
  assert.deepEqual(found, { different: [], orders: 2 * (VIEWERS + 1) }, "two orders a viewer: in Seoul, and not");
  assert.deepEqual(complaints, []);
  await close();
});

test("the page names the audiences of who is shown", async () => {
  for (const [query, expected] of [["region=11&", "seoul, first-visits"], ["", "first-visits"], [`viewer=${viewers[0]}&region=11&`, "seoul"]]) {
    const { page, complaints, close } = await open(browser, base, `/?${query}#preview=${encodeURIComponent(PREVIEW_SECRET)}`);
    const fact = page.locator("dt", { hasText: /^대상$/ });
    await fact.waitFor({ state: "attached" });
    assert.equal(await fact.locator("xpath=following-sibling::dd[1]").textContent(), expected);
    assert.deepEqual(complaints, []);
    await close();
  }
});
