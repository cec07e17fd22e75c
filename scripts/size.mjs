// Measures the built Worker and fails where its Wasm is larger after gzip -9 than WASM_GZIP_BUDGET bytes.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const root = new URL("..", import.meta.url);
const measure = (path) => {
  const bytes = readFileSync(new URL(path, root));
  return { raw: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length };
};
const budget = Number(process.env.WASM_GZIP_BUDGET);
if (!Number.isInteger(budget) || budget <= 0) {
  console.error(`WASM_GZIP_BUDGET has to be a number of bytes, not "${process.env.WASM_GZIP_BUDGET}"`);
  process.exit(2);
}
const wasm = measure("build/index_bg.wasm");
const script = measure("build/index.js");
const n = (bytes) => bytes.toLocaleString("en-US");
console.log(`build/index_bg.wasm  ${n(wasm.raw)} bytes, ${n(wasm.gzip)} after gzip -9 (budget ${n(budget)})`);
console.log(`build/index.js       ${n(script.raw)} bytes, ${n(script.gzip)} after gzip -9`);
if (wasm.gzip > budget) {
  console.error(`over budget by ${n(wasm.gzip - budget)} bytes: find what grew, or raise WASM_GZIP_BUDGET and say why`);
  process.exit(1);
}
