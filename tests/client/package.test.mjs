// The package as it ships: its size, what it needs of a machine, its types, and that it knows every
// route and problem of the Workers.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { runInNewContext } from "node:vm";
import { gzipSync } from "node:zlib";
import { transformSync } from "esbuild";
import { ROOT } from "../harness/dataset.mjs";

const MOST_GZIP_BYTES = 6 * 1024;
const read = (path) => readFileSync(join(ROOT, path), "utf8");
const bundle = read("clients/typescript/build/index.js");

test("the module is at most 6 KB after gzip and imports nothing", (t) => {
  const bytes = gzipSync(bundle, { level: 9 }).length;
  t.diagnostic(`${bytes} bytes after gzip -9, ${bundle.length} before`);
  assert.ok(bytes <= MOST_GZIP_BYTES, `${bytes} bytes`);
  assert.doesNotMatch(bundle, /\bimport\b|\brequire\(/);
  const { dependencies, peerDependencies } = JSON.parse(read("clients/typescript/package.json"));
  assert.deepEqual([dependencies, peerDependencies], [undefined, undefined]);
});

test("it begins on an engine that has nothing but the language, fetch and timers", async () => {
  // React Native's engine: no document, no storage, no crypto, no signals with reasons.
  const { code } = transformSync(bundle, { format: "iife", globalName: "sinsang" });
  const asked = [];
  const answer = { status: 200, headers: { get: () => null }, text: async () => '{"items":[]}' };
  const globals = { setTimeout, clearTimeout, AbortController, fetch: async (url, init) => (asked.push([url, init.headers["Sinsang-Device"]]), answer) };
  const result = await runInNewContext(`${code};
    const client = new sinsang.Client({ base: "https://shop.example" });
    const events = new sinsang.EventQueue(client, { flushMs: 1 });
    client.tabs().then(({ data }) => [data, events.waiting]);`, globals);
  assert.deepEqual(JSON.parse(JSON.stringify(result)), [{ items: [] }, 0]);
  assert.match(asked[0][1], /^[0-9a-f]{32}$/);
});

test("its types allow what is meant and nothing else, and compile the README's example", () => {
  const readme = read("clients/typescript/README.md");
  const [example] = /(?<=```ts\n)[\s\S]*?(?=\n```)/.exec(readme);
  assert.match(example, /from "@sinsang\/client"/);
  const folder = join(ROOT, ".cache/test/client-types");
  mkdirSync(folder, { recursive: true });
  try {
    writeFileSync(join(folder, "example.ts"), example.replace('"@sinsang/client"', '"../../../clients/typescript/build/index.js"'));
    const options = ["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--target", "ES2022", "--module", "ES2022", "--moduleResolution", "bundler", "--lib", "ES2022,DOM"];
    const tsc = (...files) => spawnSync(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), ...options, ...files], { encoding: "utf8", cwd: ROOT });
    const { status, stdout } = tsc("tests/client/usage.ts", join(folder, "example.ts"));
    assert.equal(status, 0, stdout);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("its list of problems is the Workers'", () => {
  const found = new Map();
  for (const path of ["src/reply/problem.rs", "src/edge/preview.mjs", "crates/event-worker/src/answer.rs"]) {
    for (const [, status, kind] of read(path).matchAll(/\(\s*(\d{3}),\s*"([a-z-]+)",/g)) found.set(kind, status);
  }
  assert.ok(found.size >= 18, `${found.size} kinds`);
  const [list] = /interface ProblemStatus \{[\s\S]*?\n\}/.exec(read("clients/typescript/src/problem.ts"));
  const ours = new Map([...list.matchAll(/^ {2}"?([a-z-]+)"?: (\d{3});$/gm)].map(([, kind, status]) => [kind, status]));
  assert.deepEqual([...ours].sort(), [...found].sort());
});

test("it has a method for every route of data, and asks for no other", () => {
  const client = read("clients/typescript/src/client.ts");
  const its = new Set([...client.matchAll(/"(\/v1\/[^"]*)"/g)].map(([, path]) => path.replaceAll(/\{\w+\}/g, "{}")));
  const resource = read("src/request/resource.rs");
  const routes = new Set([...resource.matchAll(/"(\/v1\/[a-z/]+(?:\.ics)?)"/g)].map(([, path]) => path));
  // Calendars are for other programs.
  const expected = [...routes].filter((path) => !path.endsWith(".ics")).map((path) => (path === "/v1/products/" ? `${path}{}` : path === "/v1/listings/" ? `${path}{}/{}` : path));
  assert.deepEqual([...its].sort(), expected.sort());
  const document = JSON.parse(read("www/openapi.json"));
  const described = Object.entries(document.paths).filter(([path, { get }]) => get && path.startsWith("/v1/") && !path.endsWith(".ics"));
  for (const [path] of described) assert.ok(its.has(path.replaceAll(/\{\w+\}/g, "{}")), `${path} has no method`);
});
