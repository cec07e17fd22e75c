// A request of the client: limits on time, retries, tokens, and what is remembered.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SinsangError } from "../../clients/typescript/build/index.js";
import { LOST, Machine, SILENT, START_MS, ok, problem } from "./machine.mjs";

const LIVE = { surface: "live", items: [] };
const times = (machine) => machine.asked.map(({ atMs }) => atMs - START_MS);
const refused = (machine, promise) =>
  machine.until(promise).then(
    () => assert.fail("an answer"),
    (error) => error,
  );

test("an answer comes with what it is, and the request with what it needs", async () => {
  const machine = new Machine([ok(LIVE)]);
  const client = machine.client({ token: () => "a.b.c", deviceClass: "phone" });
  const answer = await machine.until(client.live({ recent: "0123456789abcdef" }));
  assert.deepEqual(answer, { data: LIVE, isStale: false, atMs: START_MS });
  const [{ path, method, headers }] = machine.asked;
  assert.deepEqual([method, path], ["GET", "/v1/live?recent=0123456789abcdef"]);
  assert.equal(headers.Authorization, "Bearer a.b.c");
  assert.equal(headers["Sinsang-Device-Class"], "phone");
  assert.equal(headers["Sinsang-Device"], machine.kept.get("sinsang.device"));
  assert.equal(machine.timers, 0, "no timer is left");
});

test("parameters are escaped, flags are 1 and 0, and an array is several", async () => {
  const machine = new Machine([ok(LIVE)]);
  const client = machine.client();
  await machine.until(client.get("/x", { category: "a&b=뷰티", mine: true, off: false, variant: ["a:b", "c:d"], none: undefined, limit: 5 }));
  assert.equal(machine.asked[0].path, "/x?category=a&b=뷰티&mine=1&off=0&variant=a:b&variant=c:d&limit=5");
});

for (const [what, answer] of [
  ["no answer", LOST],
  ["429", problem(429, "too-many-requests")],
  ["503", problem(503, "no-data")],
  ["a gateway's 502", { status: 502, headers: {}, body: "<html>" }],
]) {
  test(`${what} is asked again, three times in all`, async () => {
    const machine = new Machine([answer, answer, ok(LIVE)]);
    assert.deepEqual((await machine.until(machine.client().live())).data, LIVE);
    const never = new Machine([answer]);
    await refused(never, never.client().live());
    assert.equal(never.asked.length, 3);
    assert.equal(never.timers, 0);
  });
}

for (const [status, kind] of [[400, "invalid-parameter"], [403, "preview-only"], [404, "no-product"], [410, "snapshot-gone"], [500, "broken"]]) {
  test(`${status} is not asked again, and the error has the problem`, async () => {
    const machine = new Machine([problem(status, kind, {}, { parameter: "limit", detail: "why" })]);
    const error = await refused(machine, machine.client().live());
    assert.ok(error instanceof SinsangError);
    assert.deepEqual([error.failure, error.status, error.problem.type, error.problem.parameter], ["problem", status, `/problems/${kind}`, "limit"]);
    assert.match(error.message, /why/);
    assert.equal(machine.asked.length, 1);
  });
}

test("Retry-After is waited for, as seconds and as a date, and never undercut", async () => {
  for (const said of ["5", new Date(START_MS + 5_000).toUTCString()]) {
    const machine = new Machine([problem(503, "no-data", { "Retry-After": said }), ok(LIVE)]);
    await machine.until(machine.client().live());
    assert.deepEqual(times(machine), [0, 5_000], said);
  }
  const spread = new Machine([problem(429, "too-many-requests", { "Retry-After": "2" }), ok(LIVE)]);
  await spread.until(spread.client({ random: () => 0.5 }).live());
  assert.deepEqual(times(spread), [0, 2_250], "a random time on top");
});

test("waits without Retry-After are random, within twice as much each time", async () => {
  const machine = new Machine([LOST]);
  await refused(machine, machine.client({ random: () => 0.99, attempts: 4 }).live());
  assert.deepEqual(times(machine), [0, 495, 495 + 990, 495 + 990 + 1980]);
});

test("a Retry-After beyond the time limit is told, not waited for", async () => {
  const machine = new Machine([problem(503, "no-data", { "Retry-After": "30" })]);
  const error = await refused(machine, machine.client().live());
  assert.equal(error.retryAfterMs, 30_000);
  assert.deepEqual(times(machine), [0]);
  assert.equal(machine.nowMs, START_MS);
});

test("a nonsense Retry-After is none", async () => {
  for (const said of ["soon", "", "-5", "1e3x"]) {
    const machine = new Machine([problem(503, "no-data", { "Retry-After": said }), ok(LIVE)]);
    await machine.until(machine.client().live());
    assert.deepEqual(times(machine), [0, 0], said);
  }
});

test("an attempt ends at its limit, and a request at its own, also where fetch ignores its signal", async () => {
  const machine = new Machine([SILENT]);
  const error = await refused(machine, machine.client({ attemptMs: 4_000, totalMs: 10_000 }).live());
  assert.equal(error.failure, "timeout");
  assert.deepEqual(times(machine), [0, 4_000, 8_000]);
  assert.equal(machine.nowMs - START_MS, 10_000);
  const deaf = new Machine(() => new Promise(() => {}));
  await refused(deaf, deaf.client({ attempts: 1 }).live());
  assert.equal(deaf.nowMs - START_MS, 4_000);
  const provider = new Machine([ok(LIVE)]);
  await refused(provider, provider.client({ token: () => new Promise(() => {}) }).live());
  assert.equal(provider.nowMs - START_MS, 12_000, "a token that never comes");
});

test("an abort ends a request at once with its own reason, and it is not asked again", async () => {
  for (const answer of [SILENT, problem(503, "no-data", { "Retry-After": "5" })]) {
    const machine = new Machine([answer]);
    const stop = new AbortController();
    const asked = machine.client().live({}, { signal: stop.signal });
    await machine.settle();
    stop.abort(new Error("the screen is gone"));
    await assert.rejects(asked, /the screen is gone/);
    assert.equal(machine.asked.length, 1);
    assert.equal(machine.timers, 0);
  }
  const machine = new Machine([ok(LIVE)]);
  await assert.rejects(machine.client().live({}, { signal: AbortSignal.abort() }), { name: "AbortError" });
  // A screen's signal may serve many requests.
  const listeners = new Set();
  const signal = { aborted: false, addEventListener: (_, act) => listeners.add(act), removeEventListener: (_, act) => listeners.delete(act) };
  await machine.until(machine.client().live({}, { signal }));
  assert.equal(listeners.size, 0);
});

test("an outage is not amplified: retries are a tenth of requests once the savings are spent", async () => {
  const machine = new Machine([LOST]);
  const client = machine.client();
  for (let count = 0; count < 100; count += 1) await refused(machine, client.live());
  const retries = machine.asked.length - 100;
  assert.ok(retries >= 15 && retries <= 20, `${retries} retries of 100 requests`);
});

test("a refused token is replaced once, and a second refusal is told", async () => {
  const answer = ({ headers }) => (headers.Authorization === "Bearer fresh" ? ok(LIVE) : problem(401, "invalid-token"));
  const given = [];
  const token = (refused) => (given.push(refused), refused === undefined ? "old" : "fresh");
  const machine = new Machine(answer);
  assert.deepEqual((await machine.until(machine.client({ token }).live())).data, LIVE);
  assert.deepEqual(given, [undefined, "old"]);
  for (const second of ["stale", "old", undefined]) {
    const never = new Machine(answer);
    const error = await refused(never, never.client({ token: (refused) => (refused ? second : "old") }).live());
    assert.equal(error.problem.type, "/problems/invalid-token");
    assert.equal(never.asked.length, second === "stale" ? 2 : 1);
  }
  let made = 0;
  const endless = new Machine(answer);
  await refused(endless, endless.client({ token: () => `token ${(made += 1)}` }).live());
  assert.equal(endless.asked.length, 2);
});

test("an answer that is not JSON is an error, also one of a proxy", async () => {
  const machine = new Machine([{ status: 200, headers: {}, body: "<html>" }]);
  assert.equal((await refused(machine, machine.client().live())).failure, "unreadable");
  for (const body of ["<html>", '{"error":"blocked"}', "null"]) {
    const proxy = new Machine([{ status: 403, headers: {}, body }]);
    const error = await refused(proxy, proxy.client().live());
    assert.deepEqual([error.failure, error.status, error.problem], ["status", 403, undefined]);
  }
});

/** A server that has one version of each address, and answers 304 to those that have it. */
const versioned = (version) => ({ path, headers }) => {
  const etag = `W/"${path} ${headers.Authorization ?? ""} ${version.value}"`;
  if (headers["If-None-Match"] === etag) return { status: 304, headers: { ETag: etag }, body: "" };
  return ok({ path, version: version.value }, { ETag: etag });
};

test("an answer that still holds comes from memory, and what a caller did to it does not", async () => {
  const version = { value: 1 };
  const machine = new Machine(versioned(version));
  const client = machine.client();
  const first = await machine.until(client.live());
  first.data.version = "spoilt";
  const second = await machine.until(client.live());
  assert.deepEqual(second.data, { path: "/v1/live", version: 1 });
  assert.equal(second.isStale, false);
  version.value = 2;
  assert.equal((await machine.until(client.live())).data.version, 2);
  assert.equal((await machine.until(client.live())).data.version, 2);
  assert.deepEqual(machine.asked.map(({ headers }) => headers["If-None-Match"] ?? null), [null, 'W/"/v1/live  1"', 'W/"/v1/live  1"', 'W/"/v1/live  2"']);
});

test("a 304 brings the body of the viewer that it was asked for", async () => {
  const whole = versioned({ value: 1 });
  const machine = new Machine((request) => {
    const answer = whole(request);
    return answer.status === 304 ? answer : { ...answer, body: { viewer: request.headers.Authorization } };
  });
  let viewer;
  const client = machine.client({ token: () => viewer });
  for (viewer of ["one", "two", "one", "two"]) {
    assert.deepEqual((await machine.until(client.live())).data, { viewer: `Bearer ${viewer}` });
  }
  assert.deepEqual(machine.asked.map(({ headers }) => "If-None-Match" in headers), [false, false, true, true]);
});

test("memory is one viewer's, and forgets the answers used least lately", async () => {
  const machine = new Machine(versioned({ value: 1 }));
  let viewer;
  const client = machine.client({ token: () => viewer, remembered: 2 });
  const conditional = async (path) => {
    await machine.until(client.get(path));
    return machine.asked.at(-1).headers["If-None-Match"] !== undefined;
  };
  assert.deepEqual([await conditional("/a"), await conditional("/b"), await conditional("/a")], [false, false, true]);
  assert.equal(await conditional("/c"), false);
  assert.deepEqual([await conditional("/a"), await conditional("/b")], [true, false], "/b made room for /c");
  viewer = "somebody";
  assert.equal(await conditional("/a"), false, "another viewer's");
  client.forget();
  viewer = undefined;
  assert.equal(await conditional("/a"), false, "forgotten");
});

test("long answers count by their length", async () => {
  const long = "x".repeat(1_500_000);
  const machine = new Machine(({ path, headers }) => (headers["If-None-Match"] ? { status: 304, headers: {}, body: "" } : ok({ path, long }, { ETag: `W/"${path}"` })));
  const client = machine.client();
  for (const path of ["/a", "/b", "/c", "/c", "/a"]) await machine.until(client.get(path));
  assert.deepEqual(machine.asked.map(({ headers }) => "If-None-Match" in headers), [false, false, false, true, false]);
});

test("without an answer the remembered one is given and says that it is old, up to a day", async () => {
  const state = { isAway: false };
  const there = versioned({ value: 1 });
  for (const away of [LOST, SILENT, problem(503, "no-data"), problem(429, "too-many-requests", { "Retry-After": "60" })]) {
    const machine = new Machine((request) => (state.isAway ? away : there(request)));
    const client = machine.client();
    state.isAway = false;
    await machine.until(client.live());
    state.isAway = true;
    const old = await machine.until(client.live());
    assert.deepEqual(old, { data: { path: "/v1/live", version: 1 }, isStale: true, atMs: START_MS });
    assert.ok((await refused(machine, client.live({}, { isFresh: true }))).isPassing);
    assert.ok((await refused(machine, client.tabs())).isPassing, "never seen");
    machine.nowMs += 86_400_000;
    assert.ok((await refused(machine, client.live())).isPassing, "too old");
  }
});

test("a refusal never brings an old answer", async () => {
  const state = {};
  const there = versioned({ value: 1 });
  const machine = new Machine((request) => state.refusal ?? there(request));
  const client = machine.client();
  await machine.until(client.live());
  for (state.refusal of [problem(401, "invalid-token"), problem(400, "invalid-parameter"), problem(410, "snapshot-gone")]) {
    assert.equal((await refused(machine, client.live())).status, state.refusal.status);
  }
});

test("a token that can't be had counts as no answer: its viewer's remembered answer stands in", async () => {
  const machine = new Machine(versioned({ value: 1 }));
  let isAway = false;
  const client = machine.client({
    token: async () => {
      if (isAway) throw new Error("the sign-in is away");
      return "mine";
    },
  });
  await machine.until(client.live());
  isAway = true;
  const error = await refused(machine, client.tabs());
  assert.equal(error.failure, "network");
  assert.match(String(error.reason), /sign-in is away/);
  assert.equal((await machine.until(client.live())).isStale, true);
});

test("the device's id is made once and kept; a bad one is replaced, and forbidden storage costs no request", async () => {
  const machine = new Machine([ok(LIVE)]);
  for (let visit = 0; visit < 2; visit += 1) await machine.until(machine.client().live());
  const [first, second] = machine.asked.map(({ headers }) => headers["Sinsang-Device"]);
  assert.equal(first, second);
  machine.kept.set("sinsang.device", "too short");
  await machine.until(machine.client().live());
  assert.match(machine.asked[2].headers["Sinsang-Device"], /^[A-Za-z0-9_-]{16,64}$/);
  const forbidden = { getItem: () => { throw new Error("forbidden"); }, setItem: () => { throw new Error("forbidden"); } };
  const client = machine.client({ storage: forbidden });
  for (let count = 0; count < 2; count += 1) await machine.until(client.live());
  assert.equal(machine.asked[3].headers["Sinsang-Device"], machine.asked[4].headers["Sinsang-Device"]);
  await machine.until(machine.client({ device: false }).live());
  assert.equal(machine.asked[5].headers["Sinsang-Device"], undefined);
});
