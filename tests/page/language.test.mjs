// Every text of the page has its English; the texts are read from the sources.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

import { ENGLISH } from "../../www/page/english.js";

const PAGE = new URL("../../www/page/", import.meta.url);
const HANGUL = /\p{Script=Hangul}/u;
/** Files whose Korean is data: categories and titles. */
const DATA = new Set(["english.js", "picture.js"]);

function words() {
  const found = new Map();
  const add = (file, text) => HANGUL.test(text) && found.set(text, file);
  for (const file of readdirSync(PAGE).filter((name) => name.endsWith(".js") && !DATA.has(name))) {
    const source = readFileSync(new URL(file, PAGE), "utf8");
    for (const [, text] of source.matchAll(/\bsay\(\s*("(?:[^"\\]|\\.)*"),?\s*\)/g)) add(file, JSON.parse(text));
    for (const [, template] of source.matchAll(/\bsay`([^`]*)`/g)) {
      let text = template;
      // From the inside out: a value may contain an object.
      while (/\$\{[^{}]*\}/.test(text)) text = text.replace(/\$\{[^{}]*\}/g, "\0");
      add(file, text.replaceAll("\0", "{}"));
    }
  }
  const html = readFileSync(new URL("../index.html", PAGE), "utf8");
  for (const [, text] of html.matchAll(/>([^<>]+)</g)) add("index.html", text.trim());
  for (const [, text] of html.matchAll(/aria-label="([^"]*)"/g)) add("index.html", text);
  return found;
}

test("every word of the page has its English, with as many blanks", () => {
  const found = words();
  assert.ok(found.size > 200, `${found.size} words`);
  for (const [text, file] of found) {
    assert.ok(ENGLISH[text] !== undefined, `${file}: "${text}" has no English in english.js`);
    const blanks = (one) => one.split("{}").length;
    assert.equal(blanks(ENGLISH[text]), blanks(text), text);
    assert.ok(!HANGUL.test(ENGLISH[text]), text);
  }
});

test("nothing on the page is Korean without being asked for its English", () => {
  const bare = [];
  for (const file of readdirSync(PAGE).filter((name) => name.endsWith(".js") && !DATA.has(name))) {
    const source = readFileSync(new URL(file, PAGE), "utf8").replace(/\/\*[^]*?\*\//g, "");
    source.split("\n").forEach((line, index) => {
      const code = line.replace(/(^|\s)\/\/.*$/, "").replace(/\bsay\(\s*"(?:[^"\\]|\\.)*"/g, "").replace(/\bsay`[^`]*`/g, "");
      const known = /startsWith\("|CLAIM = |language\.textContent = /.test(line);
      if (HANGUL.test(code) && !known) bare.push(`${file}:${index + 1}: ${line.trim()}`);
    });
  }
  assert.deepEqual(bare, []);
});
