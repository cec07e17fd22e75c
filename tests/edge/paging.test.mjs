// Paging: every product once, whatever happens between two pages, and cursors that are valid for
// their own list only.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { NOW, STEP_MS, dataset, sinsang } from "../harness/dataset.mjs";
import { Edge, assertProblem } from "../harness/edge.mjs";

let edge;
let data;
let user;
before(async () => {
  data = await dataset();
  user = data.viewers[0].user_id;
  edge = await Edge.start({ snapshot: data.first });
});
after(() => edge.stop());

const ids = (pages) => pages.flatMap((page) => page.items.map((item) => item.product_id));

test("pages of any size are the one list cut, for each order, filter and viewer", async () => {
  const asOf = NOW + 60_000;
  const { json: status } = await edge.get("/v1/status");
  for (const query of [{}, { sort: "soonest" }, { category: status.categories[0] }, { channel: status.channels[0].id }]) {
    for (const viewer of [undefined, user]) {
      const whole = ids(await edge.pages("/v1/new", { asOf, viewer, query: { ...query, limit: 100 } }));
      for (const limit of [7, 33]) {
        const pages = await edge.pages("/v1/new", { asOf, viewer, query: { ...query, limit } });
        assert.deepEqual(ids(pages), whole, JSON.stringify({ query, viewer, limit }));
        assert.equal(new Set(whole).size, whole.length);
        assert.ok(pages.every((page) => page.total === whole.length));
        assert.ok(pages.slice(0, -1).every((page) => page.items.length === limit));
      }
    }
  }
});

test("pages asked for while the clock runs over the rank's own steps neither repeat nor skip", async () => {
  const start = NOW + 60_000;
  const whole = ids(await edge.pages("/v1/new", { asOf: start, query: { limit: 100 } }));
  const ends = new Map(
    (await edge.pages("/v1/new", { asOf: start, query: { limit: 100 } })).flatMap((page) =>
      page.items.map((item) => [item.product_id, Date.parse(item.broadcasts[0].ends_at)]),
    ),
  );
  const seen = [];
  let cursor;
  let asOf = start;
  do {
    const { json } = await edge.get("/v1/new", { asOf, query: { limit: 10, ...(cursor ? { cursor } : {}) } });
    seen.push(...json.items.map((item) => item.product_id));
    for (const item of json.items) assert.ok(Date.parse(item.broadcasts.at(-1).ends_at) > asOf);
    cursor = json.next_cursor;
    asOf += 7 * 60_000;
  } while (cursor !== null);
  assert.equal(new Set(seen).size, seen.length, "no product twice");
  const missing = whole.filter((id) => !seen.includes(id));
  assert.ok(missing.every((id) => ends.get(id) < asOf), "only what ended meanwhile is left out");
  assert.deepEqual(seen.filter((id) => !whole.includes(id)), [], "nothing comes in between");
});

test("a cursor serves its own question and viewer only", async () => {
  const { json: status } = await edge.get("/v1/status");
  const first = await edge.get("/v1/new", { query: { limit: 2 } });
  const cursor = first.json.next_cursor;
  assert.match(cursor, /^[A-Za-z0-9_-]+$/);
  await edge.get("/v1/new", { query: { cursor, limit: 5 } });
  for (const query of [{ sort: "soonest" }, { category: status.categories[0] }, { channel: status.channels[0].id }]) {
    assertProblem(await edge.ask("/v1/new", { query: { cursor, ...query } }), 400, "cursor");
  }
  assertProblem(await edge.ask("/v1/new", { query: { cursor }, user }), 400, "cursor");
  const mine = (await edge.get("/v1/new", { query: { limit: 2 }, user })).json.next_cursor;
  assertProblem(await edge.ask("/v1/new", { query: { cursor: mine } }), 400, "cursor");
  assertProblem(await edge.ask("/v1/new", { query: { cursor: mine }, user: data.viewers[1].user_id }), 400, "cursor");
  assertProblem(await edge.ask("/v1/home", { query: { cursor } }), 400, "cursor");
});

test("a cursor cut or changed anywhere is refused", async () => {
  const cursor = (await edge.get("/v1/new", { query: { limit: 2 } })).json.next_cursor;
  for (let length = 0; length < cursor.length; length += 5) {
    assertProblem(await edge.ask("/v1/new", { query: { cursor: cursor.slice(0, length) } }), 400, "cursor");
  }
  for (let place = 0; place < cursor.length; place += 1) {
    const other = cursor[place] === "A" ? "B" : "A";
    const changed = cursor.slice(0, place) + other + cursor.slice(place + 1);
    assertProblem(await edge.ask("/v1/new", { query: { cursor: changed } }), 400, "cursor");
  }
});

test("a cursor of a snapshot that is kept no more is 410", async () => {
  const cursor = (await edge.get("/v1/new", { query: { limit: 2 } })).json.next_cursor;
  const bytes = Buffer.from(cursor, "base64url");
  // The layout of crates/core/src/surface/cursor.rs: version, then the snapshot's id; the last four
  // bytes check the rest.
  bytes[1] ^= 0xff;
  createHash("sha256").update(bytes.subarray(0, -4)).digest().copy(bytes, bytes.length - 4, 0, 4);
  // An isolate asks the store for such a snapshot at most once a second.
  await new Promise((done) => setTimeout(done, 1_100));
  const answer = await edge.ask("/v1/new", { query: { cursor: bytes.toString("base64url") } });
  assertProblem(answer, 410);
});

test("a list goes on over a publish, and a new one is of the new snapshot", async () => {
  const state = await mkdtemp(join(tmpdir(), "sinsang-paging-"));
  let published;
  try {
    await sinsang("publish", data.first, "--local", state, "--force");
    published = await Edge.start({ state });
    const asOf = NOW + STEP_MS + 60_000;
    const lists = [];
    for (const viewer of [undefined, user]) {
      const asked = { asOf, viewer };
      const whole = await published.pages("/v1/new", { ...asked, query: { limit: 25 } });
      assert.ok(whole.length > 2, "a list of more than two pages");
      lists.push({ asked, whole, begun: (await published.get("/v1/new", { ...asked, query: { limit: 25 } })).json });
    }
    await published.stop();
    published = undefined;

    await sinsang("publish", data.second, "--local", state, "--force");
    published = await Edge.start({ state, now: NOW + STEP_MS });
    for (const { asked, whole, begun } of lists) {
      const rest = await published.pages("/v1/new", { ...asked, query: { limit: 25, cursor: begun.next_cursor } });
      assert.deepEqual(ids([begun, ...rest]), ids(whole));
      assert.deepEqual([...new Set(rest.map((page) => page.snapshot.id))], [begun.snapshot.id], "one list is of one snapshot");
      const fresh = (await published.get("/v1/new", asked)).json;
      assert.notEqual(fresh.snapshot.id, begun.snapshot.id);
      assert.equal(Date.parse(fresh.snapshot.built_at), NOW + STEP_MS);
    }
  } finally {
    await published?.stop();
    await rm(state, { recursive: true, force: true });
  }
});
