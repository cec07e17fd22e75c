// The page in a real browser: with a running Worker (SINSANG_URL and SINSANG_PREVIEW), otherwise
// with the mock server.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { axe, korean, launch, open, overflowing, products, scrollToEnd, settled, tabs, until } from "./browser.mjs";
import { startMock } from "./mock.mjs";

let browser;
let mock;
let base;
let secret;

before(async () => {
  mock = process.env.SINSANG_URL === undefined ? await startMock() : null;
  base = (process.env.SINSANG_URL ?? mock.url).replace(/\/$/, "");
  secret = process.env.SINSANG_PREVIEW ?? mock?.secret;
  assert.ok(secret, "SINSANG_PREVIEW is the preview secret of the Worker at SINSANG_URL");
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await mock?.stop();
});

const preview = (query = "") => `/${query}#preview=${encodeURIComponent(secret)}`;

/**
 * Two viewers of the picker whose orders differ from the shared one, according to the API itself.
 */
async function tastes(page) {
  const viewers = await page
    .locator("#viewer option")
    .evaluateAll((options) => options.map((option) => option.value).filter((value) => value !== ""));
  assert.ok(viewers.length >= 2, "the picker offers demo users");
  const orders = new Map();
  for (const viewer of viewers.slice(0, 12)) {
    const answer = await fetch(`${base}/v1/new?viewer=${encodeURIComponent(viewer)}&limit=20`, {
      headers: { "Sinsang-Preview": secret },
    });
    const { items } = await answer.json();
    const order = items.map((item) => item.product_id).join();
    if (!orders.has(order)) orders.set(order, viewer);
  }
  return [...orders.values()];
}

describe("the phone", () => {
  test("shows tabs, what is on air and what is new", async () => {
    const { page, policy, complaints, strangers, requests, close } = await open(browser, base);
    for (const rule of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'"])
      assert.ok(policy.includes(rule), rule);
    const home = await (await fetch(`${base}/v1/home?limit=20`)).json();
    assert.deepEqual(
      await tabs(page),
      home.tabs.items.map((tab) => tab.tab_id),
    );
    assert.equal(await page.locator("#tabs .pinned").count(), home.tabs.items.filter((tab) => tab.pinned).length);
    assert.deepEqual(
      (await products(page, "#strip-items")).sort(),
      home.live.items.map((item) => item.product_id).sort(),
    );
    assert.deepEqual(
      await products(page, "#new-items"),
      home.new.items.map((item) => item.product_id),
    );
    const first = page.locator("#new-items article").first();
    assert.ok((await first.innerText()).includes("첫 방송"));
    assert.equal(await first.locator(".evidence").innerText(), home.new.items[0].verdict.evidence.text);
    assert.equal(await first.locator("svg.picture").count(), 1);
    assert.equal(await page.locator("img").count(), 0);
    assert.equal(requests.find((request) => request.path.startsWith("/v1/")).path, "/v1/home");
    assert.deepEqual(strangers, []);
    assert.deepEqual(complaints, []);
    await close();
  });

  test("lets remaining times run by the edge's clock", async () => {
    const { page, close } = await open(browser, base);
    const rest = page.locator("#strip-items .rest").first();
    const before = await rest.innerText();
    await page.waitForFunction((text) => document.querySelector("#strip-items .rest").textContent !== text, before);
    const [shown, bar] = await page.evaluate(() => [
      document.querySelector("#strip-items .rest").textContent,
      document.querySelector("#strip-items progress").position,
    ]);
    assert.match(shown, /남음|곧 끝나요/);
    assert.ok(bar > 0 && bar <= 1);
    const { now } = await (await fetch(`${base}/v1/status`)).json();
    const minutes = (text) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3, 5));
    const apart = Math.abs(minutes(await page.locator("#phone-clock").innerText()) - minutes(now.slice(11, 16)));
    assert.ok(Math.min(apart, 1440 - apart) <= 1, "the phone's clock is the edge's");
    await close();
  });

  test("shows the live order in full, and says where a screen is the app's own", async () => {
    const { page, complaints, close } = await open(browser, base);
    const strip = await products(page, "#strip-items");
    await page.getByRole("tab", { name: "생방송" }).click();
    await settled(page);
    assert.match(page.url(), /[?&]tab=/);
    assert.deepEqual(await products(page, "#live-items"), strip);
    const other = page
      .getByRole("tab")
      .filter({ hasNotText: /신상품|생방송/ })
      .first();
    await other.click();
    assert.ok(await page.getByText("이 화면은 앱에서 제공됩니다").isVisible());
    await page.goBack();
    assert.ok(await page.locator("#live-items").isVisible());
    assert.deepEqual(complaints, []);
    await close();
  });

  for (const sort of ["recommended", "soonest"]) {
    test(`adds pages behind what is there as the list is scrolled, ${sort}, without a product twice`, async () => {
      const { page, close } = await open(browser, base, `/?sort=${sort}`);
      const seen = new Set(await products(page, "#new-items"));
      await page.evaluate(() => (document.querySelector("#new-items article").marked = true));
      for (let turn = 0; turn < 3; turn += 1) {
        if ((await page.locator('#new-more [data-key="more"]').count()) === 0) break;
        const count = await page.locator("#new-items article").count();
        await scrollToEnd(page);
        await page.waitForFunction((had) => document.querySelectorAll("#new-items article").length > had, count);
        const all = await products(page, "#new-items");
        for (const id of all) seen.add(id);
        assert.equal(all.length, seen.size, "no product twice, none gone");
      }
      assert.ok(seen.size > 20, "the data has more than a page");
      const days = await page.locator(".day").evaluateAll((all) => all.map((one) => one.dataset.day));
      assert.equal(new Set(days).size, days.length, "a day goes on under its own heading");
      assert.ok(await page.evaluate(() => document.querySelector("#new-items article").marked), "nothing is drawn anew");
      await close();
    });
  }

  test("remembers alarms in this browser", async () => {
    const { page, requests, close } = await open(browser, base, "/?sort=soonest");
    const alarm = page.locator("#new-items .alarm").first();
    await alarm.click();
    assert.equal(await alarm.getAttribute("aria-pressed"), "true");
    assert.ok(!(await page.locator("#sheet").isVisible()), "the card stays closed");
    await page.reload();
    await settled(page);
    assert.equal(await page.locator("#new-items .alarm").first().getAttribute("aria-pressed"), "true");
    assert.ok(requests.every(({ path }) => !path.includes("alarm") || path === "/page/alarm.js"));
    await close();
  });

  test("filters by category and channel, sorts by time, and starts again", async () => {
    const { page, requests, complaints, close } = await open(browser, base);
    const home = await (await fetch(`${base}/v1/home?limit=20`)).json();
    const category = home.new.items.find((item) => item.category !== null).category;
    await page.getByRole("radio", { name: category, exact: true }).check();
    await settled(page);
    assert.equal(new URL(page.url()).searchParams.get("category"), category);
    const answer = await (await fetch(`${base}/v1/new?category=${encodeURIComponent(category)}&limit=20`)).json();
    assert.deepEqual(
      await products(page, "#new-items"),
      answer.items.map((item) => item.product_id),
    );
    assert.equal(await page.locator("#new-count").innerText(), answer.total.toLocaleString("ko-KR"));

    const channel = answer.items[0].broadcasts[0].channel.id;
    await page.locator(".channel-filter select").selectOption(channel);
    await settled(page);
    const last = requests.findLast((request) => request.path === "/v1/new");
    assert.deepEqual([last.query.get("category"), last.query.get("channel")], [category, channel]);

    await page.getByRole("radio", { name: "방송순" }).check();
    await settled(page);
    assert.ok((await page.locator(".day-name").count()) > 0);
    const starts = await page
      .locator("#new-items article:not(:has(.live-badge)) time")
      .evaluateAll((all) => all.map((one) => Date.parse(one.dateTime)));
    assert.deepEqual(
      starts,
      starts.toSorted((a, b) => a - b),
    );

    await page.goto(`${base}/?category=${encodeURIComponent("없는 분류")}`);
    await settled(page);
    assert.ok(await page.getByText("조건에 맞는 상품이 없어요").isVisible());
    await page.getByRole("button", { name: "조건 지우기" }).click();
    await settled(page);
    assert.equal((await products(page, "#new-items")).length, 20);
    assert.deepEqual(complaints, []);
    await close();
  });

  test("tells all it knows of a product in a sheet, by keyboard alone", async () => {
    const { page, close } = await open(browser, base);
    await page.locator('#tabs [aria-selected="true"]').focus();
    await page.keyboard.press("ArrowRight");
    assert.match(page.url(), /tab=/);
    await page.keyboard.press("ArrowLeft");
    await settled(page);
    let reached = false;
    for (let turn = 0; turn < 120 && !reached; turn += 1) {
      await page.keyboard.press("Tab");
      reached = await page.evaluate(() => document.activeElement.matches("#new-items .card-open"));
    }
    assert.ok(reached, "Tab reaches a card");
    const ring = await page.evaluate(() => getComputedStyle(document.activeElement, "::after").outlineStyle);
    assert.equal(ring, "solid");
    const title = await page.evaluate(() => document.activeElement.textContent);
    await page.keyboard.press("Enter");
    const sheet = page.locator("#sheet");
    assert.equal(await sheet.locator("h2").innerText(), title);
    assert.ok((await sheet.locator(".slots li").count()) > 0);
    assert.deepEqual(await axe(page), []);
    await page.keyboard.press("Escape");
    assert.ok(!(await sheet.isVisible()));
    assert.equal(await page.evaluate(() => document.activeElement.textContent), title, "the focus is back");
    await close();
  });
});

describe("the controls", () => {
  test("are closed without the secret, and the public surfaces stay", async () => {
    const { page, requests, complaints, close } = await open(
      browser,
      base,
      "/?viewer=u000001&as_of=2026-01-01T00:00:00%2B09:00",
    );
    assert.ok(await page.locator("#viewer").isDisabled());
    assert.ok(await page.locator("#time").isDisabled());
    assert.ok(await page.getByText("미리보기 열쇠가 있어야").isVisible());
    assert.ok((await products(page, "#new-items")).length > 0);
    for (const { path, query, headers } of requests.filter((request) => request.path.startsWith("/v1/"))) {
      assert.ok(!query.has("viewer") && !query.has("as_of") && headers["sinsang-preview"] === undefined, path);
    }
    assert.deepEqual(complaints, []);
    await close();
  });

  test("keep the secret out of the address and send it as a header", async () => {
    const { page, requests, close } = await open(browser, base, preview());
    assert.ok(!page.url().includes("#"));
    assert.ok(await page.locator("#viewer").isEnabled());
    assert.equal(requests.find((request) => request.path === "/v1/home").headers["sinsang-preview"], secret);
    assert.ok(requests.every(({ query }) => !query.toString().includes(secret)));
    await page.reload();
    await settled(page);
    assert.ok(await page.locator("#viewer").isEnabled(), "it lasts as long as the window");
    await close();
  });

  test("picking a viewer changes the order and the address; the link shows the same again", async () => {
    const { page, complaints, strangers, close } = await open(browser, base, preview());
    await page.locator("#viewer option").nth(2).waitFor({ state: "attached" });
    const [one, other] = await tastes(page);
    assert.ok(other !== undefined, "two demo users have different orders");
    await page.locator("#viewer").selectOption(one);
    await settled(page);
    const first = await products(page, "#new-items");
    await page.locator("#viewer").selectOption(other);
    await settled(page);
    const second = await products(page, "#new-items");
    assert.notDeepEqual(first, second);
    assert.equal(new URL(page.url()).searchParams.get("viewer"), other);
    assert.ok(await page.locator("#phone-viewer").getByText("맞춤 순서").isVisible());

    const fixed = (await (await fetch(`${base}/v1/status`)).json()).now.slice(0, 13);
    const link = `?viewer=${one}&as_of=${encodeURIComponent(`${fixed}:30:00+09:00`)}&sort=soonest`;
    const again = await open(browser, base, preview(link));
    assert.equal(await again.page.locator("#viewer").inputValue(), one);
    assert.equal(await again.page.locator("#phone-clock").innerText(), `${fixed.slice(11)}:30`);
    assert.ok(await again.page.getByRole("radio", { name: "방송순" }).isChecked());
    assert.ok((await again.page.locator(".day-name").count()) > 0);
    assert.equal(await again.page.locator("#phone-clock-kind").innerText(), "고른 시각");
    await again.close();

    await page.goBack();
    await settled(page);
    assert.deepEqual(await products(page, "#new-items"), first);
    assert.deepEqual(strangers, []);
    assert.deepEqual(complaints, []);
    await close();
  });

  test("moving through time moves the surfaces", async () => {
    const { page, requests, complaints, close } = await open(browser, base, preview());
    const now = await products(page, "#strip-items");
    await page.getByRole("button", { name: "+1일" }).click();
    await settled(page);
    assert.match(page.url(), /as_of=/);
    const tomorrow = await products(page, "#strip-items");
    assert.notDeepEqual(now, tomorrow);
    const rest = await page.locator("#strip-items .rest").first().innerText();
    await page.waitForTimeout(1200);
    assert.equal(await page.locator("#strip-items .rest").first().innerText(), rest, "a chosen time stands still");

    const slider = page.locator("#time-slider");
    await slider.focus();
    for (let turn = 0; turn < 12; turn += 1) await page.keyboard.press("ArrowRight");
    const asOf = new URL(page.url()).searchParams.get("as_of");
    const lastAsked = () => requests.findLast((request) => request.path === "/v1/home").query.get("as_of");
    await until(page, () => lastAsked() === asOf);
    assert.equal(lastAsked(), asOf);
    await settled(page);
    assert.equal((await page.locator("#time").inputValue()).slice(0, 16), asOf.slice(0, 16));

    await page.getByRole("button", { name: "지금", exact: true }).click();
    await settled(page);
    assert.ok(!page.url().includes("as_of"));
    assert.deepEqual(complaints, []);
    await close();
  });

  test("a token is sent as it is, and a bad one can be taken away", async () => {
    const { page, requests, close } = await open(browser, base);
    await page.getByText("토큰으로 보기", { exact: true }).click();
    await page.locator("#token").fill("not.a.token");
    await page.getByRole("button", { name: "이 토큰으로 보기" }).click();
    await page.getByText("토큰을 쓸 수 없어요").waitFor();
    assert.equal(
      requests.findLast((request) => request.path === "/v1/home").headers.authorization,
      "Bearer not.a.token",
    );
    await page.getByRole("button", { name: "토큰 지우기" }).click();
    await settled(page);
    assert.ok((await products(page, "#new-items")).length > 0);
    await close();
  });

  test("every answer can be read with its headers", async () => {
    const { page, close } = await open(browser, base, "/", { width: 800 });
    const row = page.locator('details[data-route="/v1/home"]').first();
    await row.locator("summary").click();
    const answer = JSON.parse(await row.locator("pre").innerText());
    assert.deepEqual(
      answer.new.items.map((item) => item.product_id),
      await products(page, "#new-items"),
    );
    assert.ok((await row.locator(".waterfall rect").count()) >= 2, "each answer says where its time went");
    assert.match(await row.locator(".facts").innerText(), /가져온 곳\s+\S[^]*자료 나이\s+\d+/);
    const headers = await row.locator("th").allInnerTexts();
    for (const name of ["ETag", "Cache-Control", "Sinsang-Rung", "Sinsang-Age", "Sinsang-Snapshot", "Server-Timing"])
      assert.ok(headers.includes(name), name);
    assert.match(await row.locator("summary").innerText(), /200[^]*\/v1\/home[^]*ms · [\d.]+ K?B/);
    await close();
  });
});

describe("in English", () => {
  test("nothing but data is Korean, and the switch leads back", async () => {
    const { page, complaints, close } = await open(browser, base, preview("?lang=en&sort=soonest&tool=speed"));
    assert.deepEqual(await korean(page), []);
    assert.equal(await page.evaluate(() => document.documentElement.lang), "en");
    assert.deepEqual(await axe(page), []);
    await page.getByRole("button", { name: "한국어" }).click();
    await page.getByText("미리보기 설정", { exact: true }).waitFor();
    assert.ok(!page.url().includes("lang="));
    assert.deepEqual(complaints, []);
    await close();
  });
});

describe("at first sight", () => {
  test("the page is at most 150 KB after gzip, and nothing of the tools' libraries is asked for", async (t) => {
    const { page, requests, close } = await open(browser, base);
    const assets = [...new Set(requests.map(({ path }) => path))].filter((path) => !path.startsWith("/v1/"));
    assert.deepEqual(assets.filter((path) => path.startsWith("/built/")), ["/built/client.js"]);
    const { gzipSync } = await import("node:zlib");
    let size = 0;
    for (const path of assets) size += gzipSync(Buffer.from(await (await fetch(base + path)).arrayBuffer())).length;
    t.diagnostic(`${size} bytes in ${assets.length} files`);
    assert.ok(assets.length > 15 && size <= 150_000, `${size} bytes in ${assets.length} files`);
    await page.getByRole("tab", { name: "속도" }).click();
    await page.locator("#tool-speed .waterfall").waitFor();
    await close();
  });
});

describe("in any window", () => {
  for (const width of [360, 800, 1400]) {
    for (const colorScheme of ["light", "dark"]) {
      test(`${width} wide and ${colorScheme}: nothing sticks out, axe finds nothing`, async () => {
        const { page, complaints, close } = await open(browser, base, preview("?sort=soonest"), {
          width,
          colorScheme,
          reducedMotion: "reduce",
        });
        assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= width);
        assert.ok(
          await page.evaluate(
            () => document.querySelector("#surface").scrollWidth <= document.querySelector("#surface").clientWidth,
          ),
        );
        assert.deepEqual(await overflowing(page), []);
        assert.deepEqual(await axe(page), []);
        await page.getByRole("tab", { name: "생방송" }).click();
        await settled(page);
        assert.deepEqual(await overflowing(page), []);
        assert.deepEqual(await axe(page), []);
        assert.deepEqual(complaints, []);
        await close();
      });
    }
  }
});
