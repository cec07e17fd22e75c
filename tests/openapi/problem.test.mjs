// Types of problems: what the Workers answer, the OpenAPI document and the pages in www/problems/
// name the same ones.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { page } from "../../scripts/problems.mjs";
import { DOCUMENT, ROOT, examples } from "./document.mjs";

const problems = DOCUMENT["x-problems"];
const kinds = Object.keys(problems).sort();
/** The sources that answer with problems, and how each begins one: status, kind, title. */
const SOURCES = {
  "src/reply/problem.rs": /\(\s*(\d{3}),\s*"([a-z-]+)",\s*"([^"]+)"/g,
  "crates/event-worker/src/answer.rs": /\(\s*(\d{3}),\s*"([a-z-]+)",\s*"([^"]+)"/g,
  "src/edge/preview.mjs": /problem\((\d{3}), "([a-z-]+)", "([^"]+)"/g,
};

test("the document has every problem that the Workers answer with, and no other", () => {
  const answered = new Set();
  for (const [path, form] of Object.entries(SOURCES)) {
    const found = [...readFileSync(join(ROOT, path), "utf8").matchAll(form)];
    assert.ok(found.length > 5, `${path}: ${found.length} problems`);
    for (const [, status, kind, title] of found) {
      answered.add(kind);
      assert.deepEqual([problems[kind]?.status, problems[kind]?.title], [Number(status), title], `${path}: ${kind}`);
    }
  }
  assert.deepEqual([...answered].sort(), kinds);
});

test("types, parameter and examples name the same problems", () => {
  const { schemas, parameters } = DOCUMENT.components;
  assert.deepEqual(schemas.ProblemType.enum.map((type) => type.replace("/problems/", "")).sort(), kinds);
  assert.deepEqual([...parameters.ProblemKind.schema.enum].sort(), kinds);
  const shown = examples().map(({ example }) => example).filter((example) => example?.type?.startsWith("/problems/"));
  for (const { type, status, title } of shown) {
    const { status: itsStatus, title: itsTitle } = problems[type.replace("/problems/", "")];
    assert.deepEqual([status, title], [itsStatus, itsTitle], type);
  }
  assert.deepEqual([...new Set(shown.map(({ type }) => type.replace("/problems/", "")))].sort(), kinds, "each has an example");
});

test("www/problems/ is what scripts/problems.mjs makes of the document", () => {
  const folder = join(ROOT, "www/problems");
  assert.deepEqual(readdirSync(folder).sort(), kinds.map((kind) => `${kind}.html`));
  for (const kind of kinds) {
    assert.equal(readFileSync(join(folder, `${kind}.html`), "utf8"), page(kind, problems[kind]), kind);
    assert.doesNotMatch(JSON.stringify(problems[kind]), /[<>&]/, `${kind} has characters of HTML`);
  }
});
