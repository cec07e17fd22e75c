// The page's texts for times and prices, and the meaning of its URLs.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  clock,
  date,
  datetimeLocal,
  discount,
  hourName,
  parseTime,
  remaining,
  rfc3339,
  startTime,
} from "../../www/page/format.js";
import { readState, writeState } from "../../www/page/state.js";

const at = (text) => Date.parse(text);

test("days are Korean days, whatever the zone of the machine", () => {
  const now = at("2026-11-22T23:50:00+09:00");
  assert.equal(startTime(at("2026-11-22T20:40:00+09:00"), now), "오늘 20:40");
  assert.equal(startTime(at("2026-11-22T15:10:00Z"), now), "내일 00:10");
  assert.equal(startTime(at("2026-11-24T07:30:00+09:00"), now), "모레 07:30");
  assert.equal(startTime(at("2026-11-21T23:59:00+09:00"), now), "어제 23:59");
  assert.equal(startTime(at("2026-12-01T09:00:00+09:00"), now), "12월 1일 (화) 09:00");
  assert.equal(date(at("2026-12-31T15:00:00Z")), "1월 1일 (금)");
  assert.equal(hourName(at("2026-11-22T15:10:00Z")), "0시");
  assert.equal(clock(at("2026-11-22T15:10:00Z")), "00:10");
});

test("a time survives its way through a field and an address", () => {
  for (const text of ["2026-11-22T00:00:00+09:00", "2024-02-29T23:59:59+09:00", "2011-09-01T12:30:00+09:00"]) {
    assert.equal(rfc3339(at(text)), text);
    assert.equal(parseTime(text.replace("+", " ")), at(text));
    assert.equal(parseTime(datetimeLocal(at(text))), Math.floor(at(text) / 60_000) * 60_000);
  }
  for (const text of ["", "soon", "2026", "2026-13-01T00:00:00+09:00", "2026-11-22"])
    assert.equal(parseTime(text), null, text);
});

test("what remains is said shortly and never below nothing", () => {
  const said = [
    [0, "곧 끝나요"],
    [-5000, "곧 끝나요"],
    [1, "1초 남음"],
    [59_001, "1분 00초 남음"],
    [754_000, "12분 34초 남음"],
    [3_600_000, "1시간 남음"],
    [3_960_000, "1시간 6분 남음"],
  ];
  for (const [restMs, text] of said) assert.equal(remaining(restMs), text);
});

test("a discount is whole per cents and never promised too high", () => {
  assert.equal(discount(49_900, 59_900), 16);
  assert.equal(discount(99_500, 100_000), 0);
  for (const [price, listPrice] of [
    [null, 100],
    [100, null],
    [100, 100],
    [120, 100],
  ])
    assert.equal(discount(price, listPrice), 0);
});

test("an address and a state stand for each other", () => {
  const state = {
    ...readState(""),
    viewer: "u 1&b",
    asOfMs: at("2026-11-22T20:00:00+09:00"),
    tab: "live",
    category: "스포츠/레저",
    channel: "gs-live",
    sort: "soonest",
    tool: "compare",
    against: "viewer",
    other: "u 2",
    weights: "new.soon:-3,live.taste:0",
    lang: "en",
  };
  assert.deepEqual(readState(writeState(state)), state);
  assert.equal(writeState(readState("")), "");
  assert.deepEqual(readState("?sort=cheapest&as_of=never&tab=&tool=hammer&lang=fr&list="), readState(""));
});
