// Takes the screenshots of docs/ from a running Worker with demo data: SINSANG_URL=…
// SINSANG_PREVIEW=… node tests/page/screenshot.mjs

import { fileURLToPath } from "node:url";

import { launch, open, settled } from "./browser.mjs";

const base = process.env.SINSANG_URL?.replace(/\/$/, "");
const secret = process.env.SINSANG_PREVIEW;
if (base === undefined || secret === undefined) {
  console.error("set SINSANG_URL to the address of a running Worker and SINSANG_PREVIEW to its preview secret");
  process.exit(2);
}
const folder = process.argv[2] ?? fileURLToPath(new URL("../../docs/", import.meta.url));
const hash = `#preview=${encodeURIComponent(secret)}`;
const desk = { width: 1400, height: 900 };
const shots = [
  ["wide", "tool=why", desk, true],
  ["dark", "tool=answers&sort=soonest", { ...desk, colorScheme: "dark" }, true],
  ["compare", "tool=compare&list=live", desk, true],
  ["why", "tool=why", { ...desk, height: 1400 }, true],
  ["trial", "tool=trial&weights=new.soon:72", desk, true],
  ["speed", "tool=speed", { ...desk, height: 1160 }, true],
  ["quality", "tool=quality", { ...desk, height: 1500 }, false],
  ["english", "tool=trial&weights=new.soon:72&lang=en", desk, true],
  ["narrow", "", { width: 390, height: 844, deviceScaleFactor: 2 }, false],
  ["live", "tab=live", { width: 390, height: 844, deviceScaleFactor: 2 }, false],
];

const browser = await launch();
try {
  for (const [name, query, context, personal] of shots) {
    const { page, close } = await open(browser, base, `/?${query}${hash}`, { reducedMotion: "reduce", ...context });
    if (personal) {
      const viewer = page.locator("#viewer option").nth(1);
      await viewer.waitFor({ state: "attached" });
      await page.locator("#viewer").selectOption(await viewer.getAttribute("value"));
      await page.locator("#phone-viewer .personal").waitFor();
      await settled(page);
    }
    const tool = new URLSearchParams(query).get("tool");
    const drawn = { compare: ".compare-side li", why: ".why-list li", trial: ".trial-list li", quality: "#rejects" }[tool];
    if (drawn !== undefined) await page.locator(drawn).first().waitFor();
    if (tool === "why") await page.locator(".why-list summary").first().click();
    if (tool === "trial") await page.locator("#phone-trial").waitFor();
    if (tool === "speed") {
      await page.locator("#tool-speed .button").click();
      await page.locator(".chart canvas").waitFor({ timeout: 60_000 });
    }
    await page.screenshot({ path: `${folder.replace(/\/$/, "")}/screenshot-${name}.png` });
    await close();
  }
} finally {
  await browser.close();
}
