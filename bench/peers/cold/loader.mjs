// Starts an isolate anew for every request, within one process, and hands the request to it: what a cold isolate costs to its first byte,
// without the start of a process around it.
import sinsangJs from "sinsang.js.txt";
import sinsangWasm from "sinsang.wasm.bin";
import emptyJs from "empty.js.txt";
import emptyWasm from "empty.wasm.bin";
import helloJs from "hello.js.txt";

const kinds = {
  "/hello": { "index.js": { js: helloJs } },
  "/empty": { "index.js": { js: emptyJs }, "index_bg.wasm": { wasm: emptyWasm } },
  "/sinsang": { "index.js": { js: sinsangJs }, "index_bg.wasm": { wasm: sinsangWasm }, "snapshot.bundle": { data: new ArrayBuffer(0) } },
};
let started = 0;

export default {
  fetch(request, env) {
    const kind = new URL(request.url).pathname;
    const modules = kinds[kind];
    if (modules === undefined) return new Response(null, { status: 404 });
    const worker = env.LOADER.get(`${kind}-${started++}`, () => ({ compatibilityDate: "2026-04-01", mainModule: "index.js", modules, env: {} }));
    // Answered from nothing, so that no store is waited for.
    return worker.getEntrypoint().fetch("https://bench.test/healthz");
  },
};
