// Telemetry, if configured: data points, and a log line for failed or slow answers.
import assert from "node:assert/strict";
import { test } from "node:test";
import { dataset } from "../harness/dataset.mjs";
import { Edge } from "../harness/edge.mjs";

/**
 * A module around the built Worker that binds a dataset which keeps its points (Miniflare's drops
 * them); `/points` returns and clears them. The store is slow if a request asks for it.
 */
const entry = ({ binding = "{ writeDataPoint: (point) => points.push(point) }" } = {}) => `
import inner from "./index.js";
const points = [];
const ANALYTICS = ${binding};
let waits = 0;
const slow = (kv) => ({
  get: async (...asked) => (await new Promise((done) => setTimeout(done, waits)), kv.get(...asked)),
  getWithMetadata: async (...asked) => (await new Promise((done) => setTimeout(done, waits)), kv.getWithMetadata(...asked)),
  put() {}, list() {}, delete() {},
});
export default {
  fetch(request, env, context) {
    if (new URL(request.url).pathname === "/points") return Response.json(points.splice(0));
    waits = Number(request.headers.get("x-slow") ?? 0);
    return inner.fetch(request, { ...env, ANALYTICS, SNAPSHOTS: slow(env.SNAPSHOTS) }, context);
  },
};
`;

const points = async (edge) => (await fetch(new URL("/points", edge.url))).json();
/** A point as an object, by the column names of src/edge/telemetry.mjs. */
const named = ({ indexes, blobs, doubles }) => {
  const [surface, rung, outcome, colo, experiments, snapshot] = blobs;
  const [weight, status, age_s, total_ms, read_ms, reads] = doubles;
  assert.deepEqual([indexes, blobs.length, doubles.length], [[surface], 6, 6]);
  return { surface, rung, outcome, colo, experiments, snapshot, weight, status, age_s, total_ms, read_ms, reads };
};
/** The Worker's JSON log lines of this event. */
const lines = (edge, event) =>
  edge.printed.split("\n").filter((line) => line.includes(`"event":"${event}"`)).map((line) => JSON.parse(line.slice(line.indexOf("{"))));

/** Polls until `find` finds something: the Worker's output comes over a pipe. */
async function eventually(find) {
  for (let round = 0; round < 50; round += 1) {
    const found = find();
    if (found.length > 0) return found;
    await new Promise((done) => setTimeout(done, 20));
  }
  return find();
}

test("each answer leaves a point with where it stands, whichever way it was made, and none names a viewer", async () => {
  const data = await dataset();
  const edge = await Edge.start({ entry: entry(), snapshot: data.first, bindings: { ANALYTICS_SAMPLE: "1" } });
  try {
    const user = data.viewers[0].user_id;
    const cold = await edge.get("/v1/home", { user });
    const warm = await edge.get("/v1/new?limit=1", { user });
    const unchanged = await edge.ask("/v1/new?limit=1", { user, headers: { "If-None-Match": warm.headers.get("etag") } });
    assert.equal(unchanged.status, 304);
    await edge.ask("/v1/new?limit=none");
    await edge.ask("/v1/nothing-of-ours/at-all");
    const told = (await points(edge)).map(named);
    const seen = told.map(({ surface, rung, outcome, status, weight }) => [surface, rung, outcome, status, weight]);
    assert.deepEqual(seen, [
      ["home", "kv", "answered", 200, 1],
      ["new", "isolate", "answered", 200, 1],
      ["new", "isolate", "unchanged", 304, 1],
      ["new", "", "refused", 400, 1],
      ["other", "", "refused", 404, 1],
    ]);
    assert.equal(told[0].reads, 4, "manifest, overlay, board and the viewer's tastes");
    assert.equal(told[1].reads, 0);
    assert.equal(told[1].age_s, Number(warm.headers.get("sinsang-age")));
    assert.equal(told[0].snapshot, cold.headers.get("sinsang-snapshot"));
    assert.equal(told[3].age_s, -1);
    assert.doesNotMatch(JSON.stringify(told), new RegExp(user));
  } finally {
    await edge.stop();
  }
});

test("a sample of good answers is told with its weight, and every odd one", async () => {
  const data = await dataset();
  const edge = await Edge.start({ entry: entry(), snapshot: data.first, bindings: { ANALYTICS_SAMPLE: "0.25" } });
  try {
    for (let round = 0; round < 400; round += 1) await (await fetch(new URL("/v1/tabs", edge.url))).arrayBuffer();
    const good = (await points(edge)).map(named);
    // Four standard deviations to either side of a hundred.
    assert.ok(good.length > 65 && good.length < 135, `${good.length} of 400`);
    assert.ok(good.every(({ weight, rung }) => weight === 4 && ["isolate", "kv"].includes(rung)));
    for (let round = 0; round < 5; round += 1) await edge.ask("/v1/new?limit=none");
    const odd = (await points(edge)).map(named);
    assert.deepEqual(odd.map(({ weight, outcome }) => [weight, outcome]), Array(5).fill([1, "refused"]));
  } finally {
    await edge.stop();
  }
});

test("a slow answer leaves a line that names where the time went, and one that failed leaves one too", async () => {
  const data = await dataset();
  const edge = await Edge.start({ entry: entry({ binding: "undefined" }), snapshot: data.first, bindings: { SLOW_MS: "100" } });
  try {
    const user = data.viewers[0].user_id;
    await edge.get("/v1/home?limit=3", { user, headers: { "x-slow": "80" } });
    const [line, ...rest] = await eventually(() => lines(edge, "slow"));
    assert.deepEqual([rest, line.path, line.method, line.status, line.rung, line.reads], [[], "/v1/home", "GET", 200, "kv", 4]);
    // Two rounds of reads.
    assert.ok(line.total_ms >= 150 && line.parts_ms.kv >= 150, JSON.stringify(line));
    assert.ok(line.parts_ms.rest >= 0 && line.parts_ms.rest <= line.total_ms - line.parts_ms.kv + 1, JSON.stringify(line));
    await edge.get("/v1/home?limit=3", { user });
    assert.equal(lines(edge, "slow").length, 1, "a fast one leaves none");
    assert.doesNotMatch(JSON.stringify(line), new RegExp(user));
  } finally {
    await edge.stop();
  }
  const empty = await Edge.start({ entry: entry({ binding: "undefined" }), bindings: { SLOW_MS: "60000" } });
  try {
    assert.equal((await empty.ask("/v1/home")).status, 503);
    const [line] = await eventually(() => lines(empty, "failed"));
    assert.deepEqual([line.path, line.status], ["/v1/home", 503]);
  } finally {
    await empty.stop();
  }
});

test("a dataset that throws fails no answer, and without one nothing is told", async () => {
  const data = await dataset();
  for (const binding of ['{ writeDataPoint() { throw new Error("no more points") } }', "{}", "undefined"]) {
    const edge = await Edge.start({ entry: entry({ binding }), snapshot: data.first, bindings: { ANALYTICS_SAMPLE: "1", SLOW_MS: undefined } });
    try {
      for (let round = 0; round < 3; round += 1) await edge.get("/v1/home");
      await edge.ask("/v1/new?limit=none");
      assert.deepEqual(await points(edge), []);
      assert.doesNotMatch(edge.printed, /no more points|"event"/);
    } finally {
      await edge.stop();
    }
  }
});
