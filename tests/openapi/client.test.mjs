// What generators make of the OpenAPI document: types for TypeScript, which an app's code compiles
// against, and models for Kotlin and Swift, whose fields are those of the schemas. `make clients`
// has another generator make whole clients.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";

import openapiTS, { astToString } from "openapi-typescript";
import { InputData, JSONSchemaInput, quicktype } from "quicktype-core";

import { DOCUMENT, PATH, ROOT, resolve } from "./document.mjs";

const run = promisify(execFile);
const { schemas } = DOCUMENT.components;
const STRICT = ["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess", "--noUnusedLocals", "--target", "es2022", "--module", "nodenext"];

test("an app in TypeScript compiles against the types", async () => {
  const types = astToString(await openapiTS(pathToFileURL(PATH)));
  const folder = await mkdtemp(join(tmpdir(), "sinsang-openapi-"));
  try {
    await writeFile(join(folder, "package.json"), '{"type":"module"}');
    await writeFile(join(folder, "api.ts"), types);
    await copyFile(join(ROOT, "tests/openapi/usage.ts"), join(folder, "usage.ts"));
    const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
    const { stdout } = await run(process.execPath, [tsc, ...STRICT, "usage.ts"], { cwd: folder }).catch((error) => assert.fail(error.stdout));
    assert.equal(stdout, "");
  } finally {
    await rm(folder, { recursive: true });
  }
});

/** The properties of an object's schema, by name: whether a value may lack. */
function properties(schema) {
  const all = (schema.allOf ?? [schema]).map((part) => resolve(part));
  const required = new Set(all.flatMap((part) => part.required ?? []));
  const isNullable = ({ type, oneOf = [] }) => [type].flat().includes("null") || oneOf.some((one) => one.type === "null");
  return Object.fromEntries(all.flatMap((part) => Object.entries(part.properties ?? {})).map(([name, of]) => [name, !required.has(name) || isNullable(of)]));
}

/** How each language writes a model: its beginning, and its fields as `[name, type]`. */
const LANGUAGES = {
  kotlin: {
    options: { framework: "kotlinx" },
    head: (name) => `data class ${name} (`,
    fields: (body) => [...body.matchAll(/(?:@SerialName\("(\w+)"\)\s*)?val (\w+): ([^\n=]+)/g)].map(([, wire, name, type]) => [wire ?? name, type.replace(/,$/, "").trim()]),
  },
  swift: {
    options: {},
    head: (name) => `struct ${name}: Codable {`,
    fields: (body) => {
      const wire = Object.fromEntries([...body.matchAll(/case (\w+) = "(\w+)"/g)].map(([, name, text]) => [name, text]));
      return [...body.matchAll(/^ {4}let (\w+): (.+)$/gm)].map(([, name, type]) => [wire[name] ?? name, type]);
    },
  },
};

for (const [lang, { options, head, fields }] of Object.entries(LANGUAGES)) {
  test(`models in ${lang} have the fields of the schemas, and a type for each`, async () => {
    const input = new JSONSchemaInput(undefined);
    await input.addSource({ name: "Sinsang", uris: ["#/components/schemas/"], schema: JSON.stringify({ components: { schemas } }) });
    const inputData = new InputData();
    inputData.addInput(input);
    const { lines } = await quicktype({ inputData, lang, rendererOptions: options, combineClasses: false });
    const text = lines.join("\n");
    let seen = 0;
    for (const [name, schema] of Object.entries(schemas)) {
      const wanted = properties(schema);
      if (Object.keys(wanted).length === 0) continue;
      seen += 1;
      const from = text.indexOf(head(name));
      assert.ok(from >= 0, `no ${head(name)}`);
      const body = text.slice(from, text.indexOf(lang === "kotlin" ? "\n)" : "\n}", from));
      const found = Object.fromEntries(fields(body).map(([field, type]) => [field, /\?(?: = null)?$/.test(type)]));
      assert.deepEqual(found, wanted, `${name}: whether a field may lack`);
      assert.doesNotMatch(body, /\b(?:JSONAny|JsonElement|JsonObject|Any)\b/, `${name} has a field without a type`);
    }
    assert.ok(seen > 50, `${seen} models`);
  });
}
