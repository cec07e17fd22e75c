// The client against the built Workers in workerd, while their store, their network and their queue
// fail.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client, EventQueue } from "../../clients/typescript/build/index.js";
import { ALONE } from "../harness/connection.mjs";
import { NOW, USER_KEY, dataset, pairs } from "../harness/dataset.mjs";
import { Edge } from "../harness/edge.mjs";
import { objects } from "../harness/intake.mjs";
import { until } from "../harness/pulse.mjs";
import { AUDIENCE, ES256_JWK, HS256_KEY, claims, hs256 } from "../harness/token.mjs";
import { Random } from "../faults/random.mjs";
import { Cache, Kv } from "../faults/store.mjs";
import { Workerd } from "../faults/workerd.mjs";

/** The client's clock runs this much faster, in tests that are not about the length of waits. */
const HASTE = 50;
const HASTY = {
  now: () => Date.now() * HASTE,
  after(ms, act) {
    const timer = setTimeout(act, ms / HASTE);
    return () => clearTimeout(timer);
  },
};
const SEEDS = [1, 2, 3, 4];

let data;
let edge;
before(async () => {
  data = await dataset();
  edge = await Edge.start({ snapshot: data.first, intake: true });
});
after(() => edge?.stop());

/** `fetch` on separate connections; `spoil` may replace a request or its answer. */
const network = (spoil = (go) => go()) => (url, init) => spoil(() => fetch(url, { ...init, headers: { ...init.headers, ...ALONE } }), url, init);

/** A client of `base`; times are real unless `clock` is HASTY. */
function client(base, { spoil, ...options } = {}) {
  const kept = new Map();
  const storage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) };
  return new Client({ base: new URL(base).origin, storage, fetch: network(spoil), totalMs: 60_000, attemptMs: 30_000, ...options });
}

/** The stored lines of the events with these ids, once `count` different ones are there. */
async function stored(ids, count) {
  const [its, bucket] = [new Set(ids), await edge.mf.getR2Bucket("EVENT_OBJECTS", "sinsang-intake")];
  const lines = (objects) => [...objects.values()].flat().filter(({ event_id }) => its.has(event_id));
  return until(async () => {
    const some = lines(await objects(bucket));
    return new Set(some.map(({ event_id }) => event_id)).size >= count && some;
  });
}

async function ids(list) {
  const found = [];
  for await (const { product_id } of list) found.push(product_id);
  return found;
}

/** The Worker in plain workerd, before a store and a cache of ours. */
async function withStore(body) {
  const [kv, cache] = [new Kv(new Random(1)), new Cache(new Random(2))];
  await Promise.all([kv.listen(), cache.listen()]);
  const variables = { JWT_AUDIENCE: AUDIENCE, JWT_HS256_KEY: HS256_KEY, JWT_ES256_PUBLIC_KEY: ES256_JWK, USER_KEY, READ_LIMIT_MS: "2000", CLOCK_OFFSET_MS: String(NOW + 300_000 - Date.now()) };
  const workerd = await Workerd.start("client", { kv: kv.port, cache: cache.port }, variables, Buffer.alloc(0));
  try {
    await body(workerd, kv, cache);
  } finally {
    await workerd.stop();
    kv.close();
    cache.close();
  }
}

test("every route answers what its method promises", async () => {
  const its = client(edge.url);
  const [home, live, tabs, status] = await Promise.all([its.home({ limit: 3 }), its.live(), its.tabs(), its.status()]);
  assert.equal(home.data.new.items.length, 3);
  assert.ok(live.data.items.every(({ on_air }) => on_air));
  assert.ok(tabs.data.items.length > 1 && status.data.channels.length > 1);
  const [item] = home.data.new.items;
  const listing = item.listings[0];
  const [product, several, same] = await Promise.all([its.product(item.product_id), its.products([item.product_id, "0123456789abcdef"]), its.listing(listing.shop, listing.listing_id)]);
  assert.equal(product.data.product.title, item.title);
  assert.deepEqual([several.data.items.length, several.data.unknown], [1, ["0123456789abcdef"]]);
  assert.equal(same.data.product.product_id, item.product_id);
  await assert.rejects(its.product("0123456789abcdef"), { status: 404, failure: "problem" });
  await assert.rejects(its.new({ limit: 0 }).more(), ({ problem }) => problem.type === "/problems/invalid-parameter" && problem.parameter === "limit");
});

test("pages of the new products and of the schedule are whole lists", async () => {
  const its = client(edge.url);
  const list = its.new({ limit: 20 });
  const found = await ids(list);
  assert.equal(found.length, list.page.data.total);
  assert.equal(new Set(found).size, found.length);
  const day = its.schedule({ date: "2026-11-20", limit: 90 });
  let broadcasts = 0;
  for await (const { broadcast } of day) broadcasts += broadcast.starts_at < "2026-11-21" ? 1 : 0;
  assert.ok(broadcasts > 300, `${broadcasts} broadcasts`);
  assert.equal(broadcasts, day.page.data.total);
});

test("an unchanged answer is a 304, and a signed-in viewer's is their own", async () => {
  const seen = [];
  const spoil = async (go, _, { headers }) => {
    const response = await go();
    seen.push([response.status, "If-None-Match" in headers]);
    return response;
  };
  let token;
  const its = client(edge.url, { spoil, token: () => token });
  const first = await its.tabs();
  const again = await its.tabs();
  assert.deepEqual(seen, [[200, false], [304, true]]);
  assert.deepEqual(again.data, first.data);
  token = hs256(claims(data.viewers[0].user_id, Date.now()));
  assert.equal((await its.home()).data.personalized, true);
  assert.deepEqual((await its.tabs()).isStale, false);
  assert.deepEqual(seen.at(-1), [200, false], "nothing remembered of nobody's");
});

test("a token that has expired is replaced", async () => {
  const user = data.viewers[0].user_id;
  const given = [];
  const token = (refused) => {
    given.push(refused);
    return hs256(claims(user, Date.now(), refused ? {} : { exp: 1 }));
  };
  const { data: home } = await client(edge.url, { token }).home();
  assert.equal(home.personalized, true);
  assert.equal(given.length, 2);
  await assert.rejects(client(edge.url, { token: () => "not.a.token" }).home(), ({ problem }) => problem.type === "/problems/invalid-token");
});

test("a list goes on over a publish that its isolate knows nothing of: 410, begun again, each product once", async () => {
  await withStore(async (workerd, kv) => {
    kv.publish(await pairs(data.first));
    const its = client(workerd.url, { clock: HASTY });
    const whole = await ids(its.new({ limit: 100 }));
    const list = its.new({ limit: 20 });
    const begun = [...(await list.more()), ...(await list.more())].map(({ product_id }) => product_id);
    assert.deepEqual(begun, whole.slice(0, 40));
    // Another snapshot whose manifest does not name the first.
    kv.values.clear();
    kv.publish(await pairs(data.second));
    await workerd.restart();
    its.options.base = workerd.url;
    const rest = await ids(list);
    const second = await ids(its.new({ limit: 100 }));
    assert.ok(list.restarts >= 1, "the cursor was gone");
    assert.deepEqual(rest, second.filter((id) => !begun.includes(id)));
  });
});

test("without any data the client waits as the Worker asks, and is answered then", async () => {
  await withStore(async (workerd, kv) => {
    kv.publish(await pairs(data.first));
    kv.befall(() => "error");
    const asked = [];
    const spoil = async (go) => {
      const response = await go();
      asked.push({ atMs: Date.now(), status: response.status, waitMs: 1000 * Number(response.headers.get("Retry-After")) });
      kv.befall(() => undefined);
      return response;
    };
    const { data: tabs, isStale } = await client(workerd.url, { spoil, attempts: 5 }).tabs();
    assert.ok(tabs.items.length > 1 && !isStale);
    assert.equal(asked[0].status, 503);
    assert.ok(asked[0].waitMs >= 5_000 && asked[0].waitMs <= 10_000, `${asked[0].waitMs}`);
    asked.slice(1).forEach(({ atMs }, at) => assert.ok(atMs - asked[at].atMs >= asked[at].waitMs, `${JSON.stringify(asked)}`));
    assert.equal(asked.at(-1).status, 200);
  });
});

test("while a dead isolate comes back without a store, the last answer is given as stale", async () => {
  await withStore(async (workerd, kv, cache) => {
    kv.publish(await pairs(data.first));
    const its = client(workerd.url, { clock: HASTY, attempts: 2 });
    const before = await its.home();
    for (const store of [kv, cache]) store.befall(() => "error");
    await workerd.restart();
    its.options.base = workerd.url;
    const old = await its.home();
    assert.deepEqual(old, { ...before, isStale: true });
    await assert.rejects(its.live(), { status: 503 });
  });
});

test("a limiter's 429 is waited out or told, and never hammered", async () => {
  const limited = await Edge.start({ snapshot: data.first, ratelimits: { RATE_LIMIT: { simple: { limit: 3, period: 60 } } } });
  try {
    let asked = 0;
    const its = client(limited.url, { totalMs: 4_000, spoil: (go) => ((asked += 1), go()), headers: () => ({ "CF-Connecting-IP": "192.0.2.7" }) });
    const results = await Promise.allSettled(Array.from({ length: 8 }, (_, at) => its.get("/v1/new", { limit: at + 1 })));
    const refused = results.filter(({ status }) => status === "rejected").map(({ reason }) => reason);
    assert.ok(refused.length >= 1, "the limiter refused none");
    for (const { status, retryAfterMs } of refused) assert.deepEqual([status, retryAfterMs >= 10_000], [429, true]);
    assert.equal(asked, 8, "a wait beyond the time limit is no reason to ask again");
  } finally {
    await limited.stop();
  }
});

/** Faults between the client and the Worker, by the dice. */
const fault = (dice, share) => async (go) => {
  if (!dice.chance(share)) return go();
  const kind = dice.below(5);
  if (kind === 0) throw new TypeError("the connection was refused");
  if (kind === 1) return new Response("<html>", { status: 502 });
  if (kind === 2) return new Promise(() => {});
  const response = await go();
  await response.text();
  // The Worker has done it, and the client does not know.
  if (kind === 3) throw new TypeError("the connection was lost");
  return new Response('{"items":[', { status: 503, headers: { "Retry-After": "1" } });
};

for (const seed of SEEDS) {
  test(`over a network that fails for a third of requests, lists are whole and events are taken once (seed ${seed})`, async () => {
    const dice = new Random(seed);
    const calm = client(edge.url);
    const whole = await ids(calm.new({ sort: "soonest", limit: 100 }));
    const options = { clock: HASTY, attempts: 8, attemptMs: 15_000, totalMs: 600_000, random: () => dice.next(), spoil: fault(dice, 0.33) };
    const its = client(edge.url, options);
    const list = its.new({ sort: "soonest", limit: 30 });
    const found = [];
    while (!list.isOver) found.push(...(await list.more().catch((error) => (assert.ok(error.isPassing, String(error)), [])))
      .map(({ product_id }) => product_id));
    assert.deepEqual(found, whole);

    const storage = its.platform.storage;
    const refused = [];
    let queue = new EventQueue(its, { flushMs: 10, onRefused: ({ event_id }) => refused.push(event_id) });
    const [good, bad] = [new Set(), []];
    for (let count = 0; count < 150; count += 1) {
      const at = new Date().toISOString();
      if (count % 10 === 3) bad.push(queue.track({ kind: "click", at }));
      else good.add(queue.track({ kind: "click", at, product_id: whole[count % whole.length], surface: "new", position: count + 1 }));
      if (count % 40 === 39) {
        // The page closes amid it all, and another opens.
        await new Promise((done) => setTimeout(done, 20));
        queue = new EventQueue(client(edge.url, { ...options, storage }), { flushMs: 10, onRefused: ({ event_id }) => refused.push(event_id) });
      }
    }
    for (let turn = 0; (await queue.flush()) > 0; turn += 1) assert.ok(turn < 50, `${queue.waiting} still wait: ${queue.failure}`);
    await queue.close();
    assert.deepEqual([...new Set(refused)].sort(), bad.sort());
    assert.equal(new Set((await stored(good, good.size)).map(({ viewer }) => viewer)).size, 1, "one device");
  });
}

test("a closing page's beacon is taken as a browser sends it, and sent again on the next visit", async () => {
  const posted = [];
  let hide;
  const page = {
    // As `navigator.sendBeacon` does: a text, no headers of ours, no answer.
    beacon: (url, text) => posted.push(fetch(url, { method: "POST", body: text, headers: { ...ALONE, Origin: new URL(url).origin } })) > 0,
    onHide: (act) => ((hide = act), () => {}),
  };
  const its = client(edge.url, { page });
  const queue = new EventQueue(its);
  queue.track({ kind: "tab_open", tab_id: "new" });
  await queue.flush();
  const ids = [1, 2, 3].map((position) => queue.track({ kind: "click", product_id: "0123456789abcdef", surface: "new", position }));
  hide();
  const response = await posted[0];
  assert.equal(response.status, 202);
  assert.deepEqual(await response.json(), { accepted: 3, refused: [] });
  const next = new EventQueue(client(edge.url, { storage: its.platform.storage, page: undefined }));
  assert.equal(await next.flush(), 0);
  await queue.close();
  await next.close();
  const lines = await stored(ids, 3);
  assert.equal(new Set(lines.map(({ viewer }) => viewer)).size, 1, "one device");
});
