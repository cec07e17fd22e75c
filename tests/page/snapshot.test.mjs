// Older snapshots on the page, in a real browser with the built Worker: a chosen snapshot is in the
// URL, and the edge serves it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { axe, launch, open, products, scrollToEnd, settled } from "./browser.mjs";

const base = (process.env.SINSANG_URL ?? "").replace(/\/$/, "");
const secret = process.env.SINSANG_PREVIEW;

let browser;
let snapshots;

before(async () => {
  assert.ok(base !== "" && secret, "SINSANG_URL and SINSANG_PREVIEW name a running Worker: make test-page");
  browser = await launch();
  ({ snapshots } = await ask("/preview/snapshots"));
  assert.equal(snapshots.length, 2, "scripts/test-page.mjs publishes two");
});

after(() => browser?.close());

const at = (query) => `/?${new URLSearchParams(query)}#preview=${encodeURIComponent(secret)}`;
const ask = async (path) => (await fetch(base + path, { headers: { "Sinsang-Preview": secret } })).json();
const ids = (items) => items.map((item) => item.product_id);

test("a snapshot is chosen, is on the phone page by page, explained, and goes again", async () => {
  const { page, requests, complaints, close } = await open(browser, base, at({}));
  const [live, before] = snapshots;
  const served = ids((await ask(`/v1/new?limit=100&snapshot=${before.id}`)).items);
  assert.notDeepEqual(served, ids((await ask("/v1/new?limit=100")).items), "the two have different orders");
  const choice = page.locator("#snapshot");
  await choice.locator("option").nth(1).waitFor({ state: "attached" });
  await choice.selectOption(before.id);
  await page.waitForURL((url) => url.searchParams.get("snapshot") === before.id);
  await settled(page);
  assert.deepEqual(await products(page, "#new-items"), served.slice(0, 20));
  await scrollToEnd(page);
  await page.waitForFunction(() => document.querySelectorAll("#new-items article").length === 40);
  assert.deepEqual(await products(page, "#new-items"), served.slice(0, 40));
  assert.match(await page.locator("#phone-clock-kind").innerText(), /고른 자료/);
  assert.ok(requests.some(({ path, query }) => path === "/v1/status" && query.get("snapshot") === before.id), "what is told of the snapshot is told of this one");
  await page.locator("#controls .facts", { hasText: before.id }).waitFor();

  // A link reproduces the view, and the tools use that snapshot too.
  const link = new URL(page.url());
  const again = await open(browser, base, `${link.pathname}${link.search}&tool=why#preview=${encodeURIComponent(secret)}`);
  assert.equal(await again.page.locator("#snapshot").inputValue(), before.id);
  const rows = again.page.locator(".why-list details");
  await rows.first().waitFor();
  const shown = await rows.evaluateAll((all) => all.slice(0, 20).map((one) => one.dataset.item));
  assert.deepEqual([shown, await products(again.page, "#new-items")], [served.slice(0, 20), served.slice(0, 20)]);
  assert.deepEqual(await axe(again.page), []);
  assert.deepEqual(again.complaints, []);
  await again.close();

  await choice.selectOption("");
  await page.waitForURL((url) => !url.searchParams.has("snapshot"));
  await settled(page);
  await page.locator("#controls .facts", { hasText: live.id }).waitFor();
  const now = (await products(page, "#new-items")).slice(0, 20);
  assert.deepEqual(now, ids((await ask("/v1/new?limit=20")).items));
  assert.deepEqual(complaints, []);
  await close();
});

test("a link to a snapshot that is no more says so and leads to the live one", async () => {
  const { page, close } = await open(browser, base, at({ snapshot: "0123456789abcdef" }));
  await page.getByText("이 자료는 이제 없어요").waitFor();
  assert.deepEqual(await axe(page), []);
  await page.getByRole("button", { name: "지금 자료로 보기" }).click();
  await page.waitForURL((url) => !url.searchParams.has("snapshot"));
  await settled(page);
  assert.ok((await products(page, "#new-items")).length > 0);
  await close();
});
