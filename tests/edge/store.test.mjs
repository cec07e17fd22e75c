// An empty, partial, damaged or foreign store: whatever KV holds, the Worker gives an answer or an
// honest 503, and never crashes.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { NOW, dataset, pairs } from "../harness/dataset.mjs";
import { Edge, assertProblem } from "../harness/edge.mjs";

let data;
let whole;
before(async () => {
  data = await dataset();
  whole = await pairs(data.first);
});

const SURFACES = ["/v1/new", "/v1/live", "/v1/tabs", "/v1/home"];

/**
 * A module around the real Worker, with a KV that caches misses as Cloudflare's data centres do: a
 * missing key stays missing for the reader's cache time. `GET /after?s=40` advances its clock,
 * `GET /asked` lists the reads that reached it.
 */
const FORGETFUL = `
  import worker from "./index.js";
  export * from "./index.js";
  const misses = new Map();
  const asked = [];
  let clock = 0;
  const remembering = (kv) => new Proxy(kv, {
    get: (target, name) => name !== "get" ? Reflect.get(target, name) : async (key, options) => {
      const { cacheTtl = 60 } = options ?? {};
      if (cacheTtl < 30) throw new Error("KV takes no cacheTtl of " + cacheTtl);
      asked.push([key, cacheTtl]);
      if (clock - (misses.get(key) ?? -Infinity) < cacheTtl) return null;
      const value = await target.get(key, options);
      value === null ? misses.set(key, clock) : misses.delete(key);
      return value;
    },
  });
  export default {
    async fetch(request, env, context) {
      const { pathname, searchParams } = new URL(request.url);
      if (pathname === "/after") clock += Number(searchParams.get("s"));
      if (pathname === "/asked" || pathname === "/after") return Response.json(asked.splice(0));
      return worker.fetch(request, { ...env, SNAPSHOTS: remembering(env.SNAPSHOTS) }, context);
    },
  };`;

/** Runs `body` on a Worker whose KV holds `pairs`. */
async function withStore(pairs, body, options) {
  const edge = await Edge.start(options);
  try {
    await edge.seed(pairs);
    await body(edge);
  } finally {
    await edge.stop();
  }
}

async function assertNoData(edge, what) {
  for (const path of SURFACES) {
    const answer = await edge.ask(path);
    assertProblem(answer, 503);
    assert.match(answer.headers.get("retry-after"), /^\d+$/, `${what} ${path}`);
  }
  const status = await edge.get("/v1/status");
  assert.equal(status.json.snapshot, null, what);
  await edge.get("/healthz");
}

const flipped = (bytes, place) => {
  const copy = Buffer.from(bytes);
  copy[place] ^= 0x01;
  return copy;
};
const packs = (map) => [...map.keys()].filter((key) => key !== "manifest");
/**
 * The board's pack, without which no answer is possible: the largest, since tastes are much smaller
 * in this data as in any.
 */
const largest = (map) => packs(map).sort((a, b) => map.get(b).length - map.get(a).length)[0];

test("an empty store is 503 with a time to try again", () => withStore(new Map(), (edge) => assertNoData(edge, "empty")));

test("a manifest that is no manifest is 503", async () => {
  const manifest = whole.get("manifest");
  const bad = {
    "of no bytes": Buffer.alloc(0),
    "of text": Buffer.from("<html>502 Bad Gateway</html>"),
    "cut short": manifest.subarray(0, manifest.length - 1),
    "of its header alone": manifest.subarray(0, 32),
    "with a byte too many": Buffer.concat([manifest, Buffer.from([0])]),
    "of zeros": Buffer.alloc(manifest.length),
    "of ones": Buffer.alloc(manifest.length, 0xff),
    "that is a board": whole.get(largest(whole)),
  };
  const edge = await Edge.start();
  try {
    await edge.seed(new Map([...whole].filter(([key]) => key !== "manifest")));
    for (const [what, bytes] of Object.entries(bad)) {
      await edge.seed(new Map([["manifest", bytes]]));
      await assertNoData(edge, `a manifest ${what}`);
    }
    for (let place = 0; place < manifest.length; place += Math.max(1, Math.floor(manifest.length / 48))) {
      await edge.seed(new Map([["manifest", flipped(manifest, place)]]));
      assertProblem(await edge.ask("/v1/home"), 503);
    }
    await edge.seed(new Map([["manifest", manifest]]));
    await edge.get("/v1/home");
  } finally {
    await edge.stop();
  }
});

test("a board that is damaged, foreign or not there yet is 503, and health goes on", async () => {
  const board = largest(whole);
  const bytes = whole.get(board);
  const without = new Map([...whole].filter(([key]) => key !== board));
  const another = whole.get(packs(whole).find((key) => key !== board));
  await withStore(without, (edge) => assertNoData(edge, "no board"));
  for (const [what, value] of [
    ["flipped in its middle", flipped(bytes, bytes.length >> 1)],
    ["flipped at its end", flipped(bytes, bytes.length - 1)],
    ["cut short", bytes.subarray(0, bytes.length >> 1)],
    ["of no bytes", Buffer.alloc(0)],
    ["that is another pack", another],
  ]) {
    await withStore(new Map([...without, [board, value]]), (edge) => assertNoData(edge, `a board ${what}`));
  }
});

test("tastes that are damaged or missing leave the shared order, not an error", async () => {
  const board = largest(whole);
  const [user] = data.viewers.map((viewer) => viewer.user_id);
  const asOf = NOW + 60_000;
  for (const damage of [() => undefined, (bytes) => flipped(bytes, bytes.length >> 1), () => Buffer.alloc(0), () => Buffer.from("x".repeat(100))]) {
    const store = new Map();
    for (const [key, bytes] of whole) {
      const value = key === "manifest" || key === board ? bytes : damage(bytes);
      if (value) store.set(key, value);
    }
    await withStore(store, async (edge) => {
      for (const path of SURFACES) {
        const mine = (await edge.get(path, { viewer: user, asOf })).json;
        const shared = (await edge.get(path, { asOf })).json;
        assert.equal(mine.personalized, false, path);
        assert.deepEqual(mine.items ?? mine.new.items, shared.items ?? shared.new.items);
      }
    });
  }
});

test("an isolate that has a snapshot keeps serving it when the store loses everything", async () => {
  await withStore(whole, async (edge) => {
    const before = await edge.get("/v1/new");
    const kv = await edge.kv();
    for (const key of whole.keys()) await kv.delete(key);
    const after = await edge.get("/v1/new");
    assert.equal(after.json.snapshot.id, before.json.snapshot.id);
    assert.deepEqual(after.json.items, before.json.items);
  });
});

test("a store that comes back is noticed without a restart", async () => {
  await withStore(new Map(), async (edge) => {
    assertProblem(await edge.ask("/v1/home"), 503);
    await edge.seed(whole);
    const deadline = Date.now() + 40_000;
    let answer;
    do {
      await new Promise((done) => setTimeout(done, 500));
      answer = await edge.ask("/v1/home");
    } while (answer.status === 503 && Date.now() < deadline);
    assert.equal(answer.status, 200, "within the time that Retry-After may name");
  });
});

test("fifty requests at once are all answered alike", async () => {
  await withStore(whole, async (edge) => {
    const asOf = NOW + 60_000;
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, n) => edge.get("/v1/home", n % 2 ? { asOf, viewer: data.viewers[0].user_id } : { asOf })),
    );
    for (const parity of [0, 1]) {
      const bodies = new Set(answers.filter((_, n) => n % 2 === parity).map(({ json }) => JSON.stringify([json.tabs, json.live, json.new])));
      assert.equal(bodies.size, 1);
    }
  });
});

test("packs that were asked for too early are had as soon as they are there, though the data centre remembers them as missing", async () => {
  const board = largest(whole);
  const manifest = new Map([["manifest", whole.get("manifest")]]);
  const asked = async (edge, path = "/asked") => (await fetch(new URL(path, edge.url))).json();
  const viewer = data.viewers[0].user_id;
  await withStore(manifest, async (edge) => {
    assertProblem(await edge.ask("/v1/home", { user: viewer }), 503);
    const early = await asked(edge);
    const packs = early.filter(([key]) => key.startsWith("pack/"));
    assert.deepEqual([...new Set(packs.map(([key]) => key))].length, 2, "the board and the viewer's tastes");
    for (const key of new Set(packs.map(([key]) => key))) {
      assert.deepEqual(packs.filter(([one]) => one === key), [[key, 86_400], [key, 30]], "twice for a look, and no more");
    }
    assert.deepEqual((await edge.get("/v1/status")).json.store.late_packs, 0);

    await edge.seed(whole);
    await asked(edge, "/after?s=40");
    // Unavailable tastes are not tried again for up to six seconds.
    const deadline = Date.now() + 60_000;
    while (!(await edge.get("/v1/home", { user: viewer })).json.personalized) {
      assert.ok(Date.now() < deadline, "the viewer's tastes are not noticed");
      await new Promise((done) => setTimeout(done, 200));
    }
    const late = await asked(edge);
    assert.deepEqual(late.filter(([key]) => key === board), [[board, 86_400], [board, 30]]);
    const { store } = (await edge.get("/v1/status")).json;
    assert.equal(store.late_packs, 2);
    assert.ok(store.second_reads >= 4, `${store.second_reads} reads`);
    assert.match(edge.printed, new RegExp(`${board} was there only when it was asked for again`));
  }, { entry: FORGETFUL });
});
