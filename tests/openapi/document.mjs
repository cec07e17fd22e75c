// www/openapi.json, and what its checks ask of it.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
export const PATH = fileURLToPath(new URL("../../www/openapi.json", import.meta.url));
export const DOCUMENT = JSON.parse(readFileSync(PATH, "utf8"));

/** The object at a pointer, or what a `$ref` leads to. */
export function resolve(node, document = DOCUMENT) {
  if (node.$ref === undefined) return node;
  const parts = node.$ref.slice(2).split("/");
  return parts.reduce((inner, part) => inner?.[part.replaceAll("~1", "/").replaceAll("~0", "~")], document);
}

/** All operations, as `{ path, method, operation }`. */
export function operations(document = DOCUMENT) {
  const all = Object.entries(document.paths).flatMap(([path, item]) => Object.entries(item).map(([method, operation]) => ({ path, method, operation })));
  return all;
}

/** A part of a pointer, escaped. */
const part = (name) => `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;

/** Every body with an example, as `{ name, pointer, example }`: the place of its schema. */
export function examples(document = DOCUMENT) {
  const of = (name, holder, at) => {
    const [body, from] = holder.$ref === undefined ? [holder, at] : [resolve(holder, document), holder.$ref.slice(1)];
    return Object.entries(body.content ?? {}).map(([type, { example }]) => ({ name: `${name} ${type}`, pointer: `${from}/content${part(type)}/schema`, example }));
  };
  return operations(document).flatMap(({ path, method, operation }) => {
    const at = `/paths${part(path)}/${method}`;
    const told = Object.entries(operation.responses).flatMap(([status, response]) => of(`${path} ${status}`, response, `${at}/responses/${status}`));
    return operation.requestBody === undefined ? told : [...of(`${path} asked`, operation.requestBody, `${at}/requestBody`), ...told];
  });
}

/** Calls `visit` with every object of a value and its pointer. */
export function walk(node, visit, at = "") {
  if (node === null || typeof node !== "object") return;
  visit(node, at);
  for (const [name, inner] of Object.entries(node)) walk(inner, visit, `${at}${part(name)}`);
}
