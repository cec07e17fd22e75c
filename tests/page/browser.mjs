// Opens the page in Debian's Chromium and records its requests and errors.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { chromium } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** A browser with an empty profile and no background requests of its own. */
export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/**
 * Opens `address` (path, query, fragment) of `base` in a fresh context. Resolves once the phone
 * shows something: cards or a state. With `movesClock`, `page.clock` moves the page's clock. The
 * result's `complaints` are console errors, exceptions and policy violations; `strangers` are
 * requests to other origins.
 */
export async function open(
  browser,
  base,
  address = "/",
  { width = 1400, height = 900, movesClock = false, ...context } = {},
) {
  const own = await browser.newContext({ viewport: { width, height }, locale: "ko-KR", ...context });
  const page = await own.newPage();
  if (movesClock) await page.clock.install();
  const complaints = [];
  const strangers = [];
  const requests = [];
  page.on("console", (message) => {
    if (message.type() !== "error") return;
    // A deployment without demo data has no demo users, and the browser reports that.
    if (message.location().url.endsWith("/demo/viewers.json")) return;
    complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.origin === new URL(base).origin)
      requests.push({ path: url.pathname, query: url.searchParams, headers: request.headers() });
    else if (url.protocol !== "data:") strangers.push(request.url());
  });
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) =>
      console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`),
    );
  });
  const document = await page.goto(base + address);
  await settled(page);
  return {
    page,
    policy: document.headers()["content-security-policy"] ?? "",
    complaints,
    strangers,
    requests,
    close: () => own.close(),
  };
}

/** Waits until no request is pending and the phone shows cards or a state. */
export async function settled(page) {
  await page.locator('#surface[aria-busy="false"]').waitFor();
  await page.locator("#surface :is(article.card, .state):visible").first().waitFor();
}

/** Waits until `holds` does, at most half a minute: machines under load are slow. */
export async function until(page, holds) {
  for (let turn = 0; turn < 600 && !holds(); turn += 1) await page.waitForTimeout(50);
}

/** Scrolls the phone's screen to its end, where the page requests the list's next page. */
export async function scrollToEnd(page) {
  await page.evaluate(() => (document.querySelector("#surface").scrollTop = 1e6));
}

/** Product ids of a list's visible cards, in order. */
export function products(page, list) {
  return page
    .locator(`${list} article[data-product]`)
    .evaluateAll((cards) => cards.map((card) => card.dataset.product));
}

/** Labels of the top tabs, in order. */
export function tabs(page) {
  return page.locator("#tabs [role=tab]").evaluateAll((all) => all.map((tab) => tab.dataset.tab));
}

/**
 * The violations that axe finds, one on each line. The policy forbids inline scripts, so axe is
 * injected through the debugger.
 */
export async function axe(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  return violations.flatMap(({ id, help, nodes }) => nodes.map((node) => `${id}: ${help}: ${node.html.slice(0, 200)}`));
}

/**
 * Korean texts on the page other than data. Options count as data, except those of the select that
 * `own` names.
 */
export function korean(page, own = "") {
  return page.evaluate((own) => {
    const found = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const { data, parentElement } = texts.currentNode;
      const kept = "[lang=ko], datalist, pre, code, .exchange-body td, script, noscript";
      const isData = parentElement.closest(kept) !== null || (parentElement.closest("option") !== null && (own === "" || parentElement.closest(own) === null));
      if (/\p{Script=Hangul}/u.test(data) && !isData) found.push(data.trim());
    }
    return found;
  }, own);
}

/** Elements that overflow the phone's screen outside a scroller. */
export function overflowing(page) {
  return page.evaluate(() => {
    const screen = document.querySelector(".phone-screen").getBoundingClientRect();
    const held = (node) => {
      for (
        let parent = node.parentElement;
        parent !== null && !parent.matches("#surface");
        parent = parent.parentElement
      ) {
        if (["auto", "scroll", "hidden"].includes(getComputedStyle(parent).overflowX)) return true;
      }
      return false;
    };
    return [...document.querySelectorAll("#surface *")]
      .filter((node) => node.getClientRects().length > 0 && !node.matches(".unseen"))
      .filter((node) => node.getBoundingClientRect().right > screen.right + 1 && !held(node))
      .map((node) => node.outerHTML.slice(0, 120));
  });
}

/** Random numbers below 1 from a seed (mulberry32). */
export function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
