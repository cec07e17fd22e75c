// A migration and a rollback under load: the command moves a running Worker's store from packs of
// format 1 to format 2 and back, and no request fails.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { dataset, sinsang } from "../harness/dataset.mjs";
import { Edge } from "../harness/edge.mjs";

/**
 * Time for a Worker to follow: that between looks at the manifest in src/memory.rs, and as much
 * again for a slow machine.
 */
const FOLLOWS_MS = 120_000;
const CLIENTS = 4;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

test("a publish of the next format and a rollback under load take effect, lists go on, and no request fails", async () => {
  const data = await dataset();
  const state = await mkdtemp(join(tmpdir(), "sinsang-rollback-"));
  const status = async () => JSON.parse(await sinsang("status", "--local", state, "--format", "json"));
  let edge;
  try {
    // Forced here and below: the data set is of a fixed day in the past.
    await sinsang("publish", data.first, "--local", state, "--force");
    const before = await status();
    assert.deepEqual([before.live.pack_format, before.live.missing], [1, 0]);
    edge = await Edge.start({ state });
    let answered = 0;
    let pages = 0;
    let isOver = false;
    let latest;
    const ids = (page) => page.items.map(({ product_id }) => product_id);
    // `get` fails the test if an answer is not a 200 or breaks the OpenAPI document.
    const ask = async (turn) => {
      const user = data.viewers[turn % data.viewers.length].user_id;
      const { json } = await edge.get(["/v1/home", "/v1/new", "/v1/live", "/v1/tabs"][turn % 4], turn % 3 ? { user } : {});
      latest = json.snapshot.id;
      answered += 1;
      await pause(20);
    };
    const load = Array.from({ length: CLIENTS }, async (_, client) => {
      for (let turn = client; !isOver; turn += CLIENTS) await ask(turn);
    });
    // A client that pages slowly through a list all the while: the list stays in one snapshot from
    // its first page to its last.
    const read = async () => {
      while (!isOver) {
        const user = data.viewers[0].user_id;
        let page = (await edge.get("/v1/new", { user, query: { limit: 4 } })).json;
        const of = page.snapshot.id;
        const seen = ids(page);
        while (page.next_cursor && seen.length < 60) {
          await pause(isOver ? 0 : 1_500);
          page = (await edge.get("/v1/new", { user, query: { limit: 4, cursor: page.next_cursor } })).json;
          assert.equal(page.snapshot.id, of);
          assert.notEqual(page.interrupted, true);
          seen.push(...ids(page));
          pages += 1;
        }
        assert.equal(new Set(seen).size, seen.length, "a product came twice");
      }
    };
    const follows = async (snapshot, what) => {
      const moved = Date.now();
      while (latest !== snapshot) {
        assert.ok(Date.now() - moved < FOLLOWS_MS, `${what} is not noticed`);
        await pause(200);
      }
      await pause(2_000);
    };
    const operate = async () => {
      while (answered < 20) await pause(50);
      assert.equal(latest, before.live.snapshot);
      const published = JSON.parse(await sinsang("publish", data.second, "--local", state, "--force", "--format", "json"));
      await follows(published.snapshot, "the migration");
      const both = await status();
      assert.deepEqual([both.live.pack_format, both.kept[0].pack_format], [2, 1]);
      assert.equal(both.live.missing + both.kept[0].missing, 0);
      const report = JSON.parse(await sinsang("rollback", "--local", state, "--format", "json"));
      assert.deepEqual([report.snapshot, report.from], [before.live.snapshot, published.snapshot]);
      await follows(report.snapshot, "the rollback");
    };
    const outcome = await Promise.allSettled([operate().finally(() => (isOver = true)), read(), ...load]);
    for (const { reason } of outcome) if (reason) throw reason;
    const { refused } = (await edge.get("/v1/status")).json;
    assert.equal(refused, null);
    assert.ok(answered > 200 && pages > 10, `${answered} requests, ${pages} later pages`);
    console.log(`${answered} requests and ${pages} later pages over a migration and a rollback, none failed`);
    const after = await status();
    assert.deepEqual(after.runs.map(({ action }) => action), ["rollback", "publish", "publish"]);
    // Packs named by a kept snapshot of either format are not collected.
    const { removed } = JSON.parse(await sinsang("collect", "--local", state, "--grace", "6", "--format", "json"));
    assert.equal(removed, 0);
  } finally {
    await edge?.stop();
    await rm(state, { recursive: true, force: true });
  }
});
