import assert from "node:assert/strict";
import { test } from "node:test";
import { state } from "./judge.mjs";
import { interval } from "./statistic.mjs";

const value = (low, median, high) => ({ low, median, high });

test("a ratio is worse only where even the better end of its interval is beyond what is held", () => {
  const bound = { most: 1.25, held: 4 };
  assert.equal(state(bound, value(3.8, 4.4, 5)), "held");
  assert.equal(state(bound, value(4.1, 4.4, 5)), "worse");
  assert.equal(state(bound, value(1.1, 1.2, 4.5)), "reached");
  assert.equal(state({ least: 4, held: 4 }, value(3.5, 3.9, 4.1)), "held");
  assert.equal(state({ least: 4, held: 4 }, value(3.1, 3.5, 3.9)), "worse");
  assert.equal(state({}, value(9, 9, 9)), "seen");
});

test("the interval is that of the order statistics, whatever single rounds do", () => {
  // For 15 rounds, the fourth smallest and the fourth largest: 3.5 % lie outside; with the fifth,
  // it would be 11.8 %.
  const rounds = Array.from({ length: 15 }, (_, index) => index + 1);
  assert.deepEqual(interval(rounds), { median: 8, low: 4, high: 12, rounds: 15 });
  assert.deepEqual(interval([...rounds.slice(0, 14), 1e9]), { median: 8, low: 4, high: 12, rounds: 15 });
});
