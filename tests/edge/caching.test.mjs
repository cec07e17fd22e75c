// Caching: ETag and 304, lifetimes up to the next slot boundary, and readers from other origins.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { NOW, dataset, kst } from "../harness/dataset.mjs";
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

const SURFACES = ["/v1/new", "/v1/live", "/v1/tabs", "/v1/home"];
const maxAge = ({ headers }) => Number(/max-age=(\d+)/.exec(headers.get("cache-control"))?.[1] ?? 0);

/** All start and end times after `asOf` of the broadcasts that the Worker shows, sorted. */
async function boundaries(asOf) {
  const fresh = (await edge.pages("/v1/new", { asOf, query: { limit: 100 } })).flatMap((page) => page.items.flatMap((item) => item.broadcasts));
  const live = (await edge.get("/v1/live", { asOf })).json.items.map((item) => item.broadcast);
  const instants = [...fresh, ...live].flatMap((one) => [Date.parse(one.starts_at), Date.parse(one.ends_at)]);
  return [...new Set(instants)].filter((at) => at > asOf).sort((a, b) => a - b);
}

test("an unchanged answer is 304 without a body, and keeps its headers", async () => {
  const asOf = NOW + 60_000;
  for (const path of SURFACES) {
    for (const viewer of [undefined, user]) {
      const first = await edge.get(path, { asOf, viewer });
      const etag = first.headers.get("etag");
      assert.match(etag, /^W\/"[\x21\x23-\x7e]+"$/, path);
      for (const value of [etag, `"other", ${etag}`, etag.slice(2), "*"]) {
        const again = await edge.ask(path, { asOf, viewer, headers: { "If-None-Match": value } });
        assert.equal(again.status, 304, `${path} If-None-Match: ${value}`);
        assert.equal(again.text, "");
        for (const name of ["etag", "cache-control", "vary", "sinsang-snapshot"]) assert.equal(again.headers.get(name), first.headers.get(name), name);
      }
      for (const value of ['"other"', "", etag.slice(0, -2), "W/", "x".repeat(3_000)]) {
        assert.equal((await edge.ask(path, { asOf, viewer, headers: { "If-None-Match": value } })).status, 200, `If-None-Match: ${value.slice(0, 20)}`);
      }
    }
  }
});

test("other parameters, another page and another time have other ETags", async () => {
  const asOf = NOW + 60_000;
  const page = await edge.get("/v1/new", { asOf, query: { limit: 5 } });
  const others = [
    await edge.get("/v1/new", { asOf, query: { limit: 6 } }),
    await edge.get("/v1/new", { asOf, query: { limit: 5, sort: "soonest" } }),
    await edge.get("/v1/new", { asOf, query: { limit: 5, cursor: page.json.next_cursor } }),
    await edge.get("/v1/new", { asOf, query: { limit: 5 }, viewer: user }),
    await edge.get("/v1/live", { asOf }),
    await edge.get("/v1/home", { asOf, query: { limit: 5 } }),
  ];
  const tags = [page, ...others].map(({ headers }) => headers.get("etag"));
  assert.equal(new Set(tags).size, tags.length, tags.join(" "));
});

test("an ETag holds exactly as long as the items do", async () => {
  let last;
  for (let minutes = 1; minutes <= 90; minutes += 1) {
    const { json, headers } = await edge.get("/v1/live", { asOf: NOW + minutes * 60_000 });
    const items = JSON.stringify(json.items);
    const etag = headers.get("etag");
    if (last && last.items !== items) assert.notEqual(etag, last.etag, `other items under one ETag at minute ${minutes}`);
    last = { items, etag };
  }
});

test("a first broadcast is new and off air before, on air during, and gone when it ends", async () => {
  const { json } = await edge.get("/v1/new", { asOf: NOW + 60_000, query: { sort: "soonest", limit: 100 } });
  const product = json.items.find((item) => item.broadcasts.length === 1 && !item.on_air);
  const [{ starts_at, ends_at }] = product.broadcasts;
  const [start, end] = [Date.parse(starts_at), Date.parse(ends_at)];
  const at = async (asOf) => {
    const items = (await edge.pages("/v1/new", { asOf, query: { limit: 100 } })).flatMap((page) => page.items);
    const live = (await edge.get("/v1/live", { asOf })).json.items;
    return {
      listed: items.find((item) => item.product_id === product.product_id)?.on_air,
      live: live.some((item) => item.product_id === product.product_id),
    };
  };
  assert.deepEqual(await at(start - 1_000), { listed: false, live: false });
  assert.deepEqual(await at(start), { listed: true, live: true });
  assert.deepEqual(await at(end - 1_000), { listed: true, live: true });
  assert.deepEqual(await at(end), { listed: undefined, live: false });
});

test("a shared answer is kept for less than the time to the next boundary", async () => {
  let held = 0;
  for (const [turn, boundary] of (await boundaries(NOW + 60_000)).slice(0, 5).entries()) {
    await edge.restart(boundary - 6_000 * 2 ** turn);
    for (const path of ["/v1/new", "/v1/live", "/v1/home"]) {
      // The Worker reads its clock later than this.
      const left = boundary - edge.now();
      const answer = await edge.get(path);
      // On a machine too busy for this boundary, the next one gets a try, with more time.
      if (edge.now() > boundary) continue;
      held += 1;
      assert.match(answer.headers.get("cache-control"), /public/);
      assert.ok(maxAge(answer) * 1000 <= left, `${path}: max-age ${maxAge(answer)} s, ${left} ms before ${kst(boundary)}`);
      assert.doesNotMatch(answer.headers.get("cache-control"), /stale-while-revalidate=(?!0)/);
    }
  }
  assert.ok(held >= 3, `${held} answers came before their boundary`);
  const quiet = await edge.get("/v1/live", { asOf: NOW + 60_000 });
  assert.doesNotMatch(quiet.headers.get("cache-control"), /public/, "a preview is kept by nobody else");
});

test("an isolate that runs over a boundary changes its answer with the clock, without a publish", async () => {
  const live = async (options) => (await edge.get("/v1/live", options)).json.items.map((item) => item.broadcast);
  // On a machine too busy for the first answer to be in time, the next boundary gets a try, with
  // more time.
  for (const [turn, boundary] of (await boundaries(NOW + 60_000)).slice(0, 5).entries()) {
    await edge.restart(boundary - 4_000 * 2 ** turn);
    const before = await live();
    const expected = await live({ asOf: boundary });
    if (edge.now() > boundary - 500) continue;
    assert.notDeepEqual(before, expected, "a boundary of the live list changes it");
    await new Promise((done) => setTimeout(done, boundary - edge.now() + 50));
    const { json, headers } = await edge.get("/v1/live");
    assert.deepEqual(json.items.map((item) => item.broadcast), expected);
    assert.equal(headers.get("sinsang-rung"), "isolate");
    return;
  }
  assert.fail("no answer came before its boundary");
});

test("a refusal is kept by nobody", async () => {
  assertProblem(await edge.ask("/v1/new", { query: { limit: "x" } }), 400);
  assertProblem(await edge.ask("/v1/nothing"), 404);
});

test("another origin reads nothing where none is configured", async () => {
  const answer = await edge.get("/v1/tabs", { headers: { Origin: "https://shop.example" } });
  assert.equal(answer.headers.get("access-control-allow-origin"), null);
  const preflight = await edge.ask("/v1/tabs", {
    method: "OPTIONS",
    headers: { Origin: "https://shop.example", "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization" },
  });
  assert.equal(preflight.headers.get("access-control-allow-origin"), null);
  assert.ok(preflight.status < 400);
});

test("an origin that is configured reads answers, refusals and the headers that it needs; others do not", async () => {
  const open = await Edge.start({ snapshot: data.first, bindings: { CORS_ORIGINS: "https://shop.example, https://m.shop.example" } });
  try {
    for (const origin of ["https://shop.example", "https://m.shop.example"]) {
      for (const answer of [
        await open.get("/v1/tabs", { headers: { Origin: origin } }),
        await open.ask("/v1/new", { headers: { Origin: origin }, query: { limit: "x" } }),
        await open.ask("/v1/new", { headers: { Origin: origin, Authorization: "Bearer x" } }),
      ]) {
        assert.equal(answer.headers.get("access-control-allow-origin"), origin);
        assert.match(answer.headers.get("vary"), /origin/i);
        assert.match(answer.headers.get("access-control-expose-headers"), /sinsang-rung/i);
      }
      const preflight = await open.ask("/v1/new", {
        method: "OPTIONS",
        headers: { Origin: origin, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization" },
      });
      assert.equal(preflight.status, 204);
      assert.equal(preflight.headers.get("access-control-allow-origin"), origin);
      assert.match(preflight.headers.get("access-control-allow-headers"), /authorization/i);
      assert.match(preflight.headers.get("access-control-allow-methods"), /GET/);
    }
    for (const origin of ["https://evil.example", "https://shop.example.evil.example", "http://shop.example", "null", "https://SHOP.example:8443", ""]) {
      const answer = await open.get("/v1/tabs", { headers: { Origin: origin } });
      assert.equal(answer.headers.get("access-control-allow-origin"), null, origin);
      assert.match(answer.headers.get("vary"), /origin/i);
    }
  } finally {
    await open.stop();
  }
});
