// A snapshot on trial in workerd: the command shows it to a share of viewers, widens it and takes
// it back, and a running Worker follows within two minutes.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { dataset, sinsang } from "../harness/dataset.mjs";
import { Edge } from "../harness/edge.mjs";

/** Time for a Worker to follow, as in rollback.test.mjs. */
const FOLLOWS_MS = 120_000;
const DEVICES = Array.from({ length: 60 }, (_, number) => `device-${String(number).padStart(12, "0")}`);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

test("a share of viewers gets a snapshot on trial, lists and validators stay in theirs, and one command takes it back", async () => {
  const data = await dataset();
  const state = await mkdtemp(join(tmpdir(), "sinsang-trial-"));
  const run = async (...words) => JSON.parse(await sinsang(...words, "--local", state, "--format", "json"));
  let edge;
  try {
    const { snapshot: live } = await run("publish", data.first, "--force");
    edge = await Edge.start({ state });
    const asked = (device, more = {}) => edge.get("/v1/new", { ...more, headers: { "Sinsang-Device": device, ...more.headers } });
    const of = async (device) => (await asked(device, { query: { limit: 1 } })).json.snapshot.id;
    /**
     * The devices that get the snapshot `id`, once `holds` says that it is all of them. The Worker
     * may follow in the middle of a round: two in a row must agree.
     */
    const drawn = async (id, holds) => {
      let before;
      for (const moved = Date.now(); ; await pause(1_000)) {
        const found = [];
        for (const device of DEVICES) if ((await of(device)) === id) found.push(device);
        if (holds(found.length) && before === found.join()) return found;
        before = found.join();
        assert.ok(Date.now() - moved < FOLLOWS_MS, `${found.length} of ${DEVICES.length} devices get ${id}`);
      }
    };
    await drawn(live, (count) => count === DEVICES.length);

    // Forced: the data set is of a fixed day in the past, and its snapshots are four minutes apart.
    const { snapshot: tried, share } = await run("publish", data.second, "--share", "30%", "--force");
    assert.equal(share, 0.3);
    const some = await drawn(tried, (count) => count > 0);
    assert.ok(some.length > 5 && some.length < 35, `${some.length} of ${DEVICES.length} at 30 %`);
    const others = DEVICES.filter((device) => !some.includes(device));
    const { trial } = (await edge.get("/v1/status")).json;
    assert.deepEqual(trial, { snapshot: tried, share: 0.3, read: true });
    assert.equal((await edge.get("/v1/new")).json.snapshot.id, live, "nobody can draw a viewer without a name");

    const [inside, outside] = [await asked(some[0]), await asked(others[0])];
    for (const [device, { headers }, status] of [
      [some[0], inside, 304],
      [some[0], outside, 200],
      [others[0], inside, 200],
      [others[0], outside, 304],
    ]) {
      const answer = await edge.ask("/v1/new", { headers: { "Sinsang-Device": device, "If-None-Match": headers.get("etag") } });
      assert.equal(answer.status, status);
    }
    assert.match(inside.headers.get("cache-control"), /private/);
    assert.match(inside.headers.get("vary"), /Sinsang-Device/);

    const { snapshot, before } = await run("share", "60%", "--force");
    assert.deepEqual([snapshot, before], [tried, 0.3]);
    const more = await drawn(tried, (count) => count > some.length);
    assert.ok(some.every((device) => more.includes(device)), "who had it keeps it");

    // Two lists are read on while the snapshot is withdrawn.
    const readers = [more[0], DEVICES.find((device) => !more.includes(device))];
    const lists = await Promise.all(readers.map((device) => asked(device, { query: { limit: 4 } })));
    await run("share", "0%");
    await drawn(live, (count) => count === DEVICES.length);
    for (const [place, first] of lists.entries()) {
      let page = first.json;
      const seen = page.items.map(({ product_id }) => product_id);
      while (page.next_cursor && seen.length < 40) {
        page = (await asked(readers[place], { query: { limit: 4, cursor: page.next_cursor } })).json;
        assert.equal(page.snapshot.id, [tried, live][place]);
        assert.notEqual(page.interrupted, true);
        seen.push(...page.items.map(({ product_id }) => product_id));
      }
      assert.ok(seen.length > 8);
      assert.equal(new Set(seen).size, seen.length, "a product came twice");
    }
    assert.equal((await edge.get("/v1/status")).json.trial, null);
    const { runs, kept } = await run("status");
    assert.deepEqual(runs.map(({ action, share }) => [action, share]), [["withdraw", 0], ["share", 0.6], ["share", 0.3], ["publish", undefined]]);
    assert.deepEqual(kept.map((one) => [one.snapshot, one.share, one.missing]), [[tried, 0, 0]]);
  } finally {
    await edge?.stop();
    await rm(state, { recursive: true, force: true });
  }
});
