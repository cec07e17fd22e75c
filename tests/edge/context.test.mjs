// Viewers without tastes in the built Worker: data on a request from the platform and the app order
// their lists, if the board has leanings for them.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { crowd, pairs } from "../harness/dataset.mjs";
import { Edge } from "../harness/edge.mjs";

const from = (regionCode, country = "KR") => ({ country, regionCode, city: "a city that nobody looks at" });
const SEOUL = from("11");
const ids = ({ json }) => json.items.map((item) => item.product_id);
const ALL = { query: { limit: 100 } };

let told;
let plain;
before(async () => {
  const { told: with_contexts, plain: without } = await crowd();
  told = await Edge.start({ snapshot: with_contexts });
  plain = await Edge.start({ snapshot: without });
});
after(() => Promise.all([told.stop(), plain.stop()]));

test("province and class of device order the list of who has no tastes, warm and cold alike", async () => {
  const asked = {
    nowhere: { cf: from("TX", "US") },
    elsewhere: { cf: from("11", "US") },
    seoul: { cf: SEOUL },
    television: { cf: from("TX", "US"), headers: { "Sinsang-Device-Class": "tv" } },
    both: { cf: SEOUL, headers: { "Sinsang-Device-Class": "tv" } },
  };
  const lists = {};
  for (const [name, options] of Object.entries(asked)) {
    await told.restart();
    const cold = await told.get("/v1/new", { ...ALL, ...options });
    // The synchronous door learns from its first request that contexts count, and passes that one
    // on.
    await told.get("/v1/new", { ...ALL, ...options });
    const warm = await told.get("/v1/new", { ...ALL, ...options });
    assert.equal(warm.headers.get("server-timing"), 'kv;dur=0;desc="0 reads"');
    assert.deepEqual(ids(warm), ids(cold), name);
    assert.match(warm.headers.get("cache-control"), /^private, max-age=\d+$/, "whatever is between knows no province");
    assert.equal(warm.json.personalized, false);
    lists[name] = ids(warm);
  }
  assert.deepEqual(lists.elsewhere, lists.nowhere, "a province of another country");
  for (const name of ["seoul", "television", "both"]) assert.notDeepEqual(lists[name], lists.nowhere, name);
  assert.notDeepEqual(lists.both, lists.seoul);
  for (const list of Object.values(lists)) assert.equal(new Set(list).size, lists.nowhere.length, "as many products, each once");
  // Many at once, so that answers are shared: each viewer gets the answer of their own context.
  const many = await Promise.all([...Array(40).keys()].map(async (number) => {
    const [name, options] = Object.entries(asked)[number % 5];
    return [name, ids(await told.get("/v1/new", { ...ALL, ...options }))];
  }));
  for (const [name, list] of many) assert.deepEqual(list, lists[name], name);
});

test("a browser says whether it is on a phone, and the app's word counts before", async () => {
  const list = async (headers) => ids(await told.get("/v1/new", { ...ALL, cf: from("TX", "US"), headers }));
  const desktop = await list({ "Sinsang-Device-Class": "desktop" });
  assert.deepEqual(await list({ "Sec-CH-UA-Mobile": "?0" }), desktop);
  assert.deepEqual(await list({ "Sec-CH-UA-Mobile": "?1", "Sinsang-Device-Class": "desktop" }), desktop);
  const unknown = await list({});
  assert.notDeepEqual(desktop, unknown);
  for (const wrong of ["watch", "", "Desktop"]) assert.deepEqual(await list({ "Sinsang-Device-Class": wrong }), unknown);
});

test("a list goes on in the context of its first page", async () => {
  const whole = ids(await told.get("/v1/new", { ...ALL, cf: SEOUL }));
  const list = [];
  let cursor;
  for (const cf of [SEOUL, from("49"), from("TX", "US"), ...Array(40).fill(from("26"))]) {
    const page = await told.get("/v1/new", { query: { limit: 7, ...(cursor ? { cursor } : {}) }, cf, headers: cursor ? { "Sinsang-Device-Class": "tv" } : {} });
    list.push(...ids(page));
    cursor = page.json.next_cursor;
    if (cursor === null) break;
  }
  assert.deepEqual(list.slice(0, whole.length), whole);
  assert.equal(new Set(list).size, list.length);
});

test("where the board has no leanings, nobody looks, and answers are for all", async () => {
  const [one, other] = [await plain.get("/v1/new", { ...ALL, cf: SEOUL }), await plain.get("/v1/new", { ...ALL, cf: from("26") })];
  assert.match(one.headers.get("cache-control"), /^public, max-age=\d+$/);
  assert.deepEqual(ids(one), ids(other));
  // A board with leanings arrives: the next request reads its context.
  await plain.seed(await pairs((await crowd()).told));
  await plain.restart();
  assert.match((await plain.get("/v1/new", { ...ALL, cf: SEOUL })).headers.get("cache-control"), /^private/);
  assert.deepEqual(ids(await plain.get("/v1/new", { ...ALL, cf: SEOUL })), ids(await told.get("/v1/new", { ...ALL, cf: SEOUL })));
});
