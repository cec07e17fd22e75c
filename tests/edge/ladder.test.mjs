// The built Worker without a store, under rate limits, and during a change of keys.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { bundleOf } from "../harness/bundle.mjs";
import { NOW, ROOT, dataset, pairs, sinsang } from "../harness/dataset.mjs";
import { Edge, assertProblem } from "../harness/edge.mjs";
import { HS256_KEY, claims, es256, hs256 } from "../harness/token.mjs";

const SURFACES = ["/v1/new", "/v1/live", "/v1/tabs", "/v1/home"];

test("a cold isolate before an empty store answers every surface from its bundle, and says so", async () => {
  const data = await dataset();
  const edge = await Edge.start({ bundle: bundleOf(await pairs(data.first)) });
  try {
    for (const path of SURFACES) {
      await edge.restart();
      const answer = await edge.get(path, { user: data.viewers[0].user_id });
      assert.equal(answer.headers.get("sinsang-rung"), "bundle");
      assert.equal(answer.json.snapshot.rung, "bundle");
      assert.equal(answer.json.personalized, false);
      assert.match(answer.headers.get("cache-control"), /^private/);
      assert.ok(Number(answer.headers.get("sinsang-age")) >= 0);
    }
  } finally {
    await edge.stop();
  }
});

test("what a publish bundles is what a cold isolate stands on, and is what the deploy command bundles", async () => {
  const data = await dataset();
  const folder = await mkdtemp(join(ROOT, ".cache/test/bundle."));
  try {
    const file = join(folder, "snapshot.bundle");
    await sinsang("publish", data.first, "--local", join(folder, "state"), "--bundle", file, "--force");
    const bundle = await readFile(file);
    assert.ok(bundle.equals(Buffer.from(bundleOf(await pairs(data.first)))));
    const edge = await Edge.start({ bundle });
    try {
      assert.equal((await edge.get("/v1/home")).headers.get("sinsang-rung"), "bundle");
    } finally {
      await edge.stop();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("an isolate finds in the data centre's cache what another one read, when the store is gone", async () => {
  const data = await dataset();
  const edge = await Edge.start({ snapshot: data.first });
  const user = data.viewers[0].user_id;
  try {
    const before = await edge.get("/v1/live", { user });
    assert.equal(before.json.personalized, true);
    const kv = await edge.kv();
    for (const key of (await pairs(data.first)).keys()) await kv.delete(key);
    // Values read are written to the cache after the answer.
    await new Promise((done) => setTimeout(done, 500));
    const fresh = { ...edge.options(NOW), unsafeTriggerHandlers: true };
    await edge.mf.setOptions(fresh);
    const after = await edge.get("/v1/live", { user });
    assert.equal(after.headers.get("sinsang-rung"), "cache");
    assert.equal(after.json.personalized, true, "tastes are there too");
    assert.equal(after.json.snapshot.id, before.json.snapshot.id);
  } finally {
    await edge.stop();
  }
});

test("while keys are changed tokens of either count, and afterwards only those of the one that stays", async () => {
  const data = await dataset();
  const user = data.viewers[0].user_id;
  const next = "the HS256 key that comes after, of 32 bytes or more";
  const status = async (edge, key) => (await edge.ask("/v1/tabs", { headers: { Authorization: `Bearer ${hs256(claims(user, Date.now()), key)}` } })).status;
  for (const [bindings, old, fresh] of [
    [{}, 200, 401],
    [{ JWT_HS256_KEY_OTHER: next }, 200, 200],
    [{ JWT_HS256_KEY: next }, 401, 200],
  ]) {
    const edge = await Edge.start({ snapshot: data.first, bindings });
    try {
      assert.deepEqual([await status(edge, HS256_KEY), await status(edge, next)], [old, fresh], JSON.stringify(bindings));
      const signed = await edge.ask("/v1/tabs", { headers: { Authorization: `Bearer ${es256(claims(user, Date.now()))}` } });
      assert.equal(signed.status, 200, "the other algorithm's key is as it was");
    } finally {
      await edge.stop();
    }
  }
});

test("where a rate limiter is bound, one address that asks too often is told when to come again", async () => {
  const data = await dataset();
  const edge = await Edge.start({
    snapshot: data.first,
    ratelimits: { RATE_LIMIT: { simple: { limit: 5, period: 60 } } },
  });
  try {
    const answers = [];
    for (let n = 0; n < 12; n += 1) answers.push(await edge.ask("/v1/tabs"));
    const statuses = answers.map((answer) => answer.status);
    assert.ok(statuses.slice(0, 5).every((status) => status === 200), `${statuses}`);
    const last = answers.at(-1);
    assertProblem(last, 429);
    assert.match(last.headers.get("retry-after"), /^\d+$/);
    assert.equal((await edge.ask("/healthz")).status, 200, "health is not counted");
  } finally {
    await edge.stop();
  }
});
