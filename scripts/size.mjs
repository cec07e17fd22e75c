// Measures the built Workers; fails if a Worker's Wasm exceeds its budget in bytes after gzip -9.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const root = new URL("..", import.meta.url);
const measure = (path) => {
  const bytes = readFileSync(new URL(path, root));
  return { raw: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length };
};
const n = (bytes) => bytes.toLocaleString("en-US");
let isOver = false;
for (const [folder, variable] of [
  ["build", "WASM_GZIP_BUDGET"],
  ["crates/event-worker/build", "INTAKE_GZIP_BUDGET"],
]) {
  const budget = Number(process.env[variable]);
  if (!Number.isInteger(budget) || budget <= 0) {
    console.error(`${variable} has to be a number of bytes, not "${process.env[variable]}"`);
    process.exit(2);
  }
  const wasm = measure(`${folder}/index_bg.wasm`);
  const script = measure(`${folder}/index.js`);
  console.log(`${folder}/index_bg.wasm  ${n(wasm.raw)} bytes, ${n(wasm.gzip)} after gzip -9 (budget ${n(budget)})`);
  console.log(`${folder}/index.js       ${n(script.raw)} bytes, ${n(script.gzip)} after gzip -9`);
  if (wasm.gzip > budget) {
    console.error(`${folder} is over budget by ${n(wasm.gzip - budget)} bytes: find what grew, or raise ${variable} and say why`);
    isOver = true;
  }
}
process.exit(isOver ? 1 : 0);
