// The complete circle of real parts: a viewer's clicks are posted to the Worker, queued, stored as
// objects, ingested by the command, built into tastes and published to the local KV; then the
// Worker answers the viewer in another order.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { kst, sinsang } from "../harness/dataset.mjs";
import { Edge } from "../harness/edge.mjs";
import { settled } from "../harness/intake.mjs";
import { until } from "../harness/pulse.mjs";
import { claims, hs256 } from "../harness/token.mjs";

/**
 * A viewer who has only opened a tab: by the build's rules they have tastes without any leaning.
 */
const NEWCOMER = "u-newcomer";
const HEAD = 20;

test("a viewer's clicks, from the Worker through queue, objects, ingest, build and publish, change their order at the Worker", async () => {
  const work = await mkdtemp(join(tmpdir(), "sinsang-circle-"));
  const [tables, objects, first, second, state] = ["tables", "objects", "first", "second", "state"].map((name) => join(work, name));
  const events = join(tables, "events");
  let edge;
  try {
    // The clicks carry present times, so all data does.
    const now = Date.now();
    await sinsang("generate", "--quick", "--seed", "11", "--now", kst(now), "--out", tables);
    await mkdir(events);
    await rename(join(tables, "events.parquet"), join(events, "history.parquet"));
    const opened = { user_id: NEWCOMER, at: kst(now - 86_400_000), kind: "tab_open", tab_id: "new" };
    await writeFile(join(events, "app.ndjson"), `${JSON.stringify(opened)}\n`);
    await sinsang("build", "--input", tables, "--output", first, "--now", kst(now));
    await sinsang("publish", first, "--local", state);

    edge = await Edge.start({ state, now, intake: true });
    const list = async (user) => (await edge.pages("/v1/new", { user, query: { limit: 100 } })).flatMap(({ items }) => items);
    const before = await list(NEWCOMER);
    // A category that is neither the only one in the list nor rare; every second product of it is
    // clicked.
    const by = before.reduce((all, item) => all.set(item.category, [...(all.get(item.category) ?? []), item]), new Map());
    const [liked, its] = [...by].filter(([category]) => category !== null).sort(([, a], [, b]) => b.length - a.length)[1];
    assert.ok(its.length >= 8 && its.length * 2 < before.length, `${its.length} of ${before.length} are ${liked}`);
    const clicked = its.filter((_, place) => place % 2 === 0);
    const ids = new Set(clicked.map(({ product_id }) => product_id));

    const token = hs256(claims(NEWCOMER, Date.now()));
    const sent = clicked.map((item, place) => {
      const listing = { shop: item.listings[0].shop, listing_id: item.listings[0].listing_id };
      // Some apps send product ids, others listings only.
      return { event_id: randomUUID(), kind: "click", at: new Date().toISOString(), surface: "new", ...(place % 2 ? listing : { product_id: item.product_id }) };
    });
    const body = JSON.stringify({ token, events: sent });
    // A beacon sent twice counts once.
    for (let time = 0; time < 2; time += 1) {
      const answer = await edge.ask("/v1/events", { method: "POST", headers: { "Content-Type": "text/plain" }, body });
      assert.deepEqual([answer.status, answer.json], [202, { accepted: sent.length, refused: [] }]);
    }
    const bucket = await edge.mf.getR2Bucket("EVENT_OBJECTS", "sinsang-intake");
    await settled(2 * sent.length, async () => objectsOf(bucket, objects));
    const ingested = JSON.parse(await sinsang("ingest", "objects", join(objects, "events"), "--into", events, "--format", "json"));
    assert.deepEqual([ingested.events, ingested.known, ingested.rejected], [sent.length, sent.length, []]);

    const later = Date.now() + 1_000;
    await sinsang("build", "--input", tables, "--output", second, "--now", kst(later));
    await sinsang("publish", second, "--local", state);
    const { built_at } = JSON.parse(await sinsang("status", "--local", state, "--format", "json")).live;
    // The same isolate throughout: it follows the publication automatically.
    await until(async () => {
      const { snapshot } = (await edge.get("/v1/tabs", { user: NEWCOMER })).json;
      await new Promise((done) => setTimeout(done, 1_000));
      return Date.parse(snapshot.built_at) === Date.parse(built_at);
    }, 120_000);
    const after = await list(NEWCOMER);
    const rest = (items) => items.slice(0, HEAD).filter((item) => item.category === liked && !ids.has(item.product_id)).length;
    console.log(`${liked}: ${clicked.length} clicked of ${its.length}; of the others ${rest(before)} in the first ${HEAD} before, ${rest(after)} after`);
    assert.ok(rest(after) >= rest(before) + 2, `${rest(before)} of ${liked} that were not clicked stood in the first ${HEAD} before, ${rest(after)} after`);
    assert.equal((await edge.get("/v1/new", { user: NEWCOMER, query: { limit: 1 } })).json.personalized, true);
    // A viewer without tastes sees the shared order, in which the category has no larger share.
    const stranger = await list("u-stranger");
    assert.ok(rest(stranger) < rest(after), `${rest(stranger)} for a stranger`);
  } finally {
    await edge?.stop();
    await rm(work, { recursive: true, force: true });
  }
});

/** Copies the bucket's objects to `folder`, as they lie in R2, and returns the lines of each. */
async function objectsOf(bucket, folder) {
  const found = new Map();
  for (const { key } of (await bucket.list({ prefix: "events/date=" })).objects) {
    const bytes = Buffer.from(await (await bucket.get(key)).arrayBuffer());
    const path = join(folder, key);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, bytes);
    found.set(key, gunzipSync(bytes).toString("utf8").split("\n").filter(Boolean));
  }
  return found;
}
