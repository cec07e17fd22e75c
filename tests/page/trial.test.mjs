// Manual trials, in a real browser with the built Worker: dragging by mouse and by finger, and
// moving by keyboard alone.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { axe, launch, open, products } from "./browser.mjs";

const base = (process.env.SINSANG_URL ?? "").replace(/\/$/, "");
const secret = process.env.SINSANG_PREVIEW;

let browser;

before(async () => {
  assert.ok(base !== "" && secret, "SINSANG_URL and SINSANG_PREVIEW name a running Worker: make test-page");
  browser = await launch();
});

after(() => browser?.close());

/** The page with the tool, once the library for dragging rows and cards has loaded. */
async function trial(context) {
  const opened = await open(browser, base, `/?tool=trial#preview=${encodeURIComponent(secret)}`, context);
  await opened.page.locator(".trial-list li").nth(3).waitFor();
  await opened.page.locator("#new-items .draggable").waitFor();
  return opened;
}

const parameter = (page, name) => new URL(page.url()).searchParams.get(name);

test("an item is dragged to a place and stays there", async () => {
  const { page, complaints, close } = await trial();
  const rows = page.locator(".trial-list li");
  const id = await rows.nth(3).getAttribute("data-item");
  await rows.nth(3).locator(".handle").dragTo(rows.nth(0).locator(".handle"));
  await page.locator(`.trial-list li.pinned[data-item="${id}"]`).waitFor();
  assert.equal(await rows.nth(0).getAttribute("data-item"), id);
  assert.equal((await products(page, "#new-items"))[0], id);
  const cards = page.locator("#new-items .draggable > li");
  const other = (await products(page, "#new-items"))[1];
  await cards.nth(1).locator(".card-picture").dragTo(cards.nth(0).locator(".card-picture"));
  await page.locator(`.trial-list li.pinned[data-item="${other}"]`).waitFor();
  assert.equal((await products(page, "#new-items"))[0], other, "cards of the phone can be dragged too");
  await page.getByRole("tab", { name: "받은 답" }).click();
  assert.equal(await page.locator(".draggable, .bin").count(), 0);
  assert.deepEqual(complaints, []);
  await close();
});

test("a card and a row are dropped where they are hidden, and come again", async () => {
  const { page, complaints, close } = await trial();
  const live = await products(page, "#new-items");
  const bin = page.locator(".phone-screen .bin");
  await page.locator("#new-items .draggable > li").nth(0).locator(".card-picture").dragTo(bin);
  await page.waitForURL((url) => url.searchParams.get("blocks") === live[0]);
  await page.locator(`.trial-list .blocked [data-key="unblock-${live[0]}"]`).waitFor();
  assert.deepEqual(await products(page, "#new-items"), [...live.slice(1), (await products(page, "#new-items")).at(-1)]);
  await page.locator(`.trial-list li[data-item="${live[2]}"] .handle`).dragTo(bin);
  await page.waitForURL((url) => url.searchParams.get("blocks") === `${live[0]},${live[2]}`);
  await page.locator(".trial-list .blocked").nth(1).waitFor();
  const shown = await products(page, "#new-items");
  assert.equal(shown[0], live[1]);
  assert.ok(!shown.includes(live[2]) && shown.length === 20 && (await bin.locator("li").count()) === 0);
  assert.equal(parameter(page, "pins"), null, "what is dropped there is no pin");
  assert.match(await page.locator(".rules").innerText(), new RegExp(`do = "hide"\nproduct = \\["${live[2]}"\\]`));
  assert.deepEqual(await axe(page), []);
  await page.getByRole("button", { name: /^다시 보이기/ }).first().click();
  await page.waitForURL((url) => url.searchParams.get("blocks") === live[2]);
  await page.waitForFunction((id) => document.querySelector("#new-items article").dataset.product === id, live[0]);
  assert.deepEqual(complaints, []);
  await close();
});

test("a finger drags a card in a narrow window", async () => {
  const { page, complaints, close } = await trial({ width: 390, height: 844, hasTouch: true, isMobile: true });
  const [first, second] = await products(page, "#new-items");
  const pictures = page.locator("#new-items .draggable > li .card-picture");
  await pictures.nth(1).scrollIntoViewIfNeeded();
  const middle = async (index) => {
    const { x, y, width, height } = await pictures.nth(index).boundingBox();
    return { x: x + width / 2, y: y + height / 2 };
  };
  const [to, from] = [await middle(0), await middle(1)];
  const finger = await page.context().newCDPSession(page);
  const touch = (type, ...touchPoints) => finger.send("Input.dispatchTouchEvent", { type, touchPoints });
  await touch("touchStart", from);
  for (let step = 1; step <= 12; step += 1) {
    await touch("touchMove", { x: from.x, y: from.y + ((to.y - 20 - from.y) * step) / 12 });
    await page.waitForTimeout(40);
  }
  await touch("touchEnd");
  await page.waitForURL((url) => url.searchParams.get("pins") === `${second}:0`);
  await page.waitForFunction((id) => document.querySelector("#new-items article").dataset.product === id, second);
  assert.equal((await products(page, "#new-items"))[1], first);
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 390);
  assert.deepEqual(complaints, []);
  await close();
});

test("by keyboard alone an item is moved, pinned, hidden and shown again, and the focus is never lost", async () => {
  const { page, complaints, close } = await trial();
  const [first, second] = await products(page, "#new-items");
  const focused = () => page.evaluate(() => document.activeElement.dataset.key);
  await page.locator("#bench-trial").focus();
  const reach = async (key) => {
    for (let turn = 0; turn < 60 && (await focused()) !== key; turn += 1) await page.keyboard.press("Tab");
    assert.equal(await focused(), key, "Tab reaches it");
  };
  await reach(`down-${first}`);
  await page.keyboard.press("Enter");
  await page.waitForURL((url) => url.searchParams.get("pins") === `${first}:1`);
  await page.locator(`.trial-list li.pinned[data-item="${first}"]`).waitFor();
  assert.equal(await focused(), `down-${first}`);
  assert.equal((await products(page, "#new-items"))[0], second);
  await reach(`free-${first}`);
  await page.keyboard.press("Space");
  await page.locator(`[data-key="pin-${first}"]`).waitFor();
  assert.equal(await focused(), `pin-${first}`);
  await page.keyboard.press("Tab");
  assert.equal(await focused(), `block-${first}`);
  await page.keyboard.press("Enter");
  await page.locator(".trial-list .blocked").waitFor();
  assert.equal(await focused(), `unblock-${first}`);
  assert.equal((await products(page, "#new-items"))[0], second);
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelector(".trial-list .blocked") === null);
  assert.equal(await focused(), `block-${first}`);
  assert.equal((await products(page, "#new-items"))[0], first);
  assert.deepEqual(complaints, []);
  await close();
});
