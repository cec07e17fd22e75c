// A running isolate and a moving store: it follows a publication automatically, and never to an
// incomplete snapshot.
import assert from "node:assert/strict";
import { test } from "node:test";
import { dataset, pairs } from "../harness/dataset.mjs";
import { Edge } from "../harness/edge.mjs";

/** Time between looks at the manifest, as in src/memory.rs. */
const REFRESH_MS = 30_000;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

test("an isolate goes on with its snapshot while the new one's packs are missing, and takes it once they are there", async () => {
  const data = await dataset();
  const second = await pairs(data.second);
  const edge = await Edge.start({ snapshot: data.first });
  const served = async () => (await edge.get("/v1/home")).json.snapshot.id;
  try {
    const before = await served();
    // KV keeps no order: the manifest may arrive alone.
    await edge.seed(new Map([["manifest", second.get("manifest")]]));
    const alone = Date.now();
    while (Date.now() - alone < REFRESH_MS + 5_000) {
      assert.equal(await served(), before);
      await pause(1_000);
    }
    await edge.seed(second);
    const whole = Date.now();
    while ((await served()) === before) {
      assert.ok(Date.now() - whole < REFRESH_MS + 15_000, "the publish is not noticed");
      await pause(1_000);
    }
  } finally {
    await edge.stop();
  }
});
