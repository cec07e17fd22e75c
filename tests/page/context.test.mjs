// Viewers without tastes on the page, in a real browser with a Worker whose board has leanings by
// province and device class.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { crowd } from "../harness/dataset.mjs";
import { Edge, PREVIEW_SECRET } from "../harness/edge.mjs";
import { axe, launch, open, products, random, settled } from "./browser.mjs";

/**
 * Number of random contexts and times whose orders are compared; the seed makes every run the same.
 */
const PAIRS = 120;

let browser;
let edge;
let base;

before(async () => {
  edge = await Edge.start({ snapshot: (await crowd()).told });
  base = edge.url.origin;
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await edge?.stop();
});

const preview = { "Sinsang-Preview": PREVIEW_SECRET };
const at = (query) => `/?${new URLSearchParams(query)}#preview=${encodeURIComponent(PREVIEW_SECRET)}`;
const ask = async (path) => (await fetch(base + path, { headers: preview })).json();
const order = async (query) => (await ask(`/v1/new?limit=20&${query}`)).items.map((item) => item.product_id);

test("the browser orders every surface as the edge does, for random provinces, classes of device and times", async () => {
  const { page, complaints, close } = await open(browser, base, at({}));
  const { window, snapshot } = await ask("/v1/status");
  const [fromMs, toMs] = [window.from, window.to].map(Date.parse);
  const next = random(20261124);
  const drawn = Array.from({ length: PAIRS }, () => ({ place: next(), device: next(), time: next() }));
  const result = await page.evaluate(
    async ({ drawn, secret, snapshot, fromMs, toMs }) => {
      const { Local } = await import("/page/local.js");
      const { rfc3339 } = await import("/page/format.js");
      const { REGIONS, DEVICE_CLASSES } = await import("/page/context.js");
      const of = (choices, share) => ["", ...choices.keys()][Math.floor(share * (choices.size + 1))];
      const seat = await new Local(() => ({ preview: secret, token: "" })).seat(snapshot, "");
      const found = { different: [], items: 0, orders: new Set(), moved: 0, regions: REGIONS.size };
      const ids = (answer) => answer.new.items.map((item) => item.product_id).join();
      for (const { place, device, time } of drawn) {
        const context = { region: of(REGIONS, place), device_class: of(DEVICE_CLASSES, device) };
        const atMs = Math.floor((fromMs + time * (toMs - fromMs)) / 1000) * 1000;
        const query = new URLSearchParams({ as_of: rfc3339(atMs), limit: "100" });
        for (const [name, value] of Object.entries(context)) if (value !== "") query.set(name, value);
        const served = await (await fetch(`/v1/home?${query}`, { headers: { "Sinsang-Preview": secret } })).json();
        const own = seat.arrange({ now_ms: atMs, limit: 100, ...context });
        for (const surface of ["tabs", "live", "new"]) {
          if (JSON.stringify(served[surface]?.items) !== JSON.stringify(own[surface].items)) found.different.push(`${surface}: ${query}`);
        }
        if (served.personalized || own.personalized) found.different.push(`personalized: ${query}`);
        found.items += own.new.items.length;
        found.orders.add(ids(own));
        found.moved += ids(own) === ids(seat.arrange({ now_ms: atMs, limit: 100 })) ? 0 : 1;
      }
      return { ...found, orders: found.orders.size };
    },
    { drawn, secret: PREVIEW_SECRET, snapshot: snapshot.id, fromMs, toMs },
  );
  assert.deepEqual(result.different, []);
  assert.equal(result.regions, 17, "all provinces of Korea");
  assert.ok(result.moved > PAIRS / 4 && result.orders > PAIRS / 2 && result.items > PAIRS * 20, JSON.stringify(result));
  assert.deepEqual(complaints, []);
  await close();
});

test("province and device are chosen for who has no tastes, stand in the address, and order the phone", async () => {
  const { page, complaints, close } = await open(browser, base, at({}));
  const [region, device] = [page.locator("#context-region"), page.locator("#context-device-class")];
  const anonymous = await products(page, "#new-items");
  await region.selectOption({ label: "서울" });
  await page.waitForURL((url) => url.searchParams.get("region") === "11");
  await device.selectOption({ label: "TV" });
  await page.waitForURL((url) => url.searchParams.get("device_class") === "tv");
  await settled(page);
  const shown = await products(page, "#new-items");
  assert.deepEqual(shown, await order("region=11&device_class=tv"));
  assert.notDeepEqual(shown, anonymous);
  assert.equal(await page.locator("#phone-viewer").innerText(), "서울 · TV\n비회원 순서");

  const link = new URL(page.url());
  const again = await open(browser, base, `${link.pathname}${link.search}&tool=why#preview=${encodeURIComponent(PREVIEW_SECRET)}`);
  assert.deepEqual(await products(again.page, "#new-items"), shown, "the link shows a colleague the same");
  assert.deepEqual([await again.page.locator("#context-region").inputValue(), await again.page.locator("#context-device-class").inputValue()], ["11", "tv"]);
  const rows = again.page.locator(".why-list details");
  await rows.first().waitFor();
  assert.deepEqual((await rows.evaluateAll((all) => all.map((one) => one.dataset.item))).slice(0, 20), shown);
  await again.page.locator(".leans").first().waitFor();
  assert.match(await again.page.locator("#tool-why").innerText(), /같은 때와 곳에서 온 사람들[^]*고른 곳: 서울 · TV/);
  assert.deepEqual(await axe(again.page), []);
  await again.close();

  // A viewer with tastes gets their own order, and the page asks for no context.
  const { users } = (await ask("/v1/status")).counts;
  assert.ok(users > 0);
  await page.locator("#viewer-text").fill("u000001");
  await page.locator("#viewer-text").press("Enter");
  await page.locator("#phone-viewer .personal").waitFor();
  await settled(page);
  assert.ok(!(await region.isVisible()) && !(await device.isVisible()));
  assert.deepEqual(await products(page, "#new-items"), await order("viewer=u000001"));
  assert.deepEqual(complaints, []);
  await close();
});

test("viewers from two places stand side by side, each in the edge's order", async () => {
  const { page, complaints, close } = await open(browser, base, at({ tool: "compare", region: "11", device_class: "tv", against: "context" }));
  const side = (index) =>
    page.locator(".compare-side").nth(index).locator("li").evaluateAll((all) => all.map((one) => one.dataset.item));
  await page.locator(".compare-side li").first().waitFor();
  await page.locator("#other-region").selectOption({ label: "제주" });
  await page.locator("#other-device-class").selectOption({ label: "휴대전화" });
  await page.waitForURL((url) => url.searchParams.get("other") === "49.phone");
  await page.waitForFunction(() => document.querySelectorAll(".compare-side h3")[1]?.textContent === "비회원 (제주 · 휴대전화)");
  assert.deepEqual([await side(0), await side(1)], [await order("region=11&device_class=tv"), await order("region=49&device_class=phone")]);
  assert.notDeepEqual(await side(0), await side(1));
  await page.locator("#against").selectOption("shared");
  await page.waitForFunction(() => document.querySelectorAll(".compare-side h3")[0]?.textContent === "공통 순서");
  assert.deepEqual([await side(0), await side(1)], [await order(""), await order("region=11&device_class=tv")]);
  assert.deepEqual(complaints, []);
  await close();
});

test("without the secret nobody chooses where they come from", async () => {
  const { page, requests, close } = await open(browser, base, "/?region=11&device_class=tv");
  await page.getByText("미리보기 열쇠가 있어야").waitFor();
  assert.ok(await page.locator("#context-region").isDisabled());
  assert.equal(await page.locator("#phone-viewer strong").innerText(), "비회원");
  for (const { path, query } of requests.filter((one) => one.path.startsWith("/v1/"))) assert.ok(!query.has("region") && !query.has("device_class"), path);
  await close();
});
