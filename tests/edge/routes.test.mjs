// Every route: its answers, its methods, and the paths and queries that it refuses.
import assert from "node:assert/strict";
import { request } from "node:http";
import { after, before, test } from "node:test";
import { NOW, dataset } from "../harness/dataset.mjs";
import { Edge, assertProblem } from "../harness/edge.mjs";

let edge;
let data;
before(async () => {
  data = await dataset();
  edge = await Edge.start({ snapshot: data.first });
});
after(() => edge.stop());

const SURFACES = ["/v1/new", "/v1/live", "/v1/tabs", "/v1/home", "/v1/schedule", "/v1/status"];
const ROUTES = [...SURFACES, "/healthz"];

test("new lists products whose first broadcast is not over, the soonest first where asked", async () => {
  const { json } = await edge.get("/v1/new", { query: { sort: "soonest", limit: 100 } });
  assert.equal(json.surface, "new");
  assert.equal(json.personalized, false);
  assert.ok(json.items.length >= 20, `${json.items.length} items test little`);
  assert.ok(json.total >= json.items.length);
  const now = edge.now();
  let last = -Infinity;
  for (const item of json.items) {
    assert.equal(item.verdict.kind, "new");
    assert.ok(item.verdict.evidence.text);
    const first = item.broadcasts[0];
    assert.ok(Date.parse(first.ends_at) > now - 1_000, `${item.title} was over at ${first.ends_at}`);
    assert.ok(Date.parse(first.starts_at) >= last, "soonest first");
    last = Date.parse(first.starts_at);
    assert.equal(item.on_air, item.broadcasts.some((one) => one.on_air));
    assert.ok(item.listings.length > 0);
  }
  assert.equal(new Set(json.items.map((item) => item.product_id)).size, json.items.length);
});

test("live lists what is on air at this moment and nothing else", async () => {
  const { json } = await edge.get("/v1/live");
  assert.equal(json.surface, "live");
  assert.ok(json.items.length > 0);
  const now = edge.now();
  for (const { broadcast, on_air } of json.items) {
    assert.equal(on_air, true);
    assert.equal(broadcast.on_air, true);
    assert.ok(Date.parse(broadcast.starts_at) <= now && now - 1_000 < Date.parse(broadcast.ends_at));
  }
  const seen = json.items.map(({ broadcast }) => `${broadcast.shop} ${broadcast.listing_id} ${broadcast.channel.id} ${broadcast.starts_at}`);
  assert.equal(new Set(seen).size, seen.length);
});

test("tabs come in the positions they name", async () => {
  const { json } = await edge.get("/v1/tabs");
  assert.ok(json.items.length > 1);
  const pinned = json.items.filter((tab) => tab.pinned);
  for (const tab of pinned) assert.equal(json.items.indexOf(tab), tab.position, `${tab.tab_id} is pinned to its place`);
});

test("home is the three surfaces as they answer alone", async () => {
  const asOf = NOW + 60_000;
  const [home, fresh, live, tabs] = await Promise.all(
    ["/v1/home", "/v1/new", "/v1/live", "/v1/tabs"].map(async (path) => {
      const query = ["/v1/home", "/v1/new"].includes(path) ? { limit: 7 } : {};
      return (await edge.get(path, { asOf, viewer: data.viewers[0].user_id, query })).json;
    }),
  );
  assert.deepEqual(home.tabs.items, tabs.items);
  assert.deepEqual(home.live.items, live.items);
  assert.deepEqual(home.new.items, fresh.items);
  assert.equal(home.new.items.length, 7);
  assert.equal(home.new.total, fresh.total);
  assert.equal(home.personalized, true);
});

test("the first page of home goes on in new", async () => {
  const asOf = NOW + 60_000;
  const home = (await edge.get("/v1/home", { asOf, query: { limit: 5 } })).json.new;
  const next = (await edge.get("/v1/new", { asOf, query: { limit: 5, cursor: home.next_cursor } })).json;
  const both = (await edge.get("/v1/new", { asOf, query: { limit: 10 } })).json;
  assert.deepEqual([...home.items, ...next.items], both.items);
});

test("status says what the edge stands on", async () => {
  await edge.get("/v1/home");
  const { json } = await edge.get("/v1/status");
  assert.ok(Math.abs(Date.parse(json.now) - edge.now()) < 5_000);
  assert.equal(json.clock, "shifted");
  assert.equal(Date.parse(json.snapshot.built_at), NOW);
  assert.ok(Date.parse(json.window.from) <= NOW && NOW < Date.parse(json.window.to));
  for (const count of ["products", "new", "repeat", "broadcasts", "channels", "tabs", "users", "taste_shards"]) {
    assert.ok(json.counts[count] > 0, `${count} is ${json.counts[count]}`);
  }
  assert.equal(json.channels.length, json.counts.channels);
  assert.ok(json.categories.length > 0);
  assert.equal(json.store.breaker, "closed");
  assert.equal(json.cache.breaker, "closed");
  assert.ok(json.memory.snapshot_bytes > 0 && json.memory.wasm_bytes > json.memory.snapshot_bytes);
});

test("health needs nothing", async () => {
  assert.deepEqual((await edge.get("/healthz")).json, { status: "ok" });
});

test("every answer says which rung it stands on and how old its data is", async () => {
  for (const path of SURFACES) {
    const { headers, json } = await edge.get(path);
    assert.match(headers.get("sinsang-rung"), /^(isolate|kv|stale)$/, path);
    assert.match(headers.get("sinsang-age"), /^\d+$/, path);
    assert.equal(headers.get("sinsang-snapshot"), json.snapshot.id, path);
    assert.match(headers.get("sinsang-snapshot"), /^[0-9a-f]{16}$/);
    assert.ok(headers.get("server-timing"), path);
    assert.ok(Math.abs(Number(headers.get("sinsang-age")) - (edge.now() - NOW) / 1000) < 5, path);
  }
});

test("a filter by category or channel shows its own, and all categories together show everything", async () => {
  const asOf = NOW + 60_000;
  const { json: status } = await edge.get("/v1/status");
  const all = (await edge.pages("/v1/new", { asOf, query: { limit: 100 } })).flatMap((page) => page.items);
  let found = 0;
  for (const category of status.categories) {
    const items = (await edge.pages("/v1/new", { asOf, query: { limit: 100, category } })).flatMap((page) => page.items);
    assert.ok(items.every((item) => item.category === category), category);
    found += items.length;
  }
  assert.equal(found + all.filter((item) => item.category === null).length, all.length);
  for (const { id } of status.channels) {
    const items = (await edge.pages("/v1/new", { asOf, query: { limit: 100, channel: id } })).flatMap((page) => page.items);
    const expected = all.filter((item) => item.broadcasts.some(({ channel }) => channel.id === id));
    assert.deepEqual(items.map((item) => item.product_id).sort(), expected.map((item) => item.product_id).sort(), id);
  }
});

test("a category or channel that does not exist has nothing new, and the answer says which there are", async () => {
  const { json: status } = await edge.get("/v1/status");
  const known = { category: status.categories, channel: status.channels.map(({ id }) => id) };
  for (const query of [{ category: "없는 분류" }, { channel: "no-such-channel" }, { category: "'; DROP TABLE" }, { category: "없는", channel: "GS샵" }]) {
    const { json, headers } = await edge.get("/v1/new", { query });
    assert.deepEqual([json.items, json.total, json.next_cursor], [[], 0, null]);
    const told = Object.entries(query).map(([name, given]) => [name, { given, known: known[name].slice(0, 100), known_count: known[name].length }]);
    assert.deepEqual(json.unknown, Object.fromEntries(told));
    const again = await edge.ask("/v1/new", { query, headers: { "If-None-Match": headers.get("etag") } });
    assert.ok(again.status === 304 || again.headers.get("etag") !== headers.get("etag"));
  }
});

test("a category is found in decomposed Hangul, and a known one with nothing to show is not unknown", async () => {
  const asOf = NOW + 60_000;
  const { json: status } = await edge.get("/v1/status");
  let found = 0;
  for (const category of status.categories) {
    const [nfc, nfd] = await Promise.all(["NFC", "NFD"].map((form) => edge.get("/v1/new", { asOf, query: { category: category.normalize(form) } })));
    assert.deepEqual([nfd.json.items, nfd.headers.get("etag")], [nfc.json.items, nfc.headers.get("etag")], category);
    assert.equal(nfc.json.unknown, undefined);
    found += nfc.json.items.length;
    // At the end of the board, nothing is new any more.
    const late = await edge.get("/v1/new", { asOf: Date.parse(status.window.to), query: { category: category.normalize("NFD") } });
    assert.deepEqual([late.json.items, late.json.unknown], [[], undefined], category);
  }
  assert.ok(found > 20, `${found} items test little`);
});

test("the time of a preview is taken with its plus unescaped", async () => {
  const time = "2026-11-20T12:00:00";
  for (const path of SURFACES) {
    const [escaped, ...others] = await Promise.all(
      ["%2B09:00", "+09:00", "%2009:00"].map((offset) => edge.get(`${path}?as_of=${time}${offset}`, { preview: true })),
    );
    const shown = ({ json }) => json.items ?? json.live ?? json.window;
    for (const other of others) assert.deepEqual(shown(other), shown(escaped), path);
  }
  const refused = await edge.ask(`/v1/live?as_of=${time}+9:00`, { preview: true });
  assertProblem(refused, 400, "as_of");
  assert.match(refused.json.detail, /%2B/);
});

const BAD = [
  ...["0", "-1", "1001", "abc", "1e9", "", "1.5", " 5", "+5", "99999999999999999999", "٥", ["5", "5"]].map((limit) => ["limit", limit, ["/v1/new", "/v1/home", "/v1/schedule"]]),
  ["limit", "101", ["/v1/new", "/v1/home"]],
  ...["newest", "", "SOONEST", ["soonest", "soonest"]].map((sort) => ["sort", sort, ["/v1/new"]]),
  ...["", "x", "AAAA", "!!!!", "A".repeat(39), "A".repeat(300), "신상", "%00", ["a", "b"]].map((cursor) => ["cursor", cursor, ["/v1/new", "/v1/schedule"]]),
  ...["", "가".repeat(200), ["뷰티", "뷰티"]].map((category) => ["category", category, ["/v1/new", "/v1/schedule"]]),
  ...["", ["gs-live", "gs-live"]].map((channel) => ["channel", channel, ["/v1/new", "/v1/schedule"]]),
  ["Limit", "5", ["/v1/new"]],
  ["page", "2", ROUTES],
  ["__proto__", "1", SURFACES],
  ["sort", "soonest", ["/v1/live", "/v1/tabs", "/v1/home", "/v1/schedule", "/v1/status"]],
  ...["", "list", "CARD", ["card", "card"]].map((view) => ["view", view, ["/v1/new", "/v1/live", "/v1/home", "/v1/schedule"]]),
  ["view", "card", ["/v1/tabs", "/v1/status", "/healthz"]],
  ...["", "2026-11-2", "2026-13-01", "20.11.2026", "2026-11-20T12:00:00"].map((date) => ["date", date, ["/v1/schedule"]]),
  ["from", "2026-11-20T12:00:00Z", ["/v1/schedule"]],
  ...["", "2", "true"].map((mine) => ["mine", mine, ["/v1/schedule"]]),
];

test("a parameter that is wrong, unknown or given twice is refused by name", async (t) => {
  for (const [parameter, value, paths] of BAD) {
    for (const path of paths) {
      await t.test(`${path} ${parameter}=${JSON.stringify(value).slice(0, 40)}`, async () => {
        assertProblem(await edge.ask(path, { query: { [parameter]: value } }), 400, parameter);
      });
    }
  }
});

test("a preview's time and viewer are checked like any parameter", async () => {
  for (const as_of of ["", "now", "2026-11-20", "2026-11-20T12:00:00", "2026-13-20T12:00:00Z", "1e99", "9".repeat(30)]) {
    for (const path of SURFACES) assertProblem(await edge.ask(path, { preview: true, query: { as_of } }), 400, "as_of");
  }
  for (const viewer of ["", "x".repeat(129)]) assertProblem(await edge.ask("/v1/new", { preview: true, query: { viewer } }), 400, "viewer");
});

test("a path that does not exist is a 404 problem", async () => {
  for (const path of ["/v1", "/v1/", "/v2/new", "/v1/new/", "/V1/new", "/v1/new%2F", "/v1/%6eew", "/healthz/", "/v1/../etc/passwd", "/problems", "/v1/constructor"]) {
    assertProblem(await edge.ask(path), 404);
  }
});

test("another method is a 405 problem that names the methods", async () => {
  for (const path of ROUTES) {
    for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
      const answer = await edge.ask(path, { method, body: "{}" });
      assertProblem(answer, 405);
      assert.deepEqual(answer.headers.get("allow").split(/, */).sort(), ["GET", "HEAD", "OPTIONS"]);
    }
  }
});

test("HEAD has the headers of GET and no body", async () => {
  for (const path of ROUTES) {
    const asked = path === "/healthz" ? {} : { asOf: NOW + 60_000 };
    const [head, get] = [await edge.ask(path, { method: "HEAD", ...asked }), await edge.ask(path, asked)];
    assert.equal(head.status, 200);
    assert.equal(head.text, "");
    for (const name of ["content-type", "cache-control", "etag", "vary", "sinsang-snapshot"]) {
      assert.equal(head.headers.get(name), get.headers.get(name), `${path} ${name}`);
    }
  }
  assert.equal((await edge.ask("/v1/new", { method: "HEAD", query: { limit: "x" } })).status, 400);
});

test("a body is refused, and strange headers change nothing", async () => {
  const refused = await raw("GET", "/v1/tabs", { "Content-Type": "application/json" }, '{"limit":1}');
  assert.equal(refused.status, 413);
  assert.equal(JSON.parse(refused.text).type, "/problems/no-body");
  const plain = await raw("GET", "/v1/tabs");
  const odd = await raw("GET", "/v1/tabs", { "Content-Type": "application/json", "X-Long": "x".repeat(8_000), Accept: "image/png" });
  assert.equal(odd.status, 200);
  assert.deepEqual(JSON.parse(odd.text).items, JSON.parse(plain.text).items);
});

test("a path or query of great length is refused without harm", async () => {
  for (const path of [`/${"a".repeat(5_000)}`, `/v1/new?cursor=${"A".repeat(7_000)}`, `/v1/new?${"limit=1&".repeat(900)}`]) {
    const { status } = await edge.ask(path);
    assert.ok([400, 404, 414].includes(status), `${path.slice(0, 30)} answers ${status}`);
  }
  assert.equal((await edge.ask("/healthz")).status, 200);
});

test("broken percent escapes are values, not failures", async () => {
  for (const query of ["category=%", "category=%ff%fe", "category=%00", "category=%ED%A0%80", "&&&", "category=a&", "="]) {
    const { status } = await raw("GET", `/v1/new?${query}`);
    assert.ok(status === 200 || status === 400, `${query} answers ${status}`);
  }
});

test("the type of every problem leads to a page that says what it is", async () => {
  const { json } = await edge.get("/openapi.json");
  const problems = Object.entries(json["x-problems"]);
  assert.ok(problems.length > 15, `${problems.length} problems`);
  for (const [kind, { title, meaning, remedy }] of problems) {
    const { text, headers } = await edge.get(`/problems/${kind}`);
    assert.match(headers.get("content-type"), /^text\/html/);
    assert.match(headers.get("content-security-policy"), /default-src 'none'/);
    for (const said of [title, meaning, remedy]) assert.ok(text.includes(said), `${kind} does not say "${said}"`);
    assert.equal((await edge.ask(`/problems/${kind}`, { method: "HEAD" })).status, 200);
  }
  assertProblem(await edge.ask("/problems/surely-unknown"), 404);
});

test("the OpenAPI document and the page are served beside the routes", async () => {
  const { json, headers } = await edge.get("/openapi.json");
  assert.match(json.openapi, /^3\.1\./);
  assert.match(headers.get("content-type"), /json/);
  assert.deepEqual(ROUTES.filter((path) => !json.paths[path]), [], "every route is documented");
  const page = await edge.get("/");
  assert.match(page.headers.get("content-type"), /^text\/html/);
});

/** Sends a request that fetch refuses to send, on a separate connection. */
function raw(method, path, headers = {}, body) {
  const length = body === undefined ? {} : { "Content-Length": Buffer.byteLength(body) };
  const options = { host: edge.url.hostname, port: edge.url.port, method, path, headers: { ...headers, ...length }, agent: false };
  return new Promise((done, fail) => {
    const sent = request(options, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk) => (text += chunk));
      response.on("end", () => done({ status: response.statusCode, headers: response.headers, text }));
    });
    sent.on("error", fail);
    sent.end(body);
  });
}
