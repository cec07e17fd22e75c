// Answers against the OpenAPI document: of the Worker that the page is served by, or of the mock,
// which must answer in its forms.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";

import { Contract } from "../harness/contract.mjs";
import { startMock } from "./mock.mjs";

const doc = JSON.parse(await readFile(new URL("../../www/openapi.json", import.meta.url), "utf8"));
const contract = new Contract(doc);
const isMock = process.env.SINSANG_URL === undefined;
/** Paths that JavaScript or the assets serve: their queries are no closed list. */
const OPEN = /^\/(?:problems\/|preview\/(?!board|tastes|snapshots))/;

let server;

before(async () => {
  server = isMock ? await startMock() : null;
});

after(() => server?.stop());

test("answers are what the document says", async () => {
  const base = process.env.SINSANG_URL ?? server.url;
  const asked = [
    "/v1/home",
    "/v1/home?limit=100",
    "/v1/new?limit=3",
    "/v1/new?sort=soonest",
    "/v1/live",
    "/v1/tabs",
    "/v1/status",
    "/healthz",
    "/v1/new?limit=0",
    "/v1/live?viewer=u000001",
  ];
  for (const address of asked) {
    const url = new URL(address, base);
    const answer = await fetch(url);
    const text = await answer.text();
    const { status, headers } = answer;
    assert.ok(doc.paths[url.pathname].get.responses[status] !== undefined, `${address}: ${status}`);
    assert.deepEqual(contract.faults({ method: "GET", path: url.pathname, search: url.search, status, headers, text, json: JSON.parse(text) }), [], address);
  }
});

// The mock takes the document's parameters, so only a real Worker proves anything.
test("a route names the parameters that the document describes", { skip: isMock && "SINSANG_URL names no Worker" }, async () => {
  const parameters = (get) => (get.parameters ?? []).map(({ $ref }) => doc.components.parameters[$ref.split("/").at(-1)]);
  for (const [path, { get }] of Object.entries(doc.paths).filter(([path, { get }]) => get && !OPEN.test(path))) {
    const filled = parameters(get).reduce((told, { name, example }) => told.replace(`{${name}}`, () => encodeURIComponent(example)), path);
    const answer = await fetch(`${process.env.SINSANG_URL}${filled}?surely_unknown=1`);
    assert.equal(answer.status, 400, path);
    const { detail } = await answer.json();
    const described = parameters(get).filter((one) => one.in === "query").map((one) => one.name);
    const named = /expected one of (.*)$/.exec(detail)?.[1].split(", ") ?? [];
    assert.deepEqual(named.sort(), described.sort(), path);
  }
});
