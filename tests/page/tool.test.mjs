// The tools beside the phone, in a real browser with the built Worker: they rank with packs that
// only a Worker has.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { sinsang } from "../harness/dataset.mjs";
import { axe, korean, launch, open, products, random, settled } from "./browser.mjs";

const base = (process.env.SINSANG_URL ?? "").replace(/\/$/, "");
const secret = process.env.SINSANG_PREVIEW;
/** Number of random pairs whose orders are compared; the seed makes every run the same. */
const PAIRS = 200;

let browser;
let viewers;

before(async () => {
  assert.ok(base !== "" && secret, "SINSANG_URL and SINSANG_PREVIEW name a running Worker: make test-page");
  browser = await launch();
  viewers = (await (await fetch(`${base}/demo/viewers.json`, { headers: { "Sinsang-Preview": secret } })).json()).viewers.map((viewer) => viewer.user_id);
  assert.ok(viewers.length >= 2);
});

after(() => browser?.close());

const at = (query) => `/?${new URLSearchParams(query)}#preview=${encodeURIComponent(secret)}`;
const preview = { "Sinsang-Preview": secret };
const ask = async (path) => (await fetch(base + path, { headers: preview })).json();

describe("the core in the browser", () => {
  test("orders every surface as the edge does, for 200 random viewers and times", async () => {
    const { page, complaints, strangers, close } = await open(browser, base, at({}));
    const status = await ask("/v1/status");
    const next = random(20261122);
    const [fromMs, toMs] = [status.window.from, status.window.to].map(Date.parse);
    const pairs = Array.from({ length: PAIRS }, () => ({
      viewer: next() < 0.1 ? "" : viewers[Math.floor(next() * viewers.length)],
      atMs: Math.floor((fromMs + next() * (toMs - fromMs)) / 1000) * 1000,
    }));
    const result = await page.evaluate(
      async ({ pairs, secret, snapshot }) => {
        const { Local } = await import("/page/local.js");
        const { rfc3339 } = await import("/page/format.js");
        const local = new Local(() => ({ preview: secret, token: "" }));
        const found = { different: [], items: 0, personal: 0, orders: new Set() };
        for (const { viewer, atMs } of pairs) {
          const query = new URLSearchParams({ as_of: rfc3339(atMs), limit: "100" });
          if (viewer !== "") query.set("viewer", viewer);
          const answer = await fetch(`/v1/home?${query}`, { headers: { "Sinsang-Preview": secret } });
          const served = await answer.json();
          const own = (await local.seat(snapshot, viewer)).arrange({ now_ms: atMs, limit: 100 });
          for (const surface of ["tabs", "live", "new"]) {
            const [a, b] = [served[surface].items, own[surface].items].map((items) => JSON.stringify(items));
            if (a !== b) found.different.push(`${surface} of ${viewer} at ${rfc3339(atMs)}`);
            found.items += served[surface].items.length;
          }
          if (served.personalized !== own.personalized) found.different.push(`personalized of ${viewer}`);
          found.personal += served.personalized ? 1 : 0;
          found.orders.add(served.new.items.map((item) => item.product_id).join());
        }
        return { ...found, orders: found.orders.size };
      },
      { pairs, secret, snapshot: status.snapshot.id },
    );
    assert.deepEqual(result.different, []);
    assert.ok(result.personal > PAIRS / 2 && result.items > PAIRS * 20 && result.orders > PAIRS / 4, JSON.stringify(result));
    assert.deepEqual([complaints, strangers], [[], []]);
    await close();
  });

  test("downloads nothing without the secret, and one viewer's tastes alone with it", async () => {
    const { snapshot } = await ask("/v1/status");
    for (const path of ["/preview/snapshots", "/preview/board", `/preview/tastes?snapshot=${snapshot.id}`, "/preview/builds", "/demo/viewers.json", "/demo/other"]) {
      assert.equal((await fetch(base + path)).status, 403, path);
    }
    const tastes = await fetch(`${base}/preview/tastes?viewer=${viewers[0]}`, { headers: preview });
    assert.equal(tastes.headers.get("cache-control"), "no-store");
    const size = (await tastes.arrayBuffer()).byteLength;
    assert.ok(size > 100 && size < 1000, `${size} bytes`);
    assert.equal((await fetch(`${base}/preview/board?snapshot=0000000000000000`, { headers: preview })).status, 410);
    assert.equal((await fetch(`${base}/preview/board?snapshot=x`, { headers: preview })).status, 400);
    const { snapshots } = await ask("/preview/snapshots");
    assert.equal(snapshots[0].id, snapshot.id);
  });
});

describe("the tools", () => {
  test("compare the shared order with a viewer's, and say what moved", async () => {
    const { page, complaints, close } = await open(browser, base, at({ tool: "compare", viewer: viewers[0] }));
    await page.locator(".compare-side li").first().waitFor();
    const side = (index) =>
      page.locator(".compare-side").nth(index).locator("li").evaluateAll((all) => all.map((one) => one.dataset.item));
    const [left, right] = [await side(0), await side(1)];
    const [shared, own] = await Promise.all([ask("/v1/new?limit=20"), ask(`/v1/new?limit=20&viewer=${viewers[0]}`)]);
    const ids = ({ items }) => items.map((item) => item.product_id);
    assert.deepEqual([left, right], [ids(shared), ids(own)]);
    const moved = right.filter((id, place) => left.indexOf(id) !== place).length;
    assert.ok(moved > 0, "the viewer's order is another");
    assert.match(await page.locator(".figures").first().innerText(), new RegExp(`^20개 중 ${moved}개가 움직였어요`));
    assert.equal(await page.locator(".compare-lines path").count(), right.filter((id) => left.includes(id)).length);
    assert.deepEqual(await axe(page), []);

    await page.locator("#against").selectOption("viewer");
    await page.locator("#other-viewer").fill(viewers[1]);
    await page.locator("#other-viewer").press("Enter");
    await page.waitForFunction((id) => document.querySelectorAll(".compare-side h3")[1].textContent === id, viewers[1]);
    assert.deepEqual(await side(1), ids(await ask(`/v1/new?limit=20&viewer=${viewers[1]}`)));
    const link = new URL(page.url());
    assert.deepEqual([link.searchParams.get("against"), link.searchParams.get("other")], ["viewer", viewers[1]]);

    const again = await open(browser, base, `${link.pathname}${link.search}#preview=${encodeURIComponent(secret)}`);
    await again.page.locator(".compare-side li").first().waitFor();
    assert.equal(await again.page.locator(".compare-side h3").nth(1).innerText(), viewers[1]);
    await again.close();

    await page.locator("#against").selectOption("time");
    await page.locator('.tool:not([hidden]) input[name="list"][value="live"]').check();
    await page.locator(".compare-side .move.in").first().waitFor();

    const { snapshots } = await ask("/preview/snapshots");
    assert.equal(snapshots.length, 2, "the snapshot before is kept");
    await page.locator("#against").selectOption("snapshot");
    const [day, time] = [Number(snapshots[1].built_at.slice(8, 10)), snapshots[1].built_at.slice(11, 16)];
    await page.waitForFunction((text) => document.querySelectorAll(".compare-side h3")[1]?.textContent.endsWith(text), `${time}에 만든 자료`);
    assert.match(await page.locator(".compare-side h3").nth(1).innerText(), new RegExp(` ${day}일 `));
    assert.equal(await page.locator("#other-snapshot").inputValue(), snapshots[1].id);
    assert.ok((await page.locator(".compare-side").nth(1).locator("li").count()) > 0);
    assert.deepEqual(complaints, []);
    await close();
  });

  test("explain each place by parts that add up to its score, and the viewer by leanings", async () => {
    const { page, complaints, close } = await open(browser, base, at({ tool: "why", viewer: viewers[0] }));
    const rows = page.locator(".why-list details");
    await rows.first().waitFor();
    assert.deepEqual(
      await rows.evaluateAll((all) => all.slice(0, 20).map((one) => one.dataset.item)),
      await products(page, "#new-items"),
    );
    await rows.first().locator("summary").click();
    const number = (text) => Number(text.replaceAll(",", "").replace("−", "-"));
    await rows.first().locator(".parts").waitFor();
    const parts = await rows.first().locator(".parts tbody td:last-child").allInnerTexts();
    const whole = number(await rows.first().locator(".why-total").innerText());
    assert.equal(parts.map(number).reduce((sum, part) => sum + part, 0), whole);
    assert.match(await rows.first().locator(".verdict-line").innerText(), /판정: 신상품 .+/);
    // Some new products have a near one: its title, and the difference between the two.
    const { items } = await page.evaluate((path) => fetch(path).then((answer) => answer.json()), "/v1/new?limit=100");
    const shown = await rows.evaluateAll((all) => all.map((one) => one.dataset.item));
    const near = items.find((item) => shown.includes(item.product_id) && item.verdict.evidence.nearest !== undefined);
    assert.ok(near, "no new product has a near one");
    const row = page.locator(`.why-list details[data-item="${near.product_id}"]`);
    if (!(await row.evaluate((details) => details.open))) await row.locator("summary").click();
    const { title, why } = near.verdict.evidence.nearest;
    assert.equal(await row.locator(".nearest").innerText(), `가장 비슷한 상품: ${title} — ${why}`);
    assert.ok((await page.locator(".leans").count()) >= 3, "categories, channels and hours");
    const { viewers: told } = await ask("/demo/viewers.json");
    const deeds = page.locator("#deeds tbody tr");
    assert.equal(await deeds.count(), told[0].events.length);
    const first = told[0].events.find((event) => event.title !== undefined && event.channel !== undefined);
    assert.match(await deeds.nth(told[0].events.indexOf(first)).innerText(), new RegExp(`${first.title.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}\\s+${first.channel}`));
    assert.match(await page.locator("#taste-facts").innerText(), /취향을 배운 때\s+.+전\s+취향 조각\s+\d+개 중 \d+번째\s+사용자 키\s+[0-9a-f]{16}/);
    assert.deepEqual(await axe(page), []);
    await page.locator('.tool:not([hidden]) input[name="list"][value="tabs"]').check();
    await page.locator('.why-list details[data-item="new"]').waitFor();
    assert.deepEqual(complaints, []);
    await close();
  });

  test("mark what rules and exploration did, and name the broadcast that a repeat repeats", async () => {
    const { page, complaints, close } = await open(browser, base, at({ tool: "why", viewer: viewers[0] }));
    const rows = page.locator(".why-list details");
    await rows.first().waitFor();
    const served = await ask(`/v1/home?limit=20&explain=1&viewer=${viewers[0]}`);
    const expected = served.new.items.map(({ why }) => [...new Set([...why.rules.map(() => "규칙"), ...(why.explored ? ["탐색"] : [])])]);
    assert.ok(["규칙", "탐색"].every((mark) => expected.flat().includes(mark)), JSON.stringify(expected));
    assert.deepEqual(await rows.evaluateAll((all) => all.slice(0, 20).map((row) => [...row.querySelectorAll(".mark")].map((mark) => mark.textContent))), expected);
    const ruled = rows.nth(expected.findIndex((marks) => marks.includes("규칙")));
    await ruled.locator("summary").click();
    assert.equal(await ruled.locator(".rule").first().innerText(), "운영 규칙 ‘식품 대전’: +100000점");
    assert.equal(await ruled.locator(".sentence").innerText(), served.new.items.find((_, place) => expected[place].includes("규칙")).why.text);

    const repeat = served.live.items.find((item) => item.verdict.evidence.earlier !== null && item.verdict.evidence.earlier !== undefined);
    assert.ok(repeat, "nothing on air has aired before");
    await page.locator('.tool:not([hidden]) input[name="list"][value="live"]').check();
    const row = page.locator(`.why-list details[data-item="${repeat.product_id}@${repeat.broadcast.channel.id}"]`);
    await row.locator("summary").click();
    const { starts_at, channel, title } = repeat.verdict.evidence.earlier;
    const matched = `그때 방송: ${starts_at.slice(0, 16).replace("T", " ")} ${channel} · ${title}`;
    await row.getByText(matched, { exact: true }).waitFor();
    assert.match(await row.locator(".verdict-line").innerText(), /^판정: 다시 방송 /);
    assert.deepEqual(complaints, []);
    await close();
  });

  test("try other weights, pins and blocks: the phone follows at once, and the rules can be copied", async () => {
    const { page, complaints, close } = await open(browser, base, at({ tool: "trial", viewer: viewers[0] }));
    await page.locator(".trial-list li").first().waitFor();
    const live = await products(page, "#new-items");
    const slider = page.locator('#weight-soon[type="range"]');
    await slider.focus();
    await page.keyboard.press("End");
    await page.locator("#phone-trial").waitFor();
    const tried = await products(page, "#new-items");
    assert.notDeepEqual(tried, live);
    assert.match(page.url(), /weights=new\.soon/);
    assert.match(await page.locator(".rules").innerText(), /^\[ranking\.new\]\ntaste = \d+\n[^]*soon = \d+ {2}# 24/);
    assert.match(await page.locator(".tool:not([hidden]) .figures").innerText(), /개가 움직였어요/);

    const last = page.locator(".trial-list li").nth(4);
    const id = await last.getAttribute("data-item");
    await last.getByRole("button", { name: /^위로/ }).click();
    await page.locator(`.trial-list li.pinned[data-item="${id}"]`).waitFor();
    assert.equal((await products(page, "#new-items"))[3], id);
    const blocked = (await products(page, "#new-items"))[0];
    await page.locator(`.trial-list li[data-item="${blocked}"]`).getByRole("button", { name: /^숨기기/ }).click();
    await page.locator(".trial-list .blocked").waitFor();
    assert.ok(!(await products(page, "#new-items")).includes(blocked));
    assert.deepEqual(await axe(page), []);

    // The copied text is a file that the command accepts, with the same pin and the same hidden
    // product.
    const copied = await page.locator(".rules").innerText();
    assert.match(copied, new RegExp(`do = "pin"\nplace = 4\nproduct = \\["${id}"\\]`));
    assert.match(copied, new RegExp(`do = "hide"\nproduct = \\["${blocked}"\\]`));
    const folder = await mkdtemp(join(tmpdir(), "sinsang-rules-"));
    await writeFile(join(folder, "rules.toml"), copied);
    assert.match(await sinsang("rules", "check", join(folder, "rules.toml")), /2/);
    await rm(folder, { recursive: true });

    const link = new URL(page.url());
    const shown = await products(page, "#new-items");
    const again = await open(browser, base, `${link.pathname}${link.search}#preview=${encodeURIComponent(secret)}`);
    await again.page.locator("#phone-trial").waitFor();
    assert.deepEqual(await products(again.page, "#new-items"), shown, "the link shows a colleague the same");
    await again.close();

    await page.getByRole("button", { name: "처음으로" }).click();
    await page.waitForFunction(() => document.querySelector("#phone-trial").hidden);
    assert.deepEqual(await products(page, "#new-items"), live);
    assert.deepEqual(complaints, []);
    await close();
  });

  test("a hundred requests are measured and drawn, and the last answer says what it stood on", async () => {
    const { page, requests, complaints, close } = await open(browser, base, "/?tool=speed");
    await page.locator("#tool-speed .waterfall rect").first().waitFor();
    const before = requests.filter((request) => request.path === "/v1/home").length;
    await page.getByRole("button", { name: "100번 요청해 보기" }).click();
    await page.locator("#hundred").waitFor({ timeout: 60_000 });
    assert.ok(requests.filter((request) => request.path === "/v1/home").length >= before + 100);
    assert.match(await page.locator("#hundred").innerText(), /요청\s+100\s+실패\s+0\s+가운데 \(p50\)\s+[\d.]+ ms/);
    // The chart library is loaded on first use, and may arrive after the numbers.
    await page.locator(".chart canvas").first().waitFor();
    assert.equal(await page.locator(".chart canvas").count(), 1);
    assert.deepEqual(await axe(page), []);
    assert.deepEqual(complaints, []);
    await close();
  });

  test("tell the quality of the snapshot by channel, and which titles claim too much", async () => {
    const { page, complaints, close } = await open(browser, base, at({ tool: "quality" }));
    await page.locator("#by-channel .verdicts").first().waitFor();
    const { counts } = await ask("/v1/status");
    const whole = await page.locator(".verdicts").first().innerText();
    for (const count of [counts.new, counts.repeat, counts.unknown]) assert.ok(whole.includes(count.toLocaleString("ko-KR")), whole);
    assert.ok((await page.locator(".claims li").count()) > 0);

    // Two builds, made by scripts/test-page.mjs: the evaluation of a day's events, and the rejected
    // rows.
    const builds = (await (await fetch(`${base}/preview/builds`, { headers: preview })).text()).trim().split("\n").map((line) => JSON.parse(line));
    assert.equal(builds.length, 2);
    await page.locator("#ranking-history canvas").waitFor();
    assert.equal(await page.locator(".history-chart canvas").count(), 4);
    const { ranking, shops } = builds[1];
    assert.ok(ranking.new.deeds > 5 && ranking.new.reciprocal > 0, JSON.stringify(ranking));
    assert.match(await page.locator("#ranking-history .chart").getAttribute("aria-label"), new RegExp(`각자의 순서 ${ranking.new.reciprocal.toFixed(3)}`));
    assert.match(await page.locator("#rejects").innerText(), /starts_at: not a time\s+2\s+편성\s+title: missing\s+1/);
    const unknown = await page.locator("#shops tbody tr", { hasText: "GS샵" }).first().locator("td").allInnerTexts();
    assert.equal(unknown[0], shops["GS샵"].new.toLocaleString("ko-KR"));
    assert.match(unknown[1], new RegExp(`^${shops["GS샵"].unknown.toLocaleString("ko-KR")}\\s*\\d+%`));
    assert.equal(unknown[3], "2");
    await page.locator(".numbers summary").click();
    assert.equal(await page.locator(".numbers tbody tr").count(), 2);
    assert.deepEqual(await axe(page), []);
    assert.deepEqual(complaints, []);
    await close();
  });

  test("say so where nothing is known of builds, or of one alone, and where the list can't be had", async () => {
    const line = { built_at: "2026-11-20T12:00:00+09:00", snapshot: "0", verdicts: { new: 3, repeat: 2, unknown: 1 }, shops: {}, tables: [{ table: "broadcasts", rows: 9, kept: 9, reasons: {}, shops: {} }], ranking: null };
    const cases = [
      ["", "#history", /지난 빌드의 기록이 아직 없어요/],
      [`no line\n${JSON.stringify(line)}\n`, "#one-build", /빌드가 하나뿐이에요/],
      [null, "#tool-quality [role=alert]", /./],
    ];
    for (const [body, place, words] of cases) {
      const { page, close } = await open(browser, base, at({}));
      await page.route("**/preview/builds", (route) => (body === null ? route.fulfill({ status: 503, body: "{}" }) : route.fulfill({ body })));
      await page.locator("#bench-quality").click();
      await page.locator(place).waitFor();
      assert.match(await page.locator(place).innerText(), words);
      assert.equal(await page.locator(".history-chart canvas").count(), 0);
      if (place === "#one-build") assert.equal(await page.locator("#no-rejects").count(), 1);
      assert.deepEqual(await axe(page), []);
      await close();
    }
  });

  test("are reached by arrow keys, and fit narrow windows in the dark", async () => {
    const narrow = { width: 360, height: 800, colorScheme: "dark", reducedMotion: "reduce" };
    const { page, complaints, close } = await open(browser, base, at({ viewer: viewers[1] }), narrow);
    await page.locator("#bench-answers").focus();
    const marks = { compare: ".compare-side li", why: ".why-list li", trial: ".trial-list li", speed: ".waterfall", quality: ".verdicts" };
    for (const [tool, mark] of Object.entries(marks)) {
      await page.keyboard.press("ArrowRight");
      await page.locator(`#tool-${tool} ${mark}`).first().waitFor();
      assert.equal(new URL(page.url()).searchParams.get("tool"), tool);
      assert.equal(await page.evaluate(() => document.activeElement.dataset.tool), tool);
      assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 360, `${tool} is no wider than the window`);
      assert.deepEqual(await axe(page), [], tool);
    }
    assert.deepEqual(complaints, []);
    await close();
  });

  test("are English where the address says so, but for data, and fit", async () => {
    const { page, complaints, close } = await open(browser, base, at({ viewer: viewers[0], lang: "en" }), { width: 1280 });
    const marks = { compare: ".compare-side li", why: ".why-list li", trial: ".trial-list li", speed: ".waterfall", quality: "#rejects" };
    for (const [tool, mark] of Object.entries(marks)) {
      await page.locator(`#bench-${tool}`).click();
      await page.locator(`#tool-${tool} ${mark}`).first().waitFor();
      if (tool === "why") await page.locator(".why-list summary").first().click();
      assert.deepEqual(await korean(page, "#against, #context-region, #context-device-class, #snapshot"), [], tool);
      const wide = await page.evaluate(() => [...document.querySelectorAll(".bench-tabs, .tool:not([hidden])")].filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.className));
      assert.deepEqual(wide, [], `${tool} is no wider than its place`);
    }
    assert.deepEqual(complaints, []);
    await close();
  });

  test("are closed without the secret, but for answers and speed", async () => {
    const { page, requests, close } = await open(browser, base, "/?tool=trial&weights=new.soon:90");
    await page.getByText("미리보기 열쇠가 필요해요", { exact: true }).waitFor();
    assert.ok(!(await page.locator("#phone-trial").isVisible()));
    assert.ok(requests.every(({ path }) => !path.startsWith("/preview/") && (!path.startsWith("/built/") || path === "/built/client.js")));
    await settled(page);
    await close();
  });
});
