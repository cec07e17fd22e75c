// The overlay in workerd, from the command to the answer: an operator hides, sells out, notes,
// moves and pins on the local KV, sees it in answers, and takes it back.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT, built, kst, sinsang, tables } from "../harness/dataset.mjs";
import { Edge } from "../harness/edge.mjs";

const HOUR_MS = 3_600_000;
/** Longest time from the command to an isolate that is asked every second, without KV's own delay. */
const LOOK_MS = 40_000;
/** Longer than the test takes, so that all that it says stands at the time that it compares. */
const AHEAD_MS = 5 * 60_000;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

test("what an operator says is in answers and comes back, and writers at once lose nothing", async () => {
  // Of the hour, as commands go by the real clock.
  const now = Math.floor(Date.now() / HOUR_MS) * HOUR_MS;
  const snapshot = await built(await tables("7", now), now);
  const folder = await mkdtemp(join(tmpdir(), "sinsang-overlay-"));
  const state = join(folder, "state");
  const store = ["--local", state, "--project", ROOT];
  const overlay = async (...args) => JSON.parse(await sinsang("overlay", ...args, ...store, "--format", "json"));
  const put = (...words) => overlay("put", ...words, "--why", "a test of the tests", "--by", "kim");
  await sinsang("publish", snapshot, ...store);
  const edge = await Edge.start({ state, now: Date.now() });
  try {
    // Broadcasts begin and end while the test runs: what is compared is asked as of one time.
    const asOf = Math.floor(Date.now() / 1_000) * 1_000 + AHEAD_MS;
    const list = async (options) => {
      const pages = await edge.pages("/v1/new?limit=100", options);
      return { ...pages[0], items: pages.flatMap(({ items }) => items) };
    };
    const ids = ({ items }) => items.map(({ product_id: id }) => id);
    const before = await list({ asOf });
    const [first, second] = before.items;
    const last = before.items.at(-1);
    // One that has a broadcast to come, and is not one of the others.
    const moved = before.items.slice(2, -1).find(({ on_air: isOnAir }) => !isOnAir);
    const slot = moved.broadcasts[0];
    const others = new Set([first, second, last, moved].map(({ product_id: id }) => id));
    const onAir = (await edge.get("/v1/live", { asOf })).json.items.find(({ product_id: id }) => !others.has(id));
    const said = [
      await put("hide", `product=${first.product_id}`, "until=2d"),
      await put("sold_out", `product=${second.product_id}`, "until=2d"),
      await put("note", `product=${second.product_id}`, "text=오늘만 무이자", "until=2d"),
      await put("hide", `product=${onAir.product_id}`, "until=2d"),
      await put("pin", `product=${last.product_id}`, "place=1", "on=new", "until=2d"),
      await put("move", `channel=${slot.channel.id}`, `starts_at=${slot.starts_at}`, `product=${moved.product_id}`, `to_starts_at=${kst(Date.parse(slot.starts_at) + HOUR_MS)}`),
    ];
    assert.deepEqual(said.map(({ refused }) => refused), said.map(() => []));
    const began = Date.now();
    for (;;) {
      const { json } = await edge.get("/v1/status");
      if (json.overlay.revision === said.length) break;
      assert.ok(Date.now() - began < LOOK_MS, "the isolate does not look");
      await pause(1_000);
    }
    const after = await list();
    assert.equal(after.items[0].product_id, last.product_id, "pinned");
    assert.ok(!ids(after).includes(first.product_id), "hidden");
    assert.ok(!ids((await edge.get("/v1/live")).json).includes(onAir.product_id), "hidden on air");
    const soldOut = after.items.at(-1);
    assert.deepEqual([soldOut.product_id, soldOut.sold_out, soldOut.note], [second.product_id, true, "오늘만 무이자"]);
    const there = after.items.find(({ product_id: id }) => id === moved.product_id);
    assert.equal(there.broadcasts[0].starts_at, kst(Date.parse(slot.starts_at) + HOUR_MS));
    const log = (await edge.ask("/preview/overlay-log", { preview: true })).text.trim().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(log.map(({ by, do: deed }) => [by, deed]), ["hide", "sold_out", "note", "hide", "pin", "move"].map((deed) => ["kim", deed]));

    // Taken back, at another isolate.
    const open = (await overlay("list")).entries.map(({ id }) => id);
    await overlay("remove", ...open, "--why", "the test is over", "--by", "lee");
    await edge.restart();
    assert.deepEqual(ids(await list({ asOf })), ids(before));

    const four = before.items.slice(0, 4).map(({ product_id: id }) => put("hide", `product=${id}`, "until=1h"));
    await Promise.all(four);
    const standing = (await overlay("list")).entries.filter(({ state: its }) => its === "standing");
    assert.deepEqual(standing.map(({ product }) => product).toSorted(), ids(before).slice(0, 4).toSorted());
    await edge.restart();
    assert.equal((await list({ asOf })).total, before.total - 4);
    await assert.rejects(put("hide", "product=0123456789abcdef", "until=1h"), /ended with 3[^]*is not on the live board/);
  } finally {
    await edge.stop();
    await rm(folder, { recursive: true, force: true });
  }
});
