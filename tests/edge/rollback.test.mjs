// A rollback while requests come in: the command itself moves the store that a running Worker reads, and no request fails.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { dataset, sinsang } from "../harness/dataset.mjs";
import { Edge } from "../harness/edge.mjs";

/** What src/memory.rs gives a manifest before it is looked up again, and as much again for a slow machine. */
const FOLLOWS_MS = 60_000;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

test("a rollback under load takes effect and no request fails", async () => {
  const data = await dataset();
  const state = await mkdtemp(join(tmpdir(), "sinsang-rollback-"));
  let edge;
  try {
    for (const folder of [data.first, data.second]) await sinsang("publish", folder, "--local", state);
    const before = JSON.parse(await sinsang("status", "--local", state, "--format", "json"));
    assert.equal(before.kept.length, 1);
    assert.equal(before.live.missing + before.kept[0].missing, 0);
    edge = await Edge.start({ state });
    let answered = 0;
    let isOver = false;
    const seen = new Set();
    // `get` fails the test where an answer is no 200, or breaks the OpenAPI document.
    const load = Array.from({ length: 4 }, async (_, client) => {
      for (let turn = client; !isOver; turn += 4) {
        const user = data.viewers[turn % data.viewers.length].user_id;
        const { json } = await edge.get(["/v1/home", "/v1/new", "/v1/live", "/v1/tabs"][turn % 4], turn % 3 ? { user } : {});
        seen.add(json.snapshot.id);
        answered += 1;
        await pause(20);
      }
    });
    const rollback = async () => {
      while (answered < 20) await pause(50);
      assert.deepEqual([...seen], [before.live.snapshot]);
      const report = JSON.parse(await sinsang("rollback", "--local", state, "--format", "json"));
      assert.deepEqual([report.snapshot, report.from], [before.kept[0].snapshot, before.live.snapshot]);
      const moved = Date.now();
      while (!seen.has(report.snapshot)) {
        assert.ok(Date.now() - moved < FOLLOWS_MS, "the rollback is not noticed");
        await pause(500);
      }
      await pause(1_000);
    };
    const outcome = await Promise.allSettled([rollback().finally(() => (isOver = true)), ...load]);
    for (const { reason } of outcome) if (reason) throw reason;
    assert.equal((await edge.get("/v1/status")).json.snapshot?.id ?? [...seen].at(-1), before.kept[0].snapshot);
    assert.ok(answered > 100, `${answered} requests`);
    const after = JSON.parse(await sinsang("status", "--local", state, "--format", "json"));
    assert.deepEqual(after.runs.map(({ action }) => action), ["rollback", "publish", "publish"]);
  } finally {
    await edge?.stop();
    await rm(state, { recursive: true, force: true });
  }
});
