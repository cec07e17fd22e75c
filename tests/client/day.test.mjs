// A day in the app, with fewer viewers at the sale than `make day` sends.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Day } from "./day.mjs";

test("a day in the app keeps every promise, from the first start to the next morning", async () => {
  const rows = await new Day({ viewers: 2_000 }).live();
  assert.equal(rows.length, 9);
  // The steps that go on without the network, or without KV, are seen to have met it.
  const of = (step) => rows.find((row) => row.step.startsWith(step));
  assert.deepEqual(of("KV fails, isolates live").rungs, ["isolate"]);
  assert.ok(of("KV fails, isolates begin").rungs.every((rung) => rung !== "kv"));
});
