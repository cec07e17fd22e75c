// The OpenAPI document by itself: valid, without a linter's complaint, with examples that are what
// the schemas say, and with names that generators of any language can use.
import assert from "node:assert/strict";
import { test } from "node:test";

import { createConfig, lintFromString } from "@redocly/openapi-core";
import { Validator } from "@seriousme/openapi-schema-validator";
import Ajv from "ajv/dist/2020.js";
import formats from "ajv-formats";

import { held } from "../harness/contract.mjs";
import { DOCUMENT, PATH, examples, operations, resolve, walk } from "./document.mjs";

/** Keywords of the document that are none of JSON Schema's. */
const BESIDES = ["openapi", "info", "servers", "jsonSchemaDialect", "tags", "paths", "components", "discriminator", "example"];
/** A name in two words or more: no language reserves one. */
const OPERATION = /^[a-z]+([A-Z][a-z]+)+$/;

/** A function from a schema's pointer to its validator, for full answers or for cards. */
function validators(isCard) {
  const ajv = new Ajv({ strict: true, strictTypes: false, strictRequired: false, allowUnionTypes: true, allErrors: true });
  formats(ajv);
  ajv.addFormat("binary", true);
  ajv.addVocabulary([...BESIDES, "x-problems", "x-absent-in", "x-enum-varnames"]);
  ajv.addSchema(held(DOCUMENT, isCard), "api");
  return (pointer) => ajv.compile({ $ref: `api#${encodeURI(pointer)}` });
}

const full = validators(false);
const card = validators(true);
const schema = (name) => full(`/components/schemas/${name}`);
const list = (errors) => JSON.stringify(errors);

test("the document is valid OpenAPI", async () => {
  const { valid, errors } = await new Validator().validate(structuredClone(DOCUMENT));
  assert.ok(valid, list(errors));
});

test("a linter has nothing to say about it", async () => {
  const rules = {
    // `{product_id}.ics` is another resource than `{product_id}`, whose ids have no dot.
    "no-ambiguous-paths": "off",
    "operation-description": "off",
    "operation-singular-tag": "error",
    "tag-description": "error",
    "no-invalid-media-type-examples": "error",
    "no-invalid-parameter-examples": "error",
    "component-name-unique": "error",
  };
  const config = await createConfig({ extends: ["recommended-strict"], rules });
  const problems = await lintFromString({ source: JSON.stringify(DOCUMENT), absoluteRef: PATH, config });
  assert.deepEqual(problems.map(({ ruleId, message, location }) => `${ruleId}: ${message} (${location[0].pointer})`), []);
});

test("every reference leads somewhere", () => {
  let seen = 0;
  walk(DOCUMENT, (node, at) => {
    if (typeof node.$ref !== "string") return;
    seen += 1;
    assert.ok(resolve(node) !== undefined, `${at}: ${node.$ref}`);
  });
  assert.ok(seen > 100, `${seen} references`);
});

test("every example is what its schema says, and every answer in JSON has one", () => {
  const all = examples();
  const told = all.filter(({ example }) => example !== undefined);
  assert.ok(told.length > 60, `${told.length} examples`);
  for (const { name, pointer, example } of told) {
    const validate = full(pointer);
    assert.ok(validate(example), `${name}: ${list(validate.errors)}`);
  }
  assert.deepEqual(all.filter(({ name, example }) => name.endsWith("json") && !name.endsWith("ndjson") && example === undefined), []);
});

test("a schema refuses what it does not know, and what an answer in full or a card never has", () => {
  const tab = { tab_id: "new", label: "신상품", pinned: true, target: "/new", position: 0 };
  const validate = schema("Tab");
  assert.ok(validate(tab));
  assert.ok(!validate({ ...tab, colour: "red" }));
  assert.ok(!validate({ ...tab, position: null }));
  const verdict = (of, value) => of("/components/schemas/Verdict")(value);
  const evidence = DOCUMENT.paths["/v1/live"].get.responses[200].content["application/json"].example.items[0].verdict.evidence;
  assert.ok(verdict(full, { kind: "repeat", evidence }) && verdict(card, { kind: "repeat" }));
  assert.ok(!verdict(full, { kind: "repeat" }) && !verdict(card, { kind: "repeat", evidence }));
});

test("an event names what its kind asks for", () => {
  const validate = schema("Event");
  const event = { event_id: "7c9e6679-7425-40de", at: "2026-11-22T20:00:00.250+09:00" };
  const subjects = { product_id: "4783ee17d3919030", listing_id: "10041526", tab_id: "best", channel: "GS샵" };
  const asked = { tab_open: ["tab_id"], live_enter: ["product_id", "listing_id", "channel"] };
  for (const kind of Object.keys(DOCUMENT.components.schemas.Event.discriminator.mapping)) {
    assert.ok(!validate({ ...event, kind }), kind);
    for (const [name, subject] of Object.entries(subjects)) {
      const isEnough = (asked[kind] ?? ["product_id", "listing_id"]).includes(name);
      assert.equal(validate({ ...event, kind, [name]: subject }), isEnough, `${kind} with ${name}: ${list(validate.errors)}`);
    }
    assert.equal(validate({ ...event, ...subjects, kind, amount: 49_900 }), kind === "purchase", kind);
    assert.ok(!validate({ ...event, ...subjects, kind, variant: "a" }), "a variant without its experiment");
  }
  assert.ok(!validate({ ...event, ...subjects, kind: "glance" }));
});

test("operations have names that no language reserves, one tag, and errors as problems", () => {
  const names = operations().map(({ operation }) => operation.operationId);
  assert.equal(new Set(names).size, names.length);
  assert.deepEqual(names.filter((name) => !OPERATION.test(name)), []);
  assert.deepEqual(DOCUMENT.tags.map(({ name }) => name), ["app", "preview", "operations"]);
  for (const { path, operation } of operations()) {
    const tag = path.startsWith("/preview/") ? "preview" : path.startsWith("/v1/") && path !== "/v1/status" ? "app" : "operations";
    assert.deepEqual(operation.tags, [tag], path);
    for (const [status, response] of Object.entries(operation.responses)) {
      if (status < 301 || status === "304") continue;
      assert.deepEqual(Object.keys(resolve(response).content), ["application/problem+json"], `${path} ${status}`);
    }
    if (path !== "/problems/{kind}") assert.ok("405" in operation.responses, `${path} says nothing of other methods`);
  }
});

test("every enum has a type, and no schema a constant", () => {
  let seen = 0;
  walk(DOCUMENT.components, (node, at) => {
    if (Array.isArray(node.enum)) {
      seen += 1;
      assert.equal(node.type, "string", at);
      const names = node["x-enum-varnames"] ?? node.enum;
      assert.equal(names.length, node.enum.length, at);
      assert.deepEqual(names.filter((name) => !/^[a-z][A-Za-z_]*$/.test(name)), [], `${at} has values that are no names`);
    }
    // Generators make an enum of one boolean from it, which Swift does not compile.
    assert.ok(node.const === undefined, at);
  });
  assert.ok(seen > 15, `${seen} enums`);
});

test("a parameter of previews says so and stands behind the others", () => {
  const { parameters } = DOCUMENT.components;
  for (const [name, parameter] of Object.entries(parameters)) {
    assert.equal(parameter["x-preview-only"] === true, name.startsWith("Preview"), name);
  }
  for (const { path, operation } of operations()) {
    const named = (operation.parameters ?? []).map(({ $ref }) => $ref.split("/").at(-1)).filter((name) => parameters[name].in === "query");
    const first = named.findIndex((name) => name.startsWith("Preview"));
    if (first >= 0) assert.ok(named.slice(first).every((name) => name.startsWith("Preview")), `${path}: ${named}`);
    const isOpen = operation.security.some((one) => "Preview" in one);
    assert.equal(first >= 0 || path.startsWith("/preview/"), isOpen, `${path}: security`);
  }
});
