// Rate limits of askers and of guesses: the limiters' keys, their order, and that no path avoids
// them.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { before, test } from "node:test";
import { dataset } from "../harness/dataset.mjs";
import { Edge, PREVIEW_SECRET, assertProblem } from "../harness/edge.mjs";
import { Intake } from "../harness/intake.mjs";
import { claims, hs256 } from "../harness/token.mjs";

const GUESSES = 10;
const limiter = (limit, period = 60) => ({ simple: { limit, period } });
const event = () => ({ event_id: randomUUID(), kind: "click", at: new Date().toISOString(), product_id: "0123456789abcdef" });
const count = (statuses) => statuses.reduce((all, status) => ({ ...all, [status]: (all[status] ?? 0) + 1 }), {});

let data;
before(async () => {
  data = await dataset();
});

/**
 * Waits for a period of `seconds` with enough time left for a test: Miniflare resets its counts
 * when a period of the clock begins.
 */
async function roomIn(seconds) {
  const left = seconds * 1000 - (Date.now() % (seconds * 1000));
  if (left < Math.min(20_000, seconds * 700)) await new Promise((done) => setTimeout(done, left));
}

/** Runs `body` against a Worker with these rate limiters. */
async function against(options, body) {
  const edge = await Edge.start({ snapshot: data.first, ...options });
  try {
    await roomIn(Math.min(...Object.values(options.ratelimits ?? {}).map(({ simple }) => simple.period), 60));
    await body(edge);
  } finally {
    await edge.stop();
  }
}

/** Statuses of `times` requests, made by `ask` with their numbers. */
async function statuses(times, ask) {
  const found = [];
  for (let number = 0; number < times; number++) found.push((await ask(number)).status);
  return found;
}

/** Every path that the preview secret opens; JavaScript answers the last three. */
const OPENED = ["/v1/home?viewer=u000001", "/v1/live", "/v1/status", "/preview/board", "/preview/snapshots", "/preview/pulse?number=1", "/preview/builds", "/demo/viewers.json"];

/**
 * Asserts the number of guesses compared for one address since `begun`: one more each six seconds.
 * Requests that have to read are parsed twice, and count twice.
 */
function assertBounded(found, begun, more = "") {
  const looked = found.filter((status) => status !== 429).length;
  const most = GUESSES + 1 + Math.floor((Date.now() - begun) / 6_000);
  assert.ok(looked >= GUESSES - 2 && looked <= most, `${looked} of at most ${most} ${more} ${JSON.stringify(count(found))}`);
}

for (const path of OPENED) {
  test(`guesses at the preview secret by ${path.split("?")[0]} are bounded with no limiter bound, cold and warm`, async () => {
    await against({}, async (edge) => {
      const guess = (secret, address) => edge.ask(path, { headers: { "Sinsang-Preview": secret, "CF-Connecting-IP": address } });
      const begun = Date.now();
      const times = path.startsWith("/demo/") ? 450 : 40;
      const found = await statuses(times, (number) => guess(`a guess at the secret ${number}`, `2001:db8:1:2::${(number % 99) + 1}`));
      assertBounded(found, begun);
      // Uses up the rest of six seconds, so that the next guess is surely refused.
      let last;
      for (let tries = 0; tries < 3 && last?.status !== 429; tries++) last = await guess("another guess", "2001:db8:1:2::1");
      assertProblem(last, 429);
      assert.ok(Number(last.headers.get("retry-after")) >= 10);
      assert.equal((await guess(PREVIEW_SECRET, "2001:db8:1:2::1")).status, 429, "nor is the right one looked at");
      assert.ok(![403, 429].includes((await guess(PREVIEW_SECRET, "2001:db8:1:3::1")).status), "others are not kept out");
      assert.ok([200, 403].includes((await edge.ask(path, { headers: { "CF-Connecting-IP": "2001:db8:1:2::1" } })).status), "and who sends none is answered");
    });
  });
}

test("guesses by one path count on all others, in Rust and in JavaScript", async () => {
  await against({}, async (edge) => {
    const headers = { "Sinsang-Preview": "a guess at the secret", "CF-Connecting-IP": "192.0.2.1" };
    const [found, begun] = [[], Date.now()];
    for (let turn = 0; turn < 4; turn++) for (const path of OPENED) found.push((await edge.ask(path, { headers })).status);
    assertBounded(found, begun);
  });
});

test("where limiters are bound no path is a way around them, with the secret or without", async () => {
  await against({ ratelimits: { RATE_LIMIT: limiter(5) } }, async (edge) => {
    for (const [number, path] of ["/v1/live", "/preview/board", "/preview/pulse?number=1", "/demo/viewers.json", "/v1/none", "/demo/none"].entries()) {
      const headers = { "CF-Connecting-IP": `192.0.2.${number + 1}` };
      const without = await statuses(9, () => edge.ask(path, { headers }));
      assert.equal(without.indexOf(429), 5, `${path} ${without}`);
      // Each asker counts separately: none exhausts another's limit.
      const secret = await statuses(9, () => edge.ask(path, { headers: { ...headers, "Sinsang-Preview": PREVIEW_SECRET } }));
      if (!path.endsWith("/none")) assert.equal(secret.indexOf(429), 5, `${path} ${secret}`);
      const guesses = await statuses(40, () => edge.ask(path, { headers: { ...headers, "Sinsang-Preview": "a guess at the secret" } }));
      assert.ok((count(guesses)[403] ?? 0) <= 5, `${path} ${JSON.stringify(count(guesses))}`);
    }
  });
});

test("a user counts wherever they are, a device within its address, and a whole address by a limit of its own", async () => {
  await against({ ratelimits: { RATE_LIMIT: limiter(4), RATE_LIMIT_ADDRESS: limiter(30) } }, async (edge) => {
    const [one, two] = data.viewers.map((viewer) => ({ Authorization: `Bearer ${hs256(claims(viewer.user_id, Date.now()))}` }));
    const carrier = { "CF-Connecting-IP": "192.0.2.1" };
    const ask = (headers) => () => edge.ask("/v1/tabs", { headers: { ...carrier, ...headers } });
    assert.deepEqual(await statuses(6, ask(one)), [200, 200, 200, 200, 429, 429]);
    assert.equal((await ask({ ...one, "CF-Connecting-IP": "198.51.100.7" })()).status, 429, "elsewhere too");
    assert.equal((await ask(two)()).status, 200, "behind the same address nobody else notices");
    const device = (name) => ({ "Sinsang-Device": `a-device-of-the-tests-${name}` });
    assert.deepEqual(await statuses(5, ask(device("a"))), [200, 200, 200, 200, 429]);
    assert.equal((await ask(device("b"))()).status, 200);
    assert.equal((await ask({ ...device("a"), "CF-Connecting-IP": "198.51.100.7" })()).status, 200, "the same name elsewhere is another's");
    // Bad tokens count separately, and exhaust only their own limit.
    assert.deepEqual(await statuses(5, ask({ Authorization: "Bearer x.y.z" })), [401, 401, 401, 401, 429]);
    assert.equal((await ask({})()).status, 200);
    // Made-up devices stop at the address's limit: 30 in all, of which 19 are used so far.
    const madeUp = await statuses(40, (number) => ask(device(`made-up-${number}`))());
    assert.deepEqual(count(madeUp), { 200: 30 - 19, 429: 40 - 11 });
    assert.equal((await ask(two)()).status, 429, "then for everybody there");
    assert.equal((await ask({ ...two, "CF-Connecting-IP": "198.51.100.8" })()).status, 200);
    assert.equal((await edge.ask("/healthz", { headers: carrier })).status, 200);
  });
});

test("without a limit for whole addresses made-up devices count as one, and a /64 of IPv6 is one address", async () => {
  await against({ ratelimits: { RATE_LIMIT: limiter(5) } }, async (edge) => {
    const from = (address, more = {}) => edge.ask("/v1/tabs", { headers: { "CF-Connecting-IP": address, ...more } });
    const madeUp = await statuses(9, (number) => from("192.0.2.1", { "Sinsang-Device": `a-device-of-the-tests-${number}` }));
    assert.deepEqual(count(madeUp), { 200: 5, 429: 4 });
    const block = await statuses(9, (number) => from(`2001:db8:1:2:${number}::1`));
    assert.deepEqual(count(block), { 200: 5, 429: 4 });
    assert.equal((await from("2001:db8:1:3::1")).status, 200);
  });
});

test("a burst ends before a minute's worth is spent, and a preflight is never kept from a page by those of others", async () => {
  const ratelimits = { RATE_LIMIT_BURST: limiter(3, 10), RATE_LIMIT: limiter(100) };
  await against({ ratelimits, bindings: { CORS_ORIGINS: "https://app.example" } }, async (edge) => {
    assert.deepEqual(await statuses(5, () => edge.ask("/v1/tabs")), [200, 200, 200, 429, 429]);
    const preflight = () => edge.ask("/v1/tabs", { method: "OPTIONS", headers: { Origin: "https://app.example", "Access-Control-Request-Method": "GET" } });
    assert.deepEqual(count(await statuses(9, preflight)), { 204: 9 });
  });
});

test("a limiter that fails or hangs refuses nobody, and is left alone for a while", async (t) => {
  for (const [name, limit] of Object.entries({ fails: "async limit() { asked += 1; throw new Error('away'); }", hangs: "limit() { asked += 1; return new Promise(() => {}); }", "says what is no answer": "async limit() { asked += 1; return {}; }" })) {
    await t.test(name, async () => {
      const entry = `
        import worker from "./index.js";
        let asked = 0;
        const RATE_LIMIT = { ${limit} };
        export default {
          async fetch(request, env, context) {
            if (request.headers.has("x-asked")) return new Response(String(asked));
            return worker.fetch(request, { ...env, RATE_LIMIT }, context);
          },
        };`;
      await against({ entry }, async (edge) => {
        assert.deepEqual(count(await statuses(20, () => edge.ask("/v1/tabs"))), { 200: 20 });
        const asked = await fetch(new URL("/v1/tabs", edge.url), { headers: { "x-asked": "1" } }).then((response) => response.text());
        assert.ok(Number(asked) >= 3 && Number(asked) < 10, `asked ${asked} times`);
      });
    });
  }
});

test("events count for their user, their device within its address, and their address, before anything is queued", async () => {
  const ratelimits = { RATE_LIMIT: limiter(3), RATE_LIMIT_ADDRESS: limiter(20) };
  const intake = await Intake.start({ more: { ratelimits } });
  try {
    await roomIn(60);
    const carrier = { "CF-Connecting-IP": "192.0.2.1" };
    const token = hs256(claims("u000001", Date.now()));
    const send = (body, headers = {}) => intake.send({ events: [event()], ...body }, { headers: { ...carrier, ...headers } });
    assert.deepEqual(await statuses(5, () => send({ token })), [202, 202, 202, 429, 429], "a beacon's token counts as a header's");
    assert.equal((await send({}, { Authorization: `Bearer ${token}`, "CF-Connecting-IP": "198.51.100.1" })).status, 429);
    assert.deepEqual(await statuses(4, () => send({ device: "a-device-of-the-tests" })), [202, 202, 202, 429]);
    assert.deepEqual(await statuses(4, () => send({ token: "x.y.z" })), [401, 401, 401, 429]);
    const madeUp = await statuses(20, (number) => send({ device: `a-device-of-the-tests-${number}` }));
    assert.deepEqual(count(madeUp), { 202: 7, 429: 13 });
    const refused = await send({ device: "a-device-of-the-tests-x" });
    assertProblem(refused, 429);
    assert.match(refused.json.detail, /none was taken/);
    const found = await intake.settled(3 + 3 + 7);
    assert.equal([...found.values()].flat().length, 13, "what was refused is not stored");
  } finally {
    await intake.stop();
  }
});

test("those whom the queue turns away together are told to come back apart", async () => {
  const entry = `
    import worker from "./index.js";
    export * from "./index.js";
    const away = { async send() { throw new Error("away"); }, get constructor() { return { name: "WorkerQueue" }; } };
    export default { fetch: (request, env, context) => worker.fetch(request, { ...env, EVENTS: away }, context), queue() {} };`;
  const intake = await Intake.start({ entry });
  try {
    const answers = await Promise.all(Array.from({ length: 40 }, async (_, number) => {
      await new Promise((done) => setTimeout(done, 5 * number));
      return intake.send({ device: "a-device-of-the-tests", events: [event()] });
    }));
    const waits = answers.map((answer) => Number(answer.headers.get("retry-after")));
    assert.ok(answers.every((answer) => answer.status === 503) && waits.every((wait) => wait >= 30 && wait <= 60), `${waits}`);
    assert.ok(new Set(waits).size >= 8, `${waits}`);
  } finally {
    await intake.stop();
  }
});
