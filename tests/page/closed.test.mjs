// Access: a deployment without a preview secret, and an app's token. Each test has its own Worker.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { dataset } from "../harness/dataset.mjs";
import { Edge, PREVIEW_SECRET } from "../harness/edge.mjs";
import { claims, hs256 } from "../harness/token.mjs";
import { axe, launch, open, products, settled } from "./browser.mjs";

let browser;
let data;

before(async () => {
  data = await dataset();
  browser = await launch();
});

after(() => browser?.close());

/** Runs `body` with the address of a new Worker. */
async function against(bindings, body) {
  const edge = await Edge.start({ snapshot: data.first, bindings });
  try {
    await body(edge.url.origin);
  } finally {
    await edge.stop();
  }
}

const ids = (items) => items.map((item) => item.product_id);

test("where the deployment has no secret the page shows the public surfaces alone, whatever key is tried", async () => {
  await against({ PREVIEW_SECRET: undefined }, async (base) => {
    const link = `/?viewer=${data.viewers[0].user_id}&as_of=2026-11-21T12:00:00%2B09:00&region=11&tool=why`;
    const { items } = await (await fetch(`${base}/v1/new?limit=20`)).json();
    const { page, requests, complaints, close } = await open(browser, base, link);
    assert.deepEqual(await products(page, "#new-items"), ids(items));
    for (const id of ["#viewer", "#viewer-text", "#time", "#time-slider", "#context-region", "#snapshot"]) assert.ok(await page.locator(id).isDisabled(), id);
    assert.ok(await page.getByText("공개 화면만 보고 있어요.").isVisible());
    await page.getByText("미리보기 열쇠가 필요해요", { exact: true }).waitFor();
    assert.ok(requests.every(({ path, query }) => !path.startsWith("/preview/") && !path.startsWith("/demo/") && !query.has("viewer") || path === "/"));
    assert.deepEqual(complaints, []);
    assert.deepEqual(await axe(page), []);
    await close();

    const tried = await open(browser, base, `${link}#preview=${encodeURIComponent(PREVIEW_SECRET)}`);
    assert.ok(await tried.page.getByText("미리보기를 열 수 없어요").isVisible());
    await tried.page.getByRole("button", { name: "공개 화면 보기" }).click();
    await settled(tried.page);
    assert.deepEqual(await products(tried.page, "#new-items"), ids(items));
    assert.ok(await tried.page.locator("#viewer").isDisabled());
    await tried.close();
  });
});

test("a token that is pasted in shows its user's surfaces, explained too, and is kept nowhere", async () => {
  await against({}, async (base) => {
    const user = data.viewers[0].user_id;
    const token = hs256(claims(user, Date.now()));
    const served = await (await fetch(`${base}/v1/home?limit=20`, { headers: { Authorization: `Bearer ${token}` } })).json();
    assert.equal(served.personalized, true);
    const { page, requests, complaints, close } = await open(browser, base, `/?tool=why#preview=${encodeURIComponent(PREVIEW_SECRET)}`);
    await page.getByText("토큰으로 보기", { exact: true }).click();
    await page.locator("#token").fill(token);
    await page.getByRole("button", { name: "이 토큰으로 보기" }).click();
    await page.locator("#phone-viewer .personal").waitFor();
    await settled(page);
    assert.equal(await page.locator("#phone-viewer strong").innerText(), "토큰 사용자");
    assert.deepEqual(await products(page, "#new-items"), ids(served.new.items));
    assert.ok(await page.locator("#viewer").isDisabled(), "the token names its own user");
    await page.locator("#taste-facts").waitFor();
    assert.deepEqual((await page.locator(".why-list details").evaluateAll((all) => all.map((one) => one.dataset.item))).slice(0, 20), ids(served.new.items));
    const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href]));
    assert.ok(!kept.includes(token));
    assert.ok(requests.every(({ query }) => !query.toString().includes(token)));
    await page.getByRole("button", { name: "지우기", exact: true }).click();
    await settled(page);
    const shared = await (await fetch(`${base}/v1/new?limit=20`)).json();
    await page.waitForFunction((first) => document.querySelector("#new-items article")?.dataset.product === first, shared.items[0].product_id);
    assert.deepEqual(complaints, []);
    await close();
  });
});
