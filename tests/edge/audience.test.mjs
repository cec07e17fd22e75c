// Audiences in the built Worker: what the platform says of a request, and what a snapshot says of a
// viewer, decide whom a rule is for; a list goes on for whom it began.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { FOOD, forAudiences } from "../harness/dataset.mjs";
import { Edge } from "../harness/edge.mjs";

const from = (regionCode) => ({ country: "KR", regionCode });
const SEOUL = from("11");
const JEJU = from("49");
let edge;
let viewer;
before(async () => {
  edge = await Edge.start({ snapshot: await forAudiences() });
  viewer = "u000001";
});
after(() => edge.stop());

const ids = (items) => items.map((item) => item.product_id);
/** The mean place of food, from 0: caps and exploration put other things between. */
const meanPlace = (items) => {
  const places = items.flatMap(({ category }, place) => (category === FOOD ? [place] : []));
  assert.ok(places.length > 0, "there is food");
  return places.reduce((sum, place) => sum + place, 0) / places.length;
};

test("a rule for a province is seen from there, with and without tastes, warm and cold", async () => {
  for (const user of [undefined, viewer, "a stranger"]) {
    for (const path of ["/v1/new?limit=60", "/v1/live"]) {
      await edge.restart();
      const asked = { user, cf: SEOUL };
      const cold = await edge.get(path, asked);
      await edge.get(path, asked);
      const warm = await edge.get(path, asked);
      assert.equal(warm.headers.get("server-timing"), 'kv;dur=0;desc="0 reads"');
      assert.deepEqual(ids(warm.json.items), ids(cold.json.items));
      const there = await edge.get(path, { user, cf: JEJU });
      const unknown = await edge.get(path, { user });
      assert.ok(meanPlace(cold.json.items) < meanPlace(there.json.items), `${user} ${path}: food stands before`);
      assert.deepEqual(ids(there.json.items), ids(unknown.json.items), `${user} ${path}`);
      assert.notDeepEqual(ids(there.json.items), ids(cold.json.items), `${user} ${path}`);
      for (const answer of [cold, warm, there, unknown]) assert.match(answer.headers.get("cache-control"), /^private/);
      const told = await edge.ask(path, { user, cf: JEJU, headers: { "If-None-Match": warm.headers.get("etag") } });
      assert.equal(told.status, 200, "another's validator");
    }
  }
});

test("a list that is paged through keeps its audience, wherever its reader goes", async () => {
  for (const user of [undefined, viewer]) {
    for (const [first, then] of [[SEOUL, JEJU], [JEJU, SEOUL]]) {
      const whole = ids((await edge.pages("/v1/new?limit=100", { user, cf: first })).flatMap(({ items }) => items));
      const page = (await edge.get("/v1/new?limit=9", { user, cf: first })).json;
      const rest = await edge.pages("/v1/new?limit=9", { user, cf: then, query: { cursor: page.next_cursor } });
      assert.deepEqual([...ids(page.items), ...rest.flatMap(({ items }) => ids(items))], whole);
    }
  }
});

test("an experiment for newcomers draws nobody with tastes, and previews tell the audiences", async () => {
  const device = (number) => ({ headers: { "Sinsang-Device": `device-${String(number).padStart(12, "0")}` } });
  const drawn = [];
  for (let number = 0; number < 20; number += 1) {
    drawn.push((await edge.get("/v1/tabs", device(number))).json.experiments.hello);
    const known = await edge.get("/v1/tabs", { ...device(number), user: viewer });
    assert.equal(known.json.experiments, undefined);
  }
  assert.deepEqual([...new Set(drawn)].toSorted(), ["a", "b"]);
  const status = (await edge.get("/v1/status")).json;
  assert.deepEqual(status.experiments.map((one) => one.for), [["first-visits"]]);
  assert.deepEqual(status.audiences, ["seoul", "first-visits"], "the bits of what previews tell");
  for (const [query, expected] of [[{}, "2"], [{ region: "11" }, "3"], [{ region: "11", viewer }, "1"], [{ viewer }, null]]) {
    const answer = await edge.get("/v1/live", { preview: true, query });
    assert.equal(answer.headers.get("sinsang-audiences"), expected, JSON.stringify(query));
  }
});
