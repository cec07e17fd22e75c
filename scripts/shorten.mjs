// `node scripts/shorten.mjs FILE.wasm BINDINGS.mjs`: gives the imports and exports of a Wasm module
// names of a letter or two, there and in the bindings. wasm-bindgen names them with hashes, which
// no compression shortens; they are one percent of the Worker.
import { readFileSync, writeFileSync } from "node:fs";

const IMPORTS = 2;
const EXPORTS = 7;
/** The module that wasm-bindgen imports everything from. */
const MODULE = "./index_bg.js";
/** Names that people write in other files stay: `fetch`, `memory`. */
const isMade = (name) => /^__|wasm_bindgen/.test(name);

const [wasmPath, bindingsPath] = process.argv.slice(2);
const wasm = readFileSync(wasmPath);
let bindings = readFileSync(bindingsPath, "utf8");

/** Reads a section's bytes in turn. */
class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  number() {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.bytes[this.at++];
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  }

  take(length) {
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  name() {
    return this.take(this.number()).toString();
  }

  /** The bytes that `read` passes over, unchanged. */
  raw(read) {
    const from = this.at;
    read();
    return this.bytes.subarray(from, this.at);
  }

  limits() {
    const flags = this.number();
    this.number();
    if (flags & 1) this.number();
  }

  /** The kind of an import and its type. */
  described() {
    const kind = this.number();
    if (kind === 0) this.number();
    else if (kind === 1) (this.number(), this.limits());
    else if (kind === 2) this.limits();
    else if (kind === 3) (this.number(), this.number());
    else if (kind === 4) (this.number(), this.number());
    else throw new Error(`${wasmPath} imports something of the unknown kind ${kind}`);
  }
}

function number(value) {
  const bytes = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return Buffer.from([...bytes, value]);
}

function name(text) {
  const bytes = Buffer.from(text);
  return Buffer.concat([number(bytes.length), bytes]);
}

/** Short names in turn: a to z, then two letters. */
let made = 0;
function next() {
  const letter = (place) => String.fromCharCode(97 + place);
  const place = made++;
  return place < 26 ? letter(place) : letter(Math.floor(place / 26) - 1) + letter(place % 26);
}

const escaped = (text) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");

/**
 * Renames `old` where it follows `before` in the bindings; returns whether it is there, and reached
 * in no other way. A function of the bindings may have the same name.
 */
function renamed(before, old, short) {
  const wanted = new RegExp(`(?<=${before})${escaped(old)}(?![\\w$])`, "g");
  const other = new RegExp(`["'\`.]${escaped(old)}(?![\\w$])`, "g");
  if (!wanted.test(bindings)) return false;
  const changed = bindings.replaceAll(wanted, short);
  if (other.test(changed)) return false;
  bindings = changed;
  return true;
}

function imports(section) {
  const count = section.number();
  const entries = Array.from({ length: count }, () => {
    const [module, old] = [section.name(), section.name()];
    const rest = section.raw(() => section.described());
    const short = next();
    const isShort = module === MODULE && isMade(old) && renamed("\\n {8}", old, short);
    return Buffer.concat([name(module), name(isShort ? short : old), rest]);
  });
  return Buffer.concat([number(count), ...entries]);
}

function exports(section) {
  const count = section.number();
  const entries = Array.from({ length: count }, () => {
    const old = section.name();
    const rest = section.raw(() => (section.number(), section.number()));
    const short = next();
    return Buffer.concat([name(isMade(old) && renamed("wasm\\.", old, short) ? short : old), rest]);
  });
  return Buffer.concat([number(count), ...entries]);
}

const whole = new Reader(wasm);
const parts = [whole.take(8)];
while (whole.at < wasm.length) {
  const id = whole.number();
  const bytes = whole.take(whole.number());
  const rewritten = id === IMPORTS ? imports(new Reader(bytes)) : id === EXPORTS ? exports(new Reader(bytes)) : bytes;
  parts.push(Buffer.from([id]), number(rewritten.length), rewritten);
}
writeFileSync(wasmPath, Buffer.concat(parts));
writeFileSync(bindingsPath, bindings);
