// The page's states when the edge fails, shifts its clock or has no data; a mock server produces
// them.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { axe, launch, open, overflowing, products, scrollToEnd, settled } from "./browser.mjs";
import { SECRET, startMock } from "./mock.mjs";

let browser;

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

/** Runs `body` with a new mock server; its object allows changing `fault` during the test. */
async function against(options, body) {
  const faults = { fault: null };
  const mock = await startMock({ ...options, fault: (request, url) => faults.fault?.(request, url) });
  try {
    await body(mock.url, faults);
  } finally {
    await mock.stop();
  }
}

const noData = { status: 503, type: "no-data", headers: { "Retry-After": "5" } };

test("no data at all is said in Korean, and a retry brings the surfaces", async () => {
  await against({}, async (base, faults) => {
    faults.fault = (_, url) => (url.pathname.startsWith("/v1/") ? noData : null);
    const { page, close } = await open(browser, base);
    assert.ok(await page.getByText("아직 보여 줄 상품이 없어요").isVisible());
    assert.ok(await page.getByText("5초 뒤 다시 시도해 주세요", { exact: false }).isVisible());
    assert.deepEqual(await axe(page), []);
    faults.fault = null;
    await page.getByRole("button", { name: "다시 시도" }).click();
    await settled(page);
    assert.equal((await products(page, "#new-items")).length, 20);
    await close();
  });
});

test("a lost connection is told from a refusal", async () => {
  await against({}, async (base, faults) => {
    faults.fault = (_, url) => (url.pathname.startsWith("/v1/") ? "hang up" : null);
    const { page, close } = await open(browser, base);
    assert.ok(await page.getByText("연결하지 못했어요").isVisible());
    assert.ok(await page.getByText("실패").first().isVisible(), "the raw answers say so too");
    await close();
  });
});

test("a next page that fails leaves the list and can be asked for again", async () => {
  await against({}, async (base, faults) => {
    const { page, close } = await open(browser, base);
    faults.fault = (_, url) => (url.searchParams.has("cursor") ? { status: 500, type: "broken" } : null);
    await scrollToEnd(page);
    await page.getByText("불러오지 못했어요").waitFor();
    assert.equal((await products(page, "#new-items")).length, 20);
    faults.fault = null;
    await page.getByRole("button", { name: "다시 시도" }).click();
    await page.waitForFunction(() => document.querySelectorAll("#new-items article").length === 40);
    await close();
  });
});

test("a cursor that is gone leads back to the beginning", async () => {
  await against({}, async (base, faults) => {
    const { page, close } = await open(browser, base);
    faults.fault = (_, url) => (url.searchParams.has("cursor") ? { status: 410, type: "cursor-gone" } : null);
    await scrollToEnd(page);
    await page.getByRole("button", { name: "처음부터 보기" }).click();
    await settled(page);
    assert.equal((await products(page, "#new-items")).length, 20);
    await close();
  });
});

test("a hundred requests that fail are told of, and one that is stopped is none", async () => {
  await against({}, async (base, faults) => {
    const { page, close } = await open(browser, base, "/?tool=speed");
    await page.locator("#tool-speed .waterfall").waitFor();
    faults.fault = (_, url) => (url.pathname === "/v1/home" ? noData : null);
    await page.getByRole("button", { name: "100번 요청해 보기" }).click();
    await page.locator("#hundred").waitFor();
    assert.match(await page.locator("#hundred").innerText(), /^요청\s+0\s+실패\s+100$/);
    assert.deepEqual(await axe(page), []);
    await close();
  });
});

test("a wrong secret is refused and the public surfaces are one button away", async () => {
  await against({}, async (base) => {
    const { page, close } = await open(browser, base, "/?viewer=u000001#preview=wrong");
    assert.ok(await page.getByText("미리보기 열쇠가 맞지 않아요", { exact: false }).isVisible());
    await page.getByRole("button", { name: "공개 화면 보기" }).click();
    await settled(page);
    assert.ok((await products(page, "#new-items")).length > 0);
    assert.ok(await page.locator("#viewer").isDisabled());
    await close();
  });
});

test("a demo's shifted clock is named and followed", async () => {
  const shiftMs = -5 * 86_400_000;
  await against({ shiftMs }, async (base) => {
    const { page, close } = await open(browser, base);
    await page.getByText("데모 시각", { exact: true }).waitFor();
    const day = new Intl.DateTimeFormat("ko-KR", { timeZone: "Asia/Seoul", month: "long", day: "numeric" }).format(
      Date.now() + shiftMs,
    );
    assert.ok((await page.locator("#phone-date").innerText()).startsWith(day));
    assert.match(await page.locator("#strip-items .rest").first().innerText(), /^\d+분|^\d+초/);
    await close();
  });
});

test("nothing new and nothing on air are states, not failures", async () => {
  await against({ empty: true }, async (base) => {
    const { page, complaints, close } = await open(browser, base);
    assert.ok(await page.getByText("새로 나온 상품이 없어요").isVisible());
    assert.ok(await page.getByText("지금은 방송이 없어요").first().isVisible());
    assert.deepEqual(await axe(page), []);
    assert.deepEqual(complaints, []);
    await close();
  });
});

test("markup in an answer stays text, and a title without a blank does not widen the phone", async () => {
  const hostile = `<img src=x onerror=alert(1)>${"가나다라마바사".repeat(20)}`;
  await against({ title: hostile }, async (base) => {
    const { page, complaints, close } = await open(browser, base, "/", { width: 360 });
    assert.equal(await page.locator("#new-items .card-open").first().innerText(), hostile);
    assert.equal(await page.locator("img").count(), 0);
    assert.deepEqual(await overflowing(page), []);
    await page.locator("#new-items .card-open").first().click();
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 360);
    assert.deepEqual(complaints, []);
    await close();
  });
});

test("when a slot ends the page asks anew by itself and keeps a list that was paged through", async () => {
  await against({}, async (base) => {
    const { page, requests, close } = await open(browser, base, `/#preview=${SECRET}`, { movesClock: true });
    await scrollToEnd(page);
    await page.waitForFunction(() => document.querySelectorAll("#new-items article").length === 40);
    const asked = requests.filter((request) => request.path === "/v1/home").length;
    const answered = page.waitForResponse((response) => response.url().includes("/v1/home"));
    await page.clock.fastForward(6 * 60_000);
    await answered;
    assert.equal(requests.filter((request) => request.path === "/v1/home").length, asked + 1);
    assert.equal((await products(page, "#new-items")).length, 40);
    await close();
  });
});
