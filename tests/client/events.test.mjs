// The client's queue of events: what is sent, what is kept, and what a closed page loses.
import assert from "node:assert/strict";
import { test } from "node:test";
import { EventQueue } from "../../clients/typescript/build/index.js";
import { LOST, Machine, SILENT, START_MS, ok, problem } from "./machine.mjs";

const CLICK = { kind: "click", product_id: "0123456789abcdef", surface: "new", position: 1 };
const taken = (refused = []) => ({ body }) => ({ status: 202, headers: {}, body: { accepted: body.events.length - refused.length, refused } });
const stored = (machine) => JSON.parse(machine.kept.get("sinsang.events") ?? "[]").map(({ event }) => event.event_id);
const sent = (machine) => machine.asked.map(({ body }) => body.events.map(({ event_id }) => event_id));

/** Answers with `first` until `state.isBack`, then takes all. */
const away = (first, state = {}) => [(request) => (state.isBack ? taken()(request) : first), state];

test("events of a moment are one request, with ids, times and the device", async () => {
  const machine = new Machine(taken());
  const queue = new EventQueue(machine.client());
  const ids = [queue.track(CLICK), queue.track({ ...CLICK, kind: "alarm", position: 2 })];
  await machine.pass(4_999);
  assert.equal(machine.asked.length, 0);
  assert.deepEqual(stored(machine), ids);
  await machine.pass(1);
  const [{ method, path, headers, body }] = machine.asked;
  assert.deepEqual([method, path, headers["Content-Type"]], ["POST", "/v1/events", "application/json"]);
  assert.match(headers["Sinsang-Device"], /^[A-Za-z0-9_-]{16,64}$/);
  assert.deepEqual(body.events[0], { event_id: ids[0], at: new Date(START_MS).toISOString(), ...CLICK });
  assert.equal(new Set(ids).size, 2);
  assert.deepEqual([queue.waiting, stored(machine)], [0, []]);
});

test("a hundred events are sent at once, and no request has more", async () => {
  const machine = new Machine(taken());
  const queue = new EventQueue(machine.client());
  for (let count = 0; count < 99; count += 1) queue.track(CLICK);
  await machine.settle();
  assert.equal(machine.asked.length, 0);
  for (let count = 99; count < 250; count += 1) queue.track(CLICK);
  await machine.settle();
  assert.deepEqual(machine.asked.map(({ body }) => body.events.length), [100, 100, 50]);
  assert.equal(machine.nowMs, START_MS);
});

test("an event that comes while others are sent waits for company", async () => {
  let queue;
  const machine = new Machine((request) => (queue.track(CLICK), taken()(request)));
  queue = new EventQueue(machine.client());
  queue.track(CLICK);
  assert.equal(await machine.until(queue.flush()), 1);
  assert.equal(machine.asked.length, 1);
});

test("no request is larger than 65,536 bytes, in UTF-8", async () => {
  const machine = new Machine(taken());
  const queue = new EventQueue(machine.client());
  for (let count = 0; count < 90; count += 1) queue.track({ ...CLICK, shop: `가😀é${"나".repeat(400)}` });
  await machine.until(queue.flush());
  const sizes = machine.asked.map(({ body }) => Buffer.byteLength(JSON.stringify(body)));
  assert.equal(sizes.length, 2);
  assert.ok(sizes[0] <= 65_536 && sizes[0] > 63_000, `${sizes}`);
  assert.equal(sent(machine).flat().length, 90);
  for (const letter of ["a", "é", "가", "😀"]) {
    for (let more = 0; more < 40; more += 1) {
      const text = letter.repeat(Math.ceil((500 + more) / Buffer.byteLength(letter)));
      for (let count = 0; count < 100; count += 1) queue.track({ ...CLICK, shop: text });
      await machine.until(queue.flush());
    }
  }
  const most = Math.max(...machine.asked.map(({ body }) => Buffer.byteLength(JSON.stringify(body))));
  assert.ok(most <= 65_536 && most > 65_200, `${most}`);
});

test("rows that are refused by name are reported and not sent again", async () => {
  const machine = new Machine(taken([{ index: 1, field: "at", reason: "over 7 days old" }]));
  const told = [];
  const queue = new EventQueue(machine.client(), { onRefused: (event, why) => told.push([event.event_id, why]) });
  const ids = [queue.track(CLICK), queue.track(CLICK), queue.track(CLICK)];
  assert.equal(await machine.until(queue.flush()), 0);
  assert.deepEqual(told, [[ids[1], { field: "at", reason: "over 7 days old" }]]);
  assert.equal(await machine.until(queue.flush()), 0);
  assert.deepEqual([machine.asked.length, stored(machine)], [1, []]);
});

for (const [what, answer] of [
  ["no answer", LOST],
  ["silence", SILENT],
  ["503", problem(503, "unavailable", { "Retry-After": "40" })],
  ["429", problem(429, "too-many-requests", { "Retry-After": "15" })],
  ["404", problem(404, "not-found")],
  ["403", problem(403, "foreign-origin")],
  ["401", problem(401, "invalid-token")],
  ["a refusal of the device's id", problem(400, "invalid-parameter", {}, { parameter: "Sinsang-Device" })],
  ["an answer that is not the server's", { status: 202, headers: {}, body: "<html>" }],
]) {
  test(`after ${what} all events are kept, and sent later under the same ids`, async () => {
    const [answers, state] = away(answer);
    const machine = new Machine(answers);
    const queue = new EventQueue(machine.client());
    const ids = [queue.track(CLICK), queue.track(CLICK)];
    assert.equal(await machine.until(queue.flush()), 2);
    assert.ok(queue.failure);
    assert.deepEqual(stored(machine), ids);
    state.isBack = true;
    const tried = machine.asked.length;
    await machine.pass(60_000);
    assert.deepEqual(sent(machine).slice(tried), [ids]);
    assert.deepEqual([queue.waiting, stored(machine), queue.failure], [0, [], undefined]);
  });
}

test("the queue waits as long as the server asks, and longer after each failure", async () => {
  const machine = new Machine([problem(503, "unavailable", { "Retry-After": "40" })]);
  const queue = new EventQueue(machine.client());
  queue.track(CLICK);
  await machine.pass(5_000 + 39_999);
  assert.equal(machine.asked.length, 1);
  await machine.pass(1);
  assert.equal(machine.asked.length, 2);
  const lost = new Machine([LOST]);
  const other = new EventQueue(lost.client({ attempts: 1 }));
  other.track(CLICK);
  await lost.pass(3_600_000);
  const gaps = lost.asked.map(({ atMs }, at) => atMs - (lost.asked[at - 1]?.atMs ?? START_MS)).slice(1);
  assert.ok(gaps.every((gap, at) => gap >= (gaps[at - 1] ?? 0)), `${gaps}`);
  assert.ok(gaps.length < 40 && gaps.at(-1) === 150_000, `${gaps}`);
  lost.answer = taken();
  await lost.until(other.flush());
  lost.answer = () => LOST;
  other.track(CLICK);
  const tries = lost.asked.length;
  await lost.pass(10_000);
  assert.ok(lost.asked.length > tries + 1, "after a success the first rest is short again");
  for (let count = 0; count < 150; count += 1) other.track(CLICK);
  const tried = lost.asked.length;
  await lost.settle();
  assert.equal(lost.asked.length, tried, "a full batch does not hurry a server that is away");
});

test("an event that comes amid a failing request does not shorten the wait that the server asks for", async () => {
  let queue;
  const machine = new Machine(() => (queue.track(CLICK), problem(503, "unavailable", { "Retry-After": "40" })));
  queue = new EventQueue(machine.client());
  queue.track(CLICK);
  await machine.pass(5_000 + 39_999);
  assert.equal(machine.asked.length, 1);
  await machine.pass(1);
  assert.equal(machine.asked.length, 2);
});

test("one event that spoils its request is found and reported, and the others are taken", async () => {
  for (const spoilt of [problem(413, "too-large"), problem(400, "invalid-parameter", {}, { parameter: "body", detail: "no JSON" })]) {
    const machine = new Machine((request) => (request.body.events.some(({ shop }) => shop === "bad") ? spoilt : taken()(request)));
    const told = [];
    const queue = new EventQueue(machine.client(), { onRefused: (event, why) => told.push([event.event_id, why.field]) });
    const ids = Array.from({ length: 40 }, (_, at) => queue.track({ ...CLICK, shop: at === 17 ? "bad" : "good" }));
    assert.equal(await machine.until(queue.flush()), 0);
    assert.deepEqual(told, [[ids[17], null]]);
    assert.ok(machine.asked.length < 20, `${machine.asked.length} requests`);
  }
});

test("a page that closes hands what waits to a beacon, and the next visit sends it again until it is taken", async () => {
  const machine = new Machine(taken());
  const queue = new EventQueue(machine.client({ token: () => "a.b.c" }));
  queue.track({ ...CLICK, kind: "impression" });
  await machine.until(queue.flush());
  const ids = [queue.track(CLICK), queue.track(CLICK)];
  await machine.settle();
  machine.close();
  const [{ url, device, token, events, text }] = machine.beacons;
  assert.equal(url, "https://shop.example/v1/events");
  assert.deepEqual([device, token, events.map(({ event_id }) => event_id)], [machine.kept.get("sinsang.device"), "a.b.c", ids]);
  assert.ok(Buffer.byteLength(text) <= 65_536);
  assert.deepEqual(stored(machine), ids, "nobody knows whether the beacon arrived");

  const next = new EventQueue(machine.client({ token: () => "a.b.c" }));
  await machine.pass(5_000);
  assert.deepEqual(sent(machine).at(-1), ids);
  assert.deepEqual([next.waiting, stored(machine)], [0, []]);
});

test("a page that dies without a word loses nothing that storage took", async () => {
  const machine = new Machine([LOST]);
  const queue = new EventQueue(machine.client());
  const ids = [queue.track(CLICK), queue.track(CLICK)];
  await machine.settle();
  machine.answer = taken();
  const next = new EventQueue(machine.client());
  const [third] = [next.track(CLICK)];
  await machine.until(next.flush());
  assert.deepEqual(sent(machine), [[...ids, third]]);
});

test("a page that is hidden again and again beacons an event once, and a refused beacon keeps it", async () => {
  const machine = new Machine(taken());
  const client = machine.client();
  await machine.until(client.send("POST", "/v1/events", { body: '{"events":[]}' }));
  const queue = new EventQueue(client);
  queue.track(CLICK);
  machine.hide();
  machine.hide();
  queue.track(CLICK);
  machine.hide();
  assert.deepEqual(machine.beacons.map(({ events }) => events.length), [1, 1]);
  client.platform.page.beacon = () => false;
  const last = queue.track(CLICK);
  machine.hide();
  await machine.settle();
  assert.ok(stored(machine).includes(last));
});

test("a closing page's beacons hold all, each within its size", async () => {
  const machine = new Machine(taken());
  const client = machine.client();
  client.options.token = () => "t".repeat(4_000);
  await machine.until(client.send("POST", "/v1/events", { body: '{"events":[]}' }));
  const queue = new EventQueue(client);
  for (let count = 0; count < 99; count += 1) queue.track({ ...CLICK, shop: "가".repeat(400) });
  machine.close();
  assert.ok(machine.beacons.every(({ text }) => Buffer.byteLength(text) <= 65_536));
  assert.equal(machine.beacons.flatMap(({ events }) => events).length, 99);
});

test("a full queue drops the oldest, counts them and says which", async () => {
  const machine = new Machine([LOST]);
  const dropped = [];
  const queue = new EventQueue(machine.client(), { capacity: 10, onDropped: (events) => dropped.push(...events.map(({ event_id }) => event_id)) });
  const ids = Array.from({ length: 25 }, () => queue.track(CLICK));
  await machine.settle();
  assert.deepEqual([queue.waiting, queue.dropped], [10, 15]);
  assert.deepEqual(dropped, ids.slice(0, 15));
  assert.deepEqual(stored(machine), ids.slice(15));
  const other = new EventQueue(machine.client({ page: undefined }), { capacity: 10 });
  for (let count = 0; count < 10; count += 1) other.track(CLICK);
  await machine.settle();
  queue.track(CLICK);
  await machine.settle();
  assert.equal(stored(machine).length, 10, "in storage, of both pages together");
});

test("two open pages keep each other's events, and each sends its own", async () => {
  const [answers, state] = away(LOST);
  const machine = new Machine(answers);
  const [one, other] = [new EventQueue(machine.client()), new EventQueue(machine.client())];
  const first = one.track(CLICK);
  await machine.settle();
  const second = other.track(CLICK);
  await machine.settle();
  const third = one.track(CLICK);
  await machine.settle();
  assert.deepEqual(stored(machine).sort(), [first, second, third].sort());
  state.isBack = true;
  await machine.until(one.flush());
  assert.deepEqual(stored(machine), [second]);
  await machine.until(other.flush());
  assert.deepEqual(stored(machine), []);
  assert.deepEqual(sent(machine), [[first, third], [second]]);
});

test("storage that is damaged, full or forbidden costs no event of an open page", async () => {
  const machine = new Machine(taken());
  for (const text of ["{", "null", '[{"event":{}}]', '"x"']) {
    machine.kept.set("sinsang.events", text);
    const queue = new EventQueue(machine.client());
    const id = queue.track(CLICK);
    await machine.until(queue.flush());
    assert.deepEqual(sent(machine).at(-1), [id], text);
  }
  for (const name of ["getItem", "setItem"]) {
    const storage = { ...machine.platform.storage, [name]: () => { throw new Error("QuotaExceededError"); } };
    const queue = new EventQueue(machine.client({ storage }));
    const id = queue.track(CLICK);
    await machine.until(queue.flush());
    assert.deepEqual(sent(machine).at(-1), [id]);
  }
});

test("storage that answers later, as React Native's, keeps the same", async () => {
  const machine = new Machine([LOST]);
  const later = (act) => (...given) => new Promise((done) => setImmediate(() => done(act(...given))));
  const { storage } = machine.platform;
  const slow = { getItem: later(storage.getItem), setItem: later(storage.setItem) };
  const queue = new EventQueue(machine.client({ storage: slow, page: undefined }));
  const ids = [queue.track(CLICK), queue.track(CLICK)];
  await machine.until(queue.flush());
  assert.deepEqual(stored(machine), ids);
  machine.answer = taken();
  const next = new EventQueue(machine.client({ storage: slow, page: undefined }));
  await machine.until(next.flush());
  assert.deepEqual([sent(machine).at(-1), stored(machine)], [ids, []]);
});

test("an account's events wait while another is signed in, and nobody's go without a token", async () => {
  const machine = new Machine(taken());
  let account;
  const options = { account: () => account };
  const client = machine.client({ token: () => account && `token-of-${account}` });
  const queue = new EventQueue(client, options);
  const nobodys = queue.track(CLICK);
  account = "one";
  const ones = queue.track(CLICK);
  account = "two";
  const twos = queue.track(CLICK);
  client.forget();
  machine.hide();
  assert.deepEqual(machine.beacons, [], "neither device nor token is known yet");
  assert.equal(await machine.until(queue.flush()), 1);
  const senders = machine.asked.map(({ headers, body }) => [headers.Authorization, body.events.map(({ event_id }) => event_id)]);
  assert.deepEqual(senders, [[undefined, [nobodys]], ["Bearer token-of-two", [twos]]]);
  machine.hide();
  assert.deepEqual(machine.beacons, [], "two's token is not for one's events");
  account = "one";
  assert.equal(await machine.until(queue.flush()), 0);
  assert.deepEqual(machine.asked.at(-1).headers.Authorization, "Bearer token-of-one");
  assert.deepEqual(sent(machine).at(-1), [ones]);
});

test("after sign-out, and after forget, no beacon carries the last viewer's token", async () => {
  let viewer = "one";
  const machine = new Machine(taken());
  const client = machine.client({ token: () => viewer && `token-of-${viewer}` });
  const queue = new EventQueue(client);
  queue.track(CLICK);
  await machine.until(queue.flush());
  viewer = undefined;
  queue.track(CLICK);
  await machine.until(queue.flush());
  queue.track(CLICK);
  machine.hide();
  assert.deepEqual(machine.beacons.map(({ token }) => token), [undefined]);

  const other = new Machine(taken());
  const its = other.client({ token: () => viewer && `token-of-${viewer}` });
  const mine = new EventQueue(its, { account: () => viewer });
  viewer = "one";
  mine.track(CLICK);
  await other.until(mine.flush());
  viewer = "two";
  its.forget();
  mine.track(CLICK);
  other.hide();
  assert.deepEqual(other.beacons, []);
  viewer = "one";
  await other.until(its.send("POST", "/v1/events", { body: '{"events":[]}' }));
  viewer = undefined;
  mine.track(CLICK);
  other.hide();
  assert.deepEqual(other.beacons.map(({ token, events }) => [token, events.length]), [[undefined, 1]]);
});

test("a queue that is closed sends what it has and leaves no timer", async () => {
  const machine = new Machine(taken());
  const queue = new EventQueue(machine.client());
  queue.track(CLICK);
  assert.equal(await machine.until(queue.close()), 0);
  assert.equal(machine.asked.length, 1);
  const lost = new Machine([LOST]);
  const other = new EventQueue(lost.client());
  other.track(CLICK);
  assert.equal(await lost.until(other.close()), 1);
  assert.deepEqual([machine.timers, lost.timers], [0, 0]);
  lost.hide();
  assert.deepEqual(lost.beacons, []);
});
