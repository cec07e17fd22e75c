// The clients for Kotlin and Swift (docs/clients): their types have the fields of the contract,
// each by its name, and admit what may be absent or null.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT } from "../harness/dataset.mjs";

const read = (path) => readFileSync(join(ROOT, path), "utf8");
const document = JSON.parse(read("www/openapi.json"));
const schemas = document.components.schemas;

/** A schema with the schemas in its place that it refers to. */
const whole = (schema) => (schema?.$ref ? whole(schemas[schema.$ref.split("/").at(-1)]) : schema);
const part = (name, field) => whole(whole(schemas[name]).properties[field]);

/** The schemas that each type stands for; a type of another name is a mistake. */
const STANDS_FOR = {
  ...Object.fromEntries(
    ["Snapshot", "Listing", "Channel", "Earlier", "NearestOther", "Evidence", "Verdict", "Broadcast", "NewItem", "Tab", "Home", "Problem", "EventBatch", "Accepted"]
      .map((name) => [name, [schemas[name]]]),
  ),
  // The schedule's items and pages are those of other lists; its channels are left out.
  LiveItem: [schemas.LiveItem, schemas.ScheduleItem],
  Surface: [schemas.LiveSurface, schemas.TabsSurface],
  Page: [schemas.NewSurface, schemas.Schedule],
  HomePart: [part("Home", "tabs"), part("Home", "live")],
  HomeNew: [part("Home", "new")],
  // What an event of any kind may say.
  Event: [schemas.EventFields ?? schemas.Event],
  Refused: [whole(part("Accepted", "refused").items)],
};
/** Fields that no app needs: it knows what it asked for, and is no preview. */
const LEFT_OUT = new Set(["surface", "unknown", "why", "from", "to", "channels"]);
/** Fields that kinds of events add to those of all. */
const OF_KINDS = new Set(["kind", "amount"]);
const SENT = new Set([schemas.EventFields ?? schemas.Event, schemas.EventBatch]);

/** Whether an answer may lack a field, or have null there. */
function mayBeMissing(schema, name) {
  const field = whole(schema.properties[name]);
  const isNullable = [field.type].flat().includes("null") || (field.oneOf ?? field.anyOf ?? []).some(({ type }) => type === "null");
  return isNullable || !schema.required.includes(name);
}

/** The types of the Kotlin file: name to fields, each `{name, admitsNothing}`. */
function kotlin(text) {
  const found = new Map();
  for (const [, type, body] of text.matchAll(/@Serializable\s+data class (\w+)(?:<\w+>)?\(([\s\S]*?)\)(?=\n)/g)) {
    const fields = [...body.matchAll(/(?:@SerialName\("(\w+)"\)\s+)?val (\w+): (\w+(?:<[^>]*>)?\??)( = [^,\n]+)?/g)];
    // An answer's field with a default may be absent, but only `?` takes null.
    found.set(type, fields.map(([, serial, name, its, otherwise]) => ({ name: serial ?? name, takesNull: its.endsWith("?"), takesNothing: its.endsWith("?") || otherwise !== undefined })));
  }
  return found;
}

/** The same of the Swift file, whose names are in CodingKeys where there are any. */
function swift(text) {
  const found = new Map();
  for (const [, type, body] of text.matchAll(/public struct (\w+)(?:<[^>]*>)?: Codable, Sendable \{([\s\S]*?\n?)\}(?=\n\n|\n$)/g)) {
    const keys = new Map();
    for (const [, cases] of body.matchAll(/\bcase ([^\n}]*)/g)) {
      for (const one of cases.split(",")) {
        const [name, key = name] = one.split("=").map((part) => part.trim().replaceAll('"', ""));
        keys.set(name, key);
      }
    }
    const fields = [];
    for (const [, names] of body.matchAll(/public var ([^\n}]*)/g)) {
      let untyped = [];
      for (const part of names.split(/,(?![^\[]*\])/)) {
        const [, name, its, otherwise] = /^\s*(\w+)(?::\s*([\w<>\[\]: ]+\??))?( = .*)?\s*$/.exec(part) ?? assert.fail(`${type}: ${part}`);
        untyped.push(name);
        if (its === undefined && otherwise === undefined) continue;
        const takes = its?.endsWith("?") ?? false;
        for (const each of untyped) fields.push({ name: keys.get(each) ?? (keys.size > 0 ? `${each} without a key` : each), takesNull: takes, takesNothing: takes });
        untyped = [];
      }
    }
    if (keys.size > 0) assert.deepEqual([...keys.values()].sort(), fields.map(({ name }) => name).sort(), `${type}'s CodingKeys`);
    found.set(type, fields);
  }
  return found;
}

/** What is wrong with types against the contract, as texts. */
function faults(types) {
  const wrong = [];
  for (const name of Object.keys(STANDS_FOR)) if (!types.has(name)) wrong.push(`${name} is missing`);
  for (const [type, fields] of types) {
    if (!STANDS_FOR[type]) {
      wrong.push(`${type} stands for nothing of the contract`);
      continue;
    }
    for (const schema of STANDS_FOR[type].filter(Boolean)) {
      const has = new Map(fields.map((field) => [field.name, field]));
      for (const name of has.keys()) {
        const isKnown = schema.properties[name] || (type === "Event" && OF_KINDS.has(name));
        if (!isKnown) wrong.push(`${type}.${name} is not in the contract`);
      }
      for (const name of Object.keys(schema.properties)) {
        if (LEFT_OUT.has(name)) continue;
        const field = has.get(name);
        if (!field) wrong.push(`${type} lacks ${name}`);
        else if (SENT.has(schema)) continue;
        else if (!(schema.required.includes(name) ? field.takesNull : field.takesNothing) && mayBeMissing(schema, name)) wrong.push(`${type}.${name} may be missing`);
      }
    }
  }
  return wrong;
}

for (const [language, path, types, mistakes] of [
  [
    "Kotlin",
    "docs/clients/Sinsang.kt",
    kotlin,
    [['"built_at"', '"made_at"'], ["val note: String? = null,", ""], ["val price: Int?", "val price: Int"], ["val airedProbability: Double? = null", "val airedProbability: Double"], ["class Earlier", "class Former"]],
  ],
  [
    "Swift",
    "docs/clients/Sinsang.swift",
    swift,
    [['"built_at"', '"made_at"'], ["detail, parameter: String?", "detail: String?"], ["reviewCount: Int?", "reviewCount: Int"], ["airedProbability: Double?", "airedProbability: Double"], ["struct Earlier", "struct Former"]],
  ],
]) {
  const text = read(path);

  test(`the fields of ${language}'s types are the contract's`, () => {
    const found = types(text);
    assert.ok([...found.values()].flat().length > 100, `${[...found.values()].flat().length} fields are read`);
    assert.deepEqual(faults(found), []);
  });

  test(`a field of ${language}'s that is renamed, left out or takes no null is found`, () => {
    for (const [from, to] of mistakes) {
      assert.ok(text.includes(from), from);
      assert.throws(() => assert.deepEqual(faults(types(text.replace(from, to))), []), assert.AssertionError, `${from} is not missed`);
    }
  });

  test(`${language}'s client asks for routes that there are, and knows the limits of docs/events.md`, () => {
    const resource = read("src/request/resource.rs");
    const routes = [...text.matchAll(/(?:get|list)\("(\w+)"|path: "(\w+)"/g)].map(([, one, other]) => one ?? other);
    assert.deepEqual(routes.sort(), ["home", "live", "new", "schedule", "tabs"]);
    for (const route of routes) assert.ok(resource.includes(`"/v1/${route}"`), route);
    for (const word of ["v1/events", "65_536", "100", "Sinsang-Device", "Retry-After", "410", "413"]) assert.ok(text.includes(word), word);
    assert.ok(text.split("\n").length <= 500, "one file of at most 500 lines");
  });
}
