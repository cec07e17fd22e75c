// No path of the edge panics; should one ever, it costs the requests that are under way and no more.
import assert from "node:assert/strict";
import { test } from "node:test";
import { dataset, pairs } from "../harness/dataset.mjs";
import { Edge } from "../harness/edge.mjs";
import { bundleOf } from "../harness/bundle.mjs";

/**
 * Stands before the built Worker and, where a request asks for it, hands it a bundle of more bytes than Wasm can address: copying it is a
 * true panic in Rust ("capacity overflow"), which no configuration of a deployment can bring about.
 */
const ENTRY = `
import inner from "./index.js";
const bundle = globalThis.SINSANG_BUNDLE;
const impossible = new ArrayBuffer(2 ** 31 + 8);
export default class extends inner {
  fetch(request) {
    globalThis.SINSANG_BUNDLE = request.headers.has("x-panic") ? impossible : bundle;
    return super.fetch(request);
  }
}
`;

test("after a panic the next request is served", async () => {
  const data = await dataset();
  const edge = await Edge.start({ entry: ENTRY, bundle: bundleOf(await pairs(data.first)) });
  try {
    for (let round = 0; round < 2; round += 1) {
      const broken = await fetch(new URL("/v1/home", edge.url), { headers: { "x-panic": "1" } });
      await broken.arrayBuffer();
      assert.equal(broken.status, 500, "the panic is real");
      const next = await edge.get("/v1/home");
      assert.equal(next.headers.get("sinsang-rung"), "bundle", "from a fresh memory");
      assert.ok(next.json.tabs.items.length > 0);
      // The store is empty, so a fresh isolate is what asks for the bundle again.
      await edge.restart();
    }
    assert.match(edge.printed, /panicked|unreachable|RuntimeError/, "and is to be seen in the log");
  } finally {
    await edge.mf.dispose();
  }
});
