// Writes www/problems/: for each type of problem in www/openapi.json, the page that its address
// leads to: node scripts/problems.mjs
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** The page of a problem of this kind. */
export function page(kind, { title, status, meaning, remedy }) {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
<h1>${title}</h1>
<p><code>/problems/${kind}</code>, with status ${status}.</p>
<h2>What it means</h2>
<p>${meaning}</p>
<h2>What to do</h2>
<p>${remedy}</p>
<p><a href="/openapi.json">The API's description</a></p>
</html>
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { "x-problems": problems } = JSON.parse(readFileSync(join(root, "www/openapi.json"), "utf8"));
  rmSync(join(root, "www/problems"), { recursive: true, force: true });
  mkdirSync(join(root, "www/problems"));
  for (const [kind, problem] of Object.entries(problems)) writeFileSync(join(root, "www/problems", `${kind}.html`), page(kind, problem));
}
