// Checks answers against www/openapi.json: does the document allow this answer for this request?
import { readFileSync } from "node:fs";
import { join } from "node:path";
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { ROOT } from "./dataset.mjs";

const BASE = "https://sinsang.test/openapi.json";
const pointer = (...parts) => parts.map((part) => `/${part.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");

/**
 * The document as it holds for answers of one view: the properties that it marks as absent from
 * cards are required in full answers, and unknown in cards.
 */
export function held(document, isCard) {
  return JSON.parse(JSON.stringify(document), (_, node) => {
    const marked = Object.entries(node?.properties ?? {}).filter(([, schema]) => schema["x-absent-in"] === "card");
    for (const [name] of marked) {
      if (isCard) delete node.properties[name];
      else node.required = [...(node.required ?? []), name];
    }
    return node;
  });
}

/**
 * The path of `document` that an address belongs to: of several that fit, the one with the most
 * fixed text.
 */
export function pathOf(document, address) {
  if (document.paths?.[address] !== undefined) return address;
  const fits = (path) => new RegExp(`^${path.replaceAll(".", "\\.").replaceAll(/\{\w+\}/g, "[^/]+")}$`).test(address);
  const fixed = (path) => path.replaceAll(/\{\w+\}/g, "").length;
  const found = Object.keys(document.paths ?? {}).filter((path) => path.includes("{") && fits(path));
  return found.sort((a, b) => fixed(b) - fixed(a))[0];
}

/** The value that a body of this media type is validated as; `undefined` for broken JSON. */
const valueOf = (type, { json, text }) => (/[/+]json$/.test(type) ? json : text);

export class Contract {
  constructor(document = JSON.parse(readFileSync(join(ROOT, "www/openapi.json"), "utf8"))) {
    this.document = document;
    this.views = [false, true].map((isCard) => {
      const ajv = new Ajv2020({ strict: false, allErrors: true });
      addFormats.default(ajv);
      return { ajv: ajv.addSchema({ $id: BASE, ...held(document, isCard) }), validators: new Map() };
    });
  }

  /** An object of the document and its pointer, after following a `$ref`. */
  follow(object, at) {
    if (!object?.$ref) return [object, at];
    const path = object.$ref.replace(/^#/, "");
    const target = path.split("/").slice(1).reduce((here, part) => here?.[part.replaceAll("~1", "/").replaceAll("~0", "~")], this.document);
    return this.follow(target, path);
  }

  /** The faults of an answer, as texts; none if the document allows it. */
  faults({ method, path: address, search = "", status, headers, json, text }) {
    const path = pathOf(this.document, address);
    if (path === undefined) return [];
    const operation = this.document.paths[path];
    const verb = (method === "HEAD" ? "get" : method).toLowerCase();
    if (!operation[verb]) return status === 405 || status === 204 ? [] : [`${method} ${path} is not documented, yet answers ${status}`];
    const named = operation[verb].responses ?? {};
    const code = [String(status), `${String(status)[0]}XX`, "default"].find((code) => code in named);
    if (!code) return [`${method} ${path} does not document the status ${status}`];
    const [response, at] = this.follow(named[code], pointer("paths", path, verb, "responses", code));
    const faults = Object.entries(response.headers ?? {})
      .filter(([name, header]) => this.follow(header, "")[0]?.required && !headers.has(name))
      .map(([name]) => `${method} ${path} ${status} lacks the header ${name}`);
    const types = Object.keys(response.content ?? {});
    if (types.length === 0 || method === "HEAD" || status === 304) {
      return text ? [...faults, `${method} ${path} ${status} has a body, and documents none`] : faults;
    }
    const type = (headers.get("content-type") ?? "").split(";")[0].trim();
    if (!types.includes(type)) return [...faults, `${method} ${path} ${status} is "${type}", documented as ${types.join(", ")}`];
    const value = valueOf(type, { json, text });
    if (value === undefined) return [...faults, `${method} ${path} ${status} is not JSON: ${text.slice(0, 80)}`];
    const place = `${at}${pointer("content", type, "schema")}`;
    const { ajv, validators } = this.views[Number(new URLSearchParams(search).get("view") === "card")];
    if (!validators.has(place)) validators.set(place, ajv.compile({ $ref: `${BASE}#${encodeURI(place)}` }));
    const validate = validators.get(place);
    if (!validate(value)) {
      faults.push(...validate.errors.slice(0, 5).map((e) => `${method} ${path} ${status} ${e.instancePath || "/"} ${e.message}`));
    }
    return faults;
  }
}
