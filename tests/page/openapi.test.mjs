// The OpenAPI document: its schemas compile under strict rules, and its examples and real answers
// conform to them.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";

import Ajv from "ajv/dist/2020.js";
import formats from "ajv-formats";

import { startMock } from "./mock.mjs";

const doc = JSON.parse(await readFile(new URL("../../www/openapi.json", import.meta.url), "utf8"));
const ajv = new Ajv({ strict: true, strictTypes: false, allowUnionTypes: true, allErrors: true });
formats(ajv);
// The parts of the document that are not JSON Schema are not validated here.
ajv.addVocabulary(["openapi", "info", "servers", "jsonSchemaDialect", "paths", "components"]);
ajv.addSchema(doc, "api");

let server;

before(async () => {
  server = process.env.SINSANG_URL === undefined ? await startMock() : null;
});

after(() => server?.stop());

function validator(pointer) {
  return ajv.compile({ $ref: `api#${pointer}` });
}

function resolve(node) {
  if (node.$ref === undefined) return node;
  return node.$ref
    .slice(2)
    .split("/")
    .reduce((inner, key) => inner[key], doc);
}

/** Every response body of every route, as `[name, pointer to its schema, example]`. */
function bodies() {
  return Object.entries(doc.paths).flatMap(([path, { get, post }]) =>
    Object.entries((get ?? post).responses).flatMap(([status, response]) =>
      Object.entries(resolve(response).content ?? {}).map(([type, { schema, example }]) => [
        `${path} ${status} ${type}`,
        schema.$ref.slice(1),
        example,
      ]),
    ),
  );
}

test("every reference leads somewhere", () => {
  const text = JSON.stringify(doc);
  const references = [...text.matchAll(/"\$ref":"(#[^"]+)"/g)].map((match) => match[1]);
  assert.ok(references.length > 50);
  for (const reference of references) assert.ok(resolve({ $ref: reference }) !== undefined, reference);
});

test("every example is what its schema says", () => {
  const all = bodies();
  assert.ok(all.length > 20);
  for (const [name, pointer, example] of all) {
    const validate = validator(pointer);
    assert.ok(validate(example), `${name}: ${ajv.errorsText(validate.errors)}`);
  }
});

test("a schema refuses what it does not know", () => {
  const validate = validator("/components/schemas/Tab");
  const tab = { tab_id: "new", label: "신상품", pinned: true, target: "/new", position: 0 };
  assert.ok(validate(tab));
  assert.ok(!validate({ ...tab, colour: "red" }));
  assert.ok(!validate({ ...tab, position: null }));
});

test("answers are what the document says", async () => {
  const base = process.env.SINSANG_URL ?? server.url;
  const asked = [
    ["/v1/home", "/v1/home"],
    ["/v1/home?limit=100", "/v1/home"],
    ["/v1/new?limit=3", "/v1/new"],
    ["/v1/new?sort=soonest", "/v1/new"],
    ["/v1/live", "/v1/live"],
    ["/v1/tabs", "/v1/tabs"],
    ["/v1/status", "/v1/status"],
    ["/healthz", "/healthz"],
    ["/v1/new?limit=0", "/v1/new"],
    ["/v1/live?viewer=u000001", "/v1/live"],
  ];
  for (const [address, path] of asked) {
    const answer = await fetch(base + address);
    const response = doc.paths[path].get.responses[answer.status];
    assert.ok(response !== undefined, `${address}: status ${answer.status} is not described`);
    const { content, headers = {} } = resolve(response);
    const type = answer.headers.get("content-type").split(";")[0];
    assert.ok(content[type] !== undefined, `${address}: ${type} is not described`);
    const validate = validator(content[type].schema.$ref.slice(1));
    assert.ok(validate(await answer.json()), `${address}: ${ajv.errorsText(validate.errors)}`);
    for (const [name, header] of Object.entries(headers)) {
      assert.ok(answer.headers.has(name) || !resolve(header).required, `${address}: no ${name}`);
    }
  }
});

// The mock takes the document's parameters, so only a real Worker proves anything.
test("a route names the parameters that the document describes", { skip: process.env.SINSANG_URL === undefined && "SINSANG_URL names no Worker" }, async () => {
  const base = process.env.SINSANG_URL;
  for (const [path, { get }] of Object.entries(doc.paths).filter(([, { get }]) => get)) {
    const answer = await fetch(`${base}${path}?surely_unknown=1`);
    assert.equal(answer.status, 400, path);
    const { detail } = await answer.json();
    const described = (get.parameters ?? [])
      .map(resolve)
      .filter((one) => one.in === "query")
      .map((one) => one.name);
    for (const name of described) assert.ok(detail.includes(name), `${path}: ${name} is described, but "${detail}"`);
  }
});
