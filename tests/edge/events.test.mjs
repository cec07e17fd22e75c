// Events in: which requests POST /v1/events accepts and refuses, and the path of events behind the
// queue.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHmac, randomUUID } from "node:crypto";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import { ROOT, USER_KEY, dataset, pairs } from "../harness/dataset.mjs";
import { Edge, assertProblem } from "../harness/edge.mjs";
import { ALONE } from "../harness/connection.mjs";
import { Intake, objects, settled } from "../harness/intake.mjs";
import { listingsOf } from "../harness/pulse.mjs";
import { claims, es256, hs256 } from "../harness/token.mjs";

const DEVICE = "a-device-of-the-tests";
const PRODUCT = "0123456789abcdef";
const key = (name) => createHmac("sha256", USER_KEY).update(name).digest("hex").slice(0, 16);
const event = (changes = {}) => ({ event_id: randomUUID(), kind: "click", at: new Date().toISOString(), product_id: PRODUCT, ...changes });
const lines = (objects, prefix = "events/date=") => [...objects].filter(([name]) => name.startsWith(prefix)).flatMap(([, lines]) => lines);

let intake;
let sent = 0;
before(async () => {
  intake = await Intake.start();
});
after(() => intake.stop());

/** Sends to this file's shared Worker, and counts the events to expect in its bucket. */
async function send(body, options) {
  const answer = await intake.send(body, options);
  if (answer.status === 202) sent += answer.json.accepted;
  return answer;
}

test("good rows are taken, bad ones are named, and the good ones land in an object of their hour", async () => {
  const clicks = [event({ surface: "new", position: 3, experiments: { "soon-first": "control" } }), event({ kind: "glance" }), event({ at: "soon" }), event({ kind: "purchase", amount: 49900 }), event({ amount: 49900 }), event({ kind: "purchase", amount: 1.5 })];
  const answer = await send({ events: clicks }, { headers: { "Sinsang-Device": DEVICE } });
  assert.equal(answer.status, 202);
  assert.deepEqual(answer.json, {
    accepted: 2,
    refused: [
      { index: 1, field: "kind", reason: "unknown kind" },
      { index: 2, field: "at", reason: "not a time of RFC 3339" },
      { index: 4, field: "amount", reason: "only a purchase has one" },
      { index: 5, field: "amount", reason: "not whole won from 0 to 100,000,000" },
    ],
  });
  assert.equal(answer.headers.get("cache-control"), "no-store");
  const found = await intake.settled(sent);
  const mine = new Map(lines(found).map((line) => [line.event_id, line]));
  const { received_at, ...first } = mine.get(clicks[0].event_id);
  assert.deepEqual(first, { ...clicks[0], viewer: `d${key(`device:${DEVICE}`)}` });
  assert.ok(Math.abs(Date.parse(received_at) - Date.now()) < 60_000, received_at);
  assert.equal(mine.get(clicks[3].event_id)?.amount, 49900);
  assert.ok(!mine.has(clicks[1].event_id));
  for (const name of found.keys()) {
    const [, date, hour, ms] = name.match(/^events\/date=(\d{4}-\d\d-\d\d)\/hour=(\d\d)\/(\d{13})-[0-9a-f]{16}\.ndjson\.gz$/) ?? assert.fail(name);
    assert.equal(new Date(Number(ms)).toISOString().slice(0, 13), `${date}T${hour}`);
  }
});

test("a token's user is known by a key, from the header or from a beacon's body, and before a device", async () => {
  const token = hs256(claims("u000001", Date.now()));
  const by = {
    header: [{ events: [event()] }, { headers: { Authorization: `Bearer ${token}`, "Sinsang-Device": DEVICE } }],
    es256: [{ events: [event()] }, { headers: { Authorization: `Bearer ${es256(claims("u000001", Date.now()))}` } }],
    // The form in which navigator.sendBeacon sends a text.
    beacon: [JSON.stringify({ token, device: DEVICE, events: [event()] }), { type: "text/plain;charset=UTF-8" }],
  };
  for (const [name, [body, options]] of Object.entries(by)) {
    const answer = await send(body, options);
    assert.deepEqual([answer.status, answer.json], [202, { accepted: 1, refused: [] }], name);
  }
  const found = lines(await intake.settled(sent));
  for (const [body] of Object.values(by)) {
    const { event_id } = (typeof body === "string" ? JSON.parse(body) : body).events[0];
    assert.equal(found.find((line) => line.event_id === event_id).viewer, key("u000001"));
  }
  assert.ok(!JSON.stringify(found).includes("u000001") && !JSON.stringify(found).includes(DEVICE), "no raw id is stored");
});

test("an event has the province and the class of device that it came from, and nothing finer", async () => {
  const told = event({ region: "11", device_class: "phone" });
  const headers = { "Sinsang-Device": DEVICE, "Sinsang-Device-Class": "tv", "User-Agent": "a user agent of the tests" };
  const cf = { country: "KR", regionCode: "49", region: "Jeju", city: "Seogwipo", latitude: "33.2" };
  assert.equal((await send({ events: [told] }, { headers, cf })).status, 202);
  const found = lines(await intake.settled(sent)).find((line) => line.event_id === told.event_id);
  assert.deepEqual([found.region, found.device_class], ["49", "tv"], "as the platform and the header say, not the row");
  assert.doesNotMatch(JSON.stringify(found), /Jeju|Seogwipo|33\.2|user agent|127\.0\.0\.1/);
});

test("whoever is nobody, or not who they say, is refused", async () => {
  assertProblem(await send({ events: [event()] }), 401);
  const forged = hs256(claims("u000001", Date.now()), "another key that is over 32 bytes long, too");
  for (const headers of [{ Authorization: `Bearer ${forged}` }, { Authorization: `Bearer ${forged}`, "Sinsang-Device": DEVICE }, { Authorization: "garbage" }]) {
    const answer = await send({ events: [event()] }, { headers });
    assertProblem(answer, 401);
    assert.match(answer.headers.get("www-authenticate"), /^Bearer error="invalid_token", error_description="[^"]+"$/);
  }
  assertProblem(await send({ token: forged, device: DEVICE, events: [event()] }), 401);
  assertProblem(await send({ events: [event()] }, { headers: { "Sinsang-Device": "short" } }), 400, "Sinsang-Device");
  assertProblem(await send({ device: 7, events: [event()] }), 400, "device");
});

test("a page of another site sends nothing, whatever it calls its body, and no origin is made up for by a device", async () => {
  const one = await Intake.start({ bindings: { CORS_ORIGINS: "https://app.example, null" } });
  try {
    const own = new URL(one.url).origin;
    let taken = 0;
    for (const type of ["text/plain;charset=UTF-8", "application/json"]) {
      for (const [given, status] of [
        [{ Origin: "https://evil.example" }, 403],
        [{ Origin: "https://evil.example", "Sec-Fetch-Site": "cross-site" }, 403],
        [{ Origin: "https://app.example.evil.example" }, 403],
        [{ Origin: "http://app.example" }, 403],
        [{ Origin: "null" }, 403],
        [{ "Sec-Fetch-Site": "cross-site" }, 403],
        [{ "Sec-Fetch-Site": "same-site" }, 403],
        [{}, 202],
        [{ Origin: "https://app.example", "Sec-Fetch-Site": "cross-site" }, 202],
        [{ Origin: own, "Sec-Fetch-Site": "same-origin" }, 202],
      ]) {
        const answer = await one.send(JSON.stringify({ device: DEVICE, events: [event()] }), { type, headers: given });
        assert.equal(answer.status, status, `${type} ${JSON.stringify(given)}`);
        if (status === 202) taken++;
        else assertProblem(answer, 403);
        const allowed = answer.headers.get("access-control-allow-origin");
        assert.equal(allowed, given.Origin === "https://app.example" ? given.Origin : null);
      }
    }
    const found = await one.settled(taken);
    assert.equal([...found.values()].flat().length, taken);
  } finally {
    await one.stop();
  }
});

test("a page that follows the docs passes the preflight, with every header that they name", async () => {
  const document = JSON.parse(await readFile(join(ROOT, "www/openapi.json"), "utf8"));
  const operation = document.paths["/v1/events"].post;
  const parameters = operation.parameters.map((one) => (one.$ref ? document.components.parameters[one.$ref.split("/").pop()] : one));
  const named = [...parameters.filter((one) => one.in === "header").map((one) => one.name), "Authorization", "Content-Type"];
  assert.ok(named.includes("Sinsang-Device-Class") && named.includes("Sinsang-Device"), `${named}`);
  const one = await Intake.start({ bindings: { CORS_ORIGINS: "https://app.example" } });
  try {
    const headers = { Origin: "https://app.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": named.join(",").toLowerCase() };
    const preflight = await one.send(undefined, { method: "OPTIONS", headers, type: null });
    assert.equal(preflight.status, 204);
    const allowed = preflight.headers.get("access-control-allow-headers").toLowerCase().split(/\s*,\s*/);
    assert.deepEqual(allowed.sort(), named.map((name) => name.toLowerCase()).sort());
  } finally {
    await one.stop();
  }
});

test("what is no list of events, too much of it, or asked otherwise is refused", async () => {
  const device = DEVICE;
  for (const [body, parameter] of [
    ["{", "body"],
    ["[]", "body"],
    ["", "body"],
    [Buffer.from([0x7b, 0xff, 0x7d]), "body"],
    [{ device }, "events"],
    [{ device, events: {} }, "events"],
  ]) {
    assertProblem(await send(body), 400, parameter);
  }
  assertProblem(await send({ device, events: [event()] }, { path: "/v1/events?now=1" }), 400, "query");
  assertProblem(await send({ device, events: Array.from({ length: 101 }, () => event()) }), 413);
  assertProblem(await send({ device, events: [event({ more: "x".repeat(70_000) })] }), 413);
  for (const type of ["application/x-www-form-urlencoded", "text/html", null]) {
    assertProblem(await send(new TextEncoder().encode(JSON.stringify({ device, events: [event()] })), { type }), 415);
  }
  const refused = await send(undefined, { method: "GET" });
  assertProblem(refused, 405);
  assert.equal(refused.headers.get("allow"), "POST, OPTIONS");
  assertProblem(await send({ device, events: [] }, { path: "/v1/event" }), 404);
  const preflight = await send(undefined, { method: "OPTIONS", headers: { Origin: "https://app.example", "Access-Control-Request-Method": "POST" }, type: null });
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers.get("access-control-allow-origin"), null, "closed unless an origin is named");
  assert.deepEqual((await send({ device, events: [] })).json, { accepted: 0, refused: [] });
});

test("a hundred events of all that a body may hold are one message, and nothing of them is lost", async () => {
  const events = Array.from({ length: 100 }, () => event({ shop: "가".repeat(160) }));
  const body = JSON.stringify({ device: DEVICE, events });
  assert.ok(body.length < 64 * 1024 && Buffer.byteLength(body) > 60_000, `${Buffer.byteLength(body)} bytes`);
  assert.deepEqual((await send(body)).json, { accepted: 100, refused: [] });
  const found = new Set(lines(await intake.settled(sent)).map((line) => line.event_id));
  assert.ok(events.every((one) => found.has(one.event_id)));
});

test("a body without a length is held to the same size as it comes", async () => {
  // One byte too many: the Worker leaves the rest of a longer body unread, and a client still
  // writing may see a closed connection before the answer.
  const sizes = [16_384, 16_384, 16_384, 16_384, 1];
  const body = new ReadableStream({ pull: (to) => (sizes.length ? to.enqueue(new Uint8Array(sizes.shift()).fill(0x20)) : to.close()) });
  const response = await fetch(new URL("/v1/events", intake.url), { method: "POST", body, duplex: "half", headers: { ...ALONE, "Content-Type": "application/json" } });
  assert.equal(response.status, 413);
  await response.body.cancel();
});

test("damaged messages are set aside with the reason, once, and the others of their batch are stored", async () => {
  const one = await Intake.start();
  try {
    const queue = await one.mf.getQueueProducer("EVENTS", "sinsang-intake");
    const good = { ...event(), viewer: key("u000001"), received_at: new Date().toISOString() };
    await queue.sendBatch([
      { body: `${JSON.stringify(good)}\n{"event_id":`, contentType: "text" },
      { body: { not: "text" }, contentType: "json" },
    ]);
    const found = await one.settled(3);
    assert.deepEqual(lines(found), [good]);
    assert.deepEqual(lines(found, "events/rejected/date=").map(({ reason }) => reason), ["not an object as JSON whose texts can be read", "not text"]);
    await new Promise((done) => setTimeout(done, 2_500));
    assert.equal((await one.objects()).size, 2, "nothing is delivered again");
  } finally {
    await one.stop();
  }
});

/** A Worker around the real one whose bucket first fails: before it writes an object, or after. */
const failing = (when) => `
  import worker, * as others from "./index.js";
  export * from "./index.js";
  let failures = 0;
  export default {
    fetch: worker.fetch,
    queue(batch, env, context) {
      const bucket = new Proxy(env.EVENT_OBJECTS, {
        get(target, name) {
          if (name !== "put") return Reflect.get(target, name);
          return async (...given) => {
            const fails = failures++ < 1;
            if (fails && ${when === "before"}) throw new Error("the bucket is away");
            const done = await target.put(...given);
            if (fails) throw new Error("the answer was lost");
            return done;
          };
        },
      });
      return worker.queue(batch, { ...env, EVENT_OBJECTS: bucket }, context);
    },
  };`;

for (const when of ["before", "after"]) {
  test(`a batch whose object fails ${when} it is written is delivered again, and loses nothing`, async () => {
    const one = await Intake.start({ entry: failing(when) });
    try {
      const events = [event(), event(), event()];
      for (const each of events) await one.send({ device: DEVICE, events: [each] });
      const found = await one.settled(when === "before" ? 3 : 6);
      // Duplicates have the same event id.
      const ids = lines(found).map((line) => line.event_id);
      assert.deepEqual([...new Set(ids)].sort(), events.map((each) => each.event_id).sort());
      assert.match(one.printed, /retrying 3 messages of sinsang-events:/);
      await new Promise((done) => setTimeout(done, 2_500));
      assert.equal([...(await one.objects()).values()].flat().length, when === "before" ? 3 : 6, "and it is acknowledged then");
    } finally {
      await one.stop();
    }
  });
}

test("an outage of the bucket that outlasts the queue's patience loses nothing: dead letters are stored once it is back", async () => {
  const entry = `
    import worker, * as others from "./index.js";
    export * from "./index.js";
    let tried = [];
    export default {
      fetch: (request, env, context) => new URL(request.url).pathname === "/tried" ? Response.json(tried) : worker.fetch(request, env, context),
      queue(batch, env, context) {
        tried.push(batch.queue);
        // Away for all that the first queue tries, and for a while after.
        const isAway = tried.filter((queue) => queue === "sinsang-events-dead").length < 3;
        const away = new Proxy(env.EVENT_OBJECTS, { get: (target, name) => name === "put" ? async () => { throw new Error("the bucket is away"); } : Reflect.get(target, name) });
        return worker.queue(batch, isAway ? { ...env, EVENT_OBJECTS: away } : env, context);
      },
    };`;
  const one = await Intake.start({ entry, queues: { "sinsang-events": { maxRetries: 2 } } });
  try {
    const events = [event(), event(), event()];
    assert.deepEqual((await one.send({ device: DEVICE, events })).json, { accepted: 3, refused: [] });
    const found = lines(await one.settled(3));
    assert.deepEqual(found.map((line) => line.event_id).sort(), events.map((each) => each.event_id).sort());
    const tried = await (await fetch(new URL("/tried", one.url))).json();
    assert.deepEqual(tried, [...Array(3).fill("sinsang-events"), ...Array(3).fill("sinsang-events-dead")]);
    assert.match(one.printed, /retrying 1 messages of sinsang-events-dead:/);
  } finally {
    await one.stop();
  }
});

for (const [what, answers] of [
  ["is overloaded", `() => { throw Object.assign(new Error("Durable Object is overloaded. Too many requests queued."), { overloaded: true }); }`],
  ["never answers", "() => new Promise(() => {})"],
  ["answers with an error", `async () => new Response("too much", { status: 413 })`],
]) {
  test(`a counter that ${what} costs no event, and its batch is not delivered again`, async () => {
    const entry = `
      import worker, * as others from "./index.js";
      export * from "./index.js";
      export default {
        fetch: worker.fetch,
        queue(batch, env, context) {
          const stub = new Proxy({}, { get: (_, name) => name === "fetch" ? ${answers} : undefined });
          const PULSE = new Proxy(env.PULSE, { get: (target, name) => {
            if (name === "get" || name === "getByName") return () => stub;
            const value = Reflect.get(target, name);
            return typeof value === "function" && name !== "constructor" ? value.bind(target) : value;
          } });
          return worker.queue(batch, { ...env, PULSE }, context);
        },
      };`;
    const one = await Intake.start({ entry });
    try {
      const { first } = await dataset();
      await one.seed(first);
      const [{ product_id }] = listingsOf(await pairs(first));
      const events = [event({ kind: "purchase", product_id }), event({ product_id })];
      await one.send({ device: DEVICE, events });
      assert.deepEqual(lines(await one.settled(2)).map((line) => line.event_id).sort(), events.map((each) => each.event_id).sort());
      // Longer than the counter's timeout.
      for (let tries = 0; tries < 80 && !one.printed.includes("the pulse lost"); tries++) await new Promise((done) => setTimeout(done, 100));
      assert.match(one.printed, /the pulse lost \d+ bytes of events/);
      await one.send({ device: DEVICE, events: [event({ product_id })] });
      assert.equal(lines(await one.settled(3)).length, 3, "later batches are stored as well");
      await new Promise((done) => setTimeout(done, 2_500));
      assert.equal(lines(await one.objects()).length, 3, "and none comes again");
    } finally {
      await one.stop();
    }
  });
}

test("where the queue refuses, the answer says that nothing was taken", async () => {
  const entry = `
    import worker from "./index.js";
    export * from "./index.js";
    const away = { async send() { throw new Error("away"); }, get constructor() { return { name: "WorkerQueue" }; } };
    export default { fetch: (request, env, context) => worker.fetch(request, { ...env, EVENTS: away }, context), queue() {} };`;
  const one = await Intake.start({ entry });
  try {
    const answer = await one.send({ device: DEVICE, events: [event(), event()] });
    assertProblem(answer, 503);
    assert.match(answer.headers.get("retry-after"), /^\d+$/);
    assert.match(answer.json.detail, /none of the request's/);
  } finally {
    await one.stop();
  }
});

test("a limiter and an origin that are configured count, and without a key no viewer is named", async () => {
  const bindings = { CORS_ORIGINS: "https://app.example" };
  const one = await Intake.start({ bindings, more: { ratelimits: { RATE_LIMIT: { simple: { limit: 2, period: 60 } } } } });
  try {
    const headers = { Origin: "https://app.example", "CF-Connecting-IP": "192.0.2.1" };
    const statuses = [];
    for (let count = 0; count < 4; count++) {
      const answer = await one.send({ device: DEVICE, events: [event()] }, { headers });
      assert.equal(answer.headers.get("access-control-allow-origin"), "https://app.example");
      statuses.push(answer.status);
    }
    assert.deepEqual(statuses, [202, 202, 429, 429]);
    const preflight = await one.send(undefined, { method: "OPTIONS", headers, type: null });
    assert.match(preflight.headers.get("access-control-allow-headers"), /Sinsang-Device/);
  } finally {
    await one.stop();
  }
  const keyless = await Intake.start({ bindings: { USER_KEY: undefined } });
  try {
    assertProblem(await keyless.send({ device: DEVICE, events: [event()] }), 503);
  } finally {
    await keyless.stop();
  }
});

test("what lies in the local bucket is copied into a folder as it lies there, once", async () => {
  const state = await mkdtemp(join(tmpdir(), "sinsang-events-"));
  const one = await Intake.start({ state });
  try {
    const copy = async () => (await promisify(execFile)(process.execPath, ["scripts/events.mjs", "--state", state, "--output", join(state, "objects")], { cwd: ROOT })).stdout;
    const given = event();
    await one.send({ device: DEVICE, events: [given] });
    const [name] = (await one.settled(1)).keys();
    assert.match(await copy(), /^1 objects copied/);
    assert.match(await copy(), /^0 objects copied .* 1 were there already/);
    const files = (await readdir(join(state, "objects"), { recursive: true })).filter((path) => path.endsWith(".gz"));
    assert.deepEqual(files, [name]);
    assert.equal(JSON.parse(gunzipSync(await readFile(join(state, "objects", name)))).event_id, given.event_id);
  } finally {
    await one.stop();
    await rm(state, { recursive: true, force: true });
  }
});

test("the edge hands events on where the Worker that takes them is bound, cold and warm, and is 404 where it is not", async () => {
  const { first } = await dataset();
  const edge = await Edge.start({ snapshot: first, intake: true });
  try {
    const brought = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ device: DEVICE, events: [event()] }) };
    assert.equal((await edge.ask("/v1/events", brought)).status, 202);
    await edge.get("/v1/live");
    await edge.get("/v1/live");
    assert.equal((await edge.ask("/v1/events", brought)).status, 202);
    assertProblem(await edge.ask("/v1/events"), 405);
    assertProblem(await edge.ask("/v1/eventse", { method: "POST" }), 404);
    assertProblem(await edge.ask("/v1/new/v1/events", { method: "POST" }), 404);
    const bucket = await edge.mf.getR2Bucket("EVENT_OBJECTS", "sinsang-intake");
    await settled(2, () => objects(bucket));
  } finally {
    await edge.stop();
  }
  const alone = await Edge.start({ snapshot: first });
  try {
    const response = await fetch(new URL("/v1/events", alone.url), { method: "POST", body: "{}", headers: ALONE });
    assert.equal(response.status, 404);
    await response.body.cancel();
  } finally {
    await alone.stop();
  }
});
