// Experiments from the rules file to the answer: assignment, its stability, previews' choices, and
// shared answers.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { NOW, built, dataset, kst } from "../harness/dataset.mjs";
import { Edge, assertProblem } from "../harness/edge.mjs";

// One experiment runs since before the build, the other begins two hours after it.
const RULES = `
[experiments]
holdout = 0.05

[[experiment]]
id = "soon-first"
layer = "new order"
traffic = [0.0, 0.8]

[[experiment.variant]]
id = "control"

[[experiment.variant]]
id = "far"
ranking.new.soon = -4000
ranking.live.taste = -800
ranking.live.popularity = -30
ranking.tabs.position = -900
mix.tab_margin = 0

[[experiment]]
id = "later"
layer = "mixing"
from = "${kst(NOW + 2 * 3_600_000)}"

[[experiment.variant]]
id = "control"

[[experiment.variant]]
id = "explore"
mix.explore_every = 3
`;
const SURFACES = ["/v1/new", "/v1/live", "/v1/tabs", "/v1/home"];

let edge;
let user;
before(async () => {
  const data = await dataset();
  user = data.viewers[0].user_id;
  edge = await Edge.start({ snapshot: await built(data.tables, NOW, { rules: RULES }) });
});
after(async () => edge?.stop());

const device = (number) => `device-of-tests-${String(number).padStart(4, "0")}`;
const as = (number) => ({ headers: { "Sinsang-Device": device(number) } });
const told = ({ headers }) => headers.get("sinsang-experiments");
const order = ({ json }) => (json.items ?? json.new.items).map((item) => item.product_id ?? item.tab_id);

/** One device of each variant, and one without a variant. */
async function devices() {
  const found = new Map();
  for (let number = 0; number < 60; number += 1) {
    const variant = told(await edge.get("/v1/tabs", as(number))) ?? "";
    if (!found.has(variant)) found.set(variant, number);
  }
  assert.deepEqual([...found.keys()].sort(), ["", "soon-first=control", "soon-first=far"]);
  return { none: found.get(""), control: found.get("soon-first=control"), far: found.get("soon-first=far") };
}

test("devices of two variants are shown two orders that say so, and each keeps its own over restarts", async () => {
  const { none, control, far } = await devices();
  for (const path of SURFACES) {
    const [plain, first, second] = [await edge.get(path, as(none)), await edge.get(path, as(control)), await edge.get(path, as(far))];
    assert.deepEqual(second.json.experiments, { "soon-first": "far" }, path);
    assert.deepEqual(first.json.experiments, { "soon-first": "control" });
    assert.equal(plain.json.experiments, undefined);
    assert.deepEqual(order(first), order(plain), "the control is what the rules say");
    assert.notDeepEqual(order(second), order(first), path);
    assert.deepEqual([...order(second)].length, order(first).length);
    const etags = [plain, first, second].map(({ headers }) => headers.get("etag"));
    assert.equal(new Set(etags).size, 3, `${path} ${etags}`);
    const again = await edge.ask(path, { headers: { ...as(far).headers, "If-None-Match": etags[2] } });
    assert.deepEqual([again.status, told(again)], [304, "soon-first=far"]);
    const others = await edge.ask(path, { headers: { ...as(control).headers, "If-None-Match": etags[2] } });
    assert.equal(others.status, 200);
  }
  await edge.restart();
  for (const [number, variant] of [[control, "soon-first=control"], [far, "soon-first=far"], [none, null]]) {
    for (const path of SURFACES) assert.equal(told(await edge.get(path, as(number))), variant);
  }
});

test("a token's user is in one variant whatever the device", async () => {
  const variants = new Set();
  for (let number = 0; number < 6; number += 1) variants.add(told(await edge.get("/v1/live", { user, ...as(number) })));
  variants.add(told(await edge.get("/v1/home", { user })));
  variants.add(told(await edge.get("/v1/new", { viewer: user })));
  assert.equal(variants.size, 1);
});

test("shared answers stay shared, are nobody's variant, and a device never gets them nor gives them", async () => {
  const { control, far } = await devices();
  for (const path of SURFACES) {
    // Alternating and warm: each request text is sent several times within a second.
    for (let round = 0; round < 4; round += 1) {
      const shared = await edge.get(path);
      assert.match(shared.headers.get("cache-control"), /^public, max-age=\d+$/);
      assert.match(shared.headers.get("vary"), /Sinsang-Device/);
      assert.equal(told(shared), null);
      for (const [number, variant] of [[far, "soon-first=far"], [control, "soon-first=control"]]) {
        const own = await edge.get(path, as(number));
        assert.equal(own.headers.get("cache-control"), "private, no-cache");
        assert.equal(told(own), variant);
      }
      assert.deepEqual(order(await edge.get(path)), order(shared));
    }
  }
});

test("a list goes on in its variant, page by page, and in no other", async () => {
  const { control, far } = await devices();
  const asked = { query: { limit: 100 }, ...as(far) };
  const whole = order(await edge.get("/v1/new", asked));
  const paged = (await edge.pages("/v1/new", { query: { limit: 7 }, ...as(far) })).flatMap((page) => order({ json: page }));
  assert.deepEqual(paged.slice(0, whole.length), whole);
  const { next_cursor: cursor } = (await edge.get("/v1/new", { query: { limit: 7 }, ...as(far) })).json;
  for (const others of [as(control), {}, { user }]) {
    const answer = await edge.ask("/v1/new", { query: { limit: 7, cursor }, ...others });
    assertProblem(answer, 400);
    assert.equal(answer.json.parameter, "cursor");
  }
});

test("a preview chooses variants by name, also of what has not begun, and is told of them", async () => {
  const { far } = await devices();
  for (const path of SURFACES) {
    const forced = await edge.get(path, { preview: true, query: { variant: "soon-first:far", explain: 1 } });
    assert.deepEqual(order(forced), order(await edge.get(path, as(far))), path);
    assert.equal(told(forced), "soon-first=far");
    assert.equal(forced.headers.get("cache-control"), "no-store");
    const items = forced.json.items ?? forced.json.new.items;
    assert.ok(items.every((item) => item.why.experiments["soon-first"] === "far"));
    assertProblem(await edge.ask(path, { query: { variant: "soon-first:far" } }), 403);
    for (const variant of ["soon-first", "soon-first:no", "no:far", "", ["soon-first:far", "soon-first:control"]]) {
      const answer = await edge.ask(path, { preview: true, query: { variant } });
      assertProblem(answer, 400);
      assert.equal(answer.json.parameter, "variant");
    }
  }
  const both = await edge.get("/v1/new", { preview: true, query: { variant: ["later:explore", "soon-first:control"] } });
  assert.equal(told(both), "soon-first=control, later=explore");
  assert.equal(told(await edge.get("/v1/new", { asOf: NOW + 2 * 3_600_000, query: { variant: "soon-first:far" } })), "soon-first=far");
});

test("what begins later begins then, and the status lists both", async () => {
  const { experiments } = (await edge.get("/v1/status")).json;
  assert.deepEqual(experiments.map(({ id, variants }) => [id, ...variants]), [["soon-first", "control", "far"], ["later", "control", "explore"]]);
  assert.equal(Date.parse(experiments[1].from), NOW + 2 * 3_600_000);
  const of = async (asOf) => told(await edge.get("/v1/new", { viewer: user, asOf })) ?? "";
  assert.doesNotMatch(await of(NOW + 7_199_000), /later/);
  const held = (await of(NOW + 60_000)) === "";
  assert.ok(held || /later=(control|explore)/.test(await of(NOW + 7_200_000)));
});

test("a device that is none is refused, warm or cold", async () => {
  for (const wrong of ["short", "x".repeat(65), "device of the tests", "device:of:the:tests"]) {
    const answer = await edge.ask("/v1/tabs", { headers: { "Sinsang-Device": wrong } });
    assertProblem(answer, 400);
    assert.equal(answer.json.parameter, "Sinsang-Device");
  }
});
