// Experiments on the page, in a real browser with the built Worker: a chosen variant is in the URL,
// and the edge serves it.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { axe, launch, open, products, settled } from "./browser.mjs";

const base = (process.env.SINSANG_URL ?? "").replace(/\/$/, "");
const secret = process.env.SINSANG_PREVIEW;
/**
 * Declared in scripts/test-page.mjs; it begins long after the tests, so that only a preview that
 * chooses it sees it.
 */
const VARIANT = "soon-first:far";

let browser;
let viewer;

before(async () => {
  assert.ok(base !== "" && secret, "SINSANG_URL and SINSANG_PREVIEW name a running Worker: make test-page");
  browser = await launch();
  viewer = (await (await fetch(`${base}/demo/viewers.json`, { headers: { "Sinsang-Preview": secret } })).json()).viewers[0].user_id;
});

after(() => browser?.close());

const at = (query) => `/?${new URLSearchParams(query)}#preview=${encodeURIComponent(secret)}`;
const ask = async (path) => (await fetch(base + path, { headers: { "Sinsang-Preview": secret } })).json();
const ids = (items) => items.map((item) => item.product_id);

describe("experiments", () => {
  test("a variant is chosen, is in the address, is what the edge shows, and goes again", async () => {
    const { page, complaints, close } = await open(browser, base, at({ viewer }));
    const before = await products(page, "#new-items");
    const choice = page.locator("#experiment-soon-first");
    assert.deepEqual(await choice.locator("option").allTextContents(), ["배정된 대로", "control", "far"]);
    await choice.selectOption("far");
    await page.waitForURL((url) => url.searchParams.get("variants") === VARIANT);
    await settled(page);
    const served = await ask(`/v1/home?limit=20&viewer=${encodeURIComponent(viewer)}&variant=${VARIANT}`);
    assert.deepEqual(served.experiments, { "soon-first": "far" });
    assert.deepEqual(await products(page, "#new-items"), ids(served.new.items));
    assert.notDeepEqual(ids(served.new.items), before);
    assert.match(await page.locator("#controls .facts").textContent(), /soon-first = far/);

    // A link reproduces the view.
    await page.reload();
    await settled(page);
    assert.equal(await choice.inputValue(), "far");
    assert.deepEqual(await products(page, "#new-items"), ids(served.new.items));
    await choice.selectOption("");
    await page.waitForURL((url) => !url.searchParams.has("variants"));
    await settled(page);
    assert.deepEqual(await products(page, "#new-items"), before);
    assert.deepEqual(await axe(page), []);
    assert.deepEqual(complaints, []);
    await close();
  });

  test("two variants stand side by side, each in the edge's order", async () => {
    const query = { viewer, variants: "soon-first:control", tool: "compare", against: "variant", other: VARIANT };
    const { page, complaints, close } = await open(browser, base, at(query));
    const sides = page.locator(".compare-side");
    await sides.nth(1).locator("li").first().waitFor();
    assert.deepEqual(await sides.locator("h3").allTextContents(), ["soon-first:control", VARIANT]);
    for (const [side, variant] of [[0, "soon-first:control"], [1, VARIANT]]) {
      const shown = await sides.nth(side).locator("li").evaluateAll((items) => items.map((item) => item.dataset.item));
      const served = await ask(`/v1/home?limit=20&viewer=${encodeURIComponent(viewer)}&variant=${variant}`);
      assert.deepEqual(shown, ids(served.new.items), variant);
    }
    assert.deepEqual(complaints, []);
    await close();
  });

  test("a link to a variant that is no more says so and offers a way back", async () => {
    const { page, close } = await open(browser, base, at({ variants: "soon-first:gone" }));
    await page.getByRole("button", { name: "조건 지우기" }).first().click();
    await page.waitForURL((url) => !url.searchParams.has("variants"));
    await settled(page);
    assert.ok((await products(page, "#new-items")).length > 0);
    await close();
  });
});
