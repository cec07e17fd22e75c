// Starts a new isolate for every request, within one process, and passes the request to it: the
// cost of a cold isolate to its first byte, without the start of a process.
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
    // A path answered without data, so that no store is involved.
    return worker.getEntrypoint().fetch("https://bench.test/healthz");
  },
};
