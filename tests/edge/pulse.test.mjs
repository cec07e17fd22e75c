// The pulse in workerd: viewers' deeds are counted, published, and survive a Durable Object's
// restarts.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { dataset, pairs } from "../harness/dataset.mjs";
import { Edge } from "../harness/edge.mjs";
import { Intake } from "../harness/intake.mjs";
import { listingsOf, pulseOf, until } from "../harness/pulse.mjs";
import { claims, hs256 } from "../harness/token.mjs";

/** Products of the live board, and one that no board has. */
const [PRODUCT, FLOODED, LOOKED_AT, LATE] = [...new Set(listingsOf(await pairs((await dataset()).first)).map(({ product_id }) => product_id))];
const MADE_UP = "0123456789abcdef";
const event = (changes = {}) => ({ event_id: randomUUID(), kind: "click", at: new Date().toISOString(), product_id: PRODUCT, ...changes });
const by = (user) => ({ headers: { Authorization: `Bearer ${hs256(claims(user, Date.now()))}` } });
const quick = { bindings: { PULSE_EVERY_MS: "1000" } };

/** The event Worker with the first snapshot. */
async function started() {
  const intake = await Intake.start(quick);
  await intake.seed((await dataset()).first);
  return intake;
}

async function latest(intake) {
  const kv = await intake.mf.getKVNamespace("SNAPSHOTS", "sinsang-intake");
  const value = await kv.get("pulse", "arrayBuffer");
  return value === null ? undefined : pulseOf(Buffer.from(value));
}

test("viewers count once for each deed, those who are not signed in a quarter, and a flood from one client is one viewer", async () => {
  const intake = await started();
  try {
    const repeated = event({ kind: "purchase" });
    for (const user of ["u1", "u2"]) await intake.send({ events: [event(), repeated, repeated, event({ kind: "purchase" })] }, by(user));
    await intake.send({ device: "a-device-of-the-tests", events: Array.from({ length: 100 }, () => event({ kind: "alarm" })) });
    await intake.send({ events: [event({ kind: "impression", product_id: LOOKED_AT }), event({ at: new Date(Date.now() - 2 * 3_600_000).toISOString(), product_id: LATE }), event({ product_id: MADE_UP })] }, by("u1"));
    const pulse = await until(async () => {
      const found = await latest(intake);
      return found?.counts.get(PRODUCT)?.alarms > 0 ? found : undefined;
    });
    assert.deepEqual([...pulse.counts], [[PRODUCT, { viewers: 2 * 16 + 4, looks: 2 * 16, alarms: 4, purchases: 2 * 16 }]]);
    assert.ok(Math.abs(Date.now() - pulse.madeAt) < 30_000);
  } finally {
    await intake.stop();
  }
});

test("made-up devices get no further than twenty a minute and eight viewers together, and leave those who are signed in beside them", async () => {
  const intake = await started();
  try {
    const flooded = FLOODED;
    const devices = Array.from({ length: 30 }, (_, index) => `a-made-up-device-${index}`);
    await Promise.all(devices.map((device) => intake.send({ device, events: [event({ kind: "purchase", product_id: flooded })] })));
    await intake.send({ events: [event({ kind: "purchase", product_id: flooded })] }, by("u1"));
    // Limits apply to the minute of receipt, and a flood may span two.
    const lines = [...(await intake.settled(devices.length + 1)).values()].flat().filter(({ viewer }) => viewer.length === 17);
    const minutes = lines.reduce((all, { received_at }) => all.set(received_at.slice(0, 16), (all.get(received_at.slice(0, 16)) ?? 0) + 1), new Map());
    const counted = [...minutes.values()].reduce((sum, count) => sum + Math.min(count, 20), 0);
    const pulse = await until(async () => (await latest(intake))?.counts.get(flooded)?.purchases > 16 && latest(intake));
    assert.equal(pulse.counts.get(flooded).purchases, 16 + Math.min(counted * 4, 8 * 16), JSON.stringify([...minutes]));
    assert.match(intake.printed, /"crowded":(?!0\b)\d+/);
  } finally {
    await intake.stop();
  }
});

test("an event that names only a listing counts for the product that the live board shows it with, whichever is live", async () => {
  const { first, second } = await dataset();
  const [one, two] = await Promise.all([first, second].map(async (snapshot) => listingsOf(await pairs(snapshot))));
  const intake = await Intake.start(quick);
  try {
    const at = (listing) => ({ product_id: undefined, shop: listing.shop, listing_id: listing.listing_id });
    // Without a board, the event counts for no pulse, and is stored all the same.
    await intake.send({ events: [event(at(one[0]))] }, by("early"));
    await intake.settled(1);
    await intake.seed(first);
    // An isolate looks once a minute, so this is another one.
    await intake.restart({ bindings: { PULSE_EVERY_MS: "1001" } });
    const named = one[0];
    const [both, unknown] = one.filter(({ product_id }) => product_id !== named.product_id);
    await intake.send({ events: [event(at(named)), event({ ...at(both), product_id: MADE_UP }), event({ ...at(unknown), shop: "no such shop" })] }, by("u1"));
    // The same viewer by the product's id doesn't count twice.
    await intake.send({ events: [event({ product_id: named.product_id })] }, by("u1"));
    const counted = await until(async () => {
      const found = await latest(intake);
      return found?.counts.has(named.product_id) ? found.counts : undefined;
    });
    assert.deepEqual([...counted.keys()].sort(), [named.product_id, both.product_id].sort());
    assert.equal(counted.get(named.product_id).looks, 16);
    const told = [...intake.printed.matchAll(/\{"listings":(\d+)\}/g)].map(([, count]) => Number(count));
    assert.deepEqual(told, [one.length], "the board is read once");
    // Another board, of the next format; then a damaged value, after which the known listings stay.
    await intake.seed(second);
    await intake.restart({ bindings: { PULSE_EVERY_MS: "1002" } });
    const late = two.findLast(({ product_id }) => !counted.has(product_id));
    await intake.send({ events: [event(at(late))] }, by("u2"));
    await until(async () => (await latest(intake))?.counts.has(late.product_id));
    await (await intake.mf.getKVNamespace("SNAPSHOTS", "sinsang-intake")).put("manifest", "no manifest");
    await intake.restart({ bindings: { PULSE_EVERY_MS: "1003" } });
    await intake.send({ events: [event(at(named)), event({ kind: "purchase", product_id: named.product_id })] }, by("u3"));
    await intake.settled(8);
    await until(() => /can't read the live board's listings/.test(intake.printed));
    const { looks, purchases } = (await latest(intake)).counts.get(named.product_id);
    assert.deepEqual([looks, purchases], [16, 0], "what u3 did is stored, and counts for none: nobody knows what the board has");
  } finally {
    await intake.stop();
  }
});

test("the latest pulse was to be had by its number before", async () => {
  const intake = await started();
  try {
    await intake.send({ events: [event()] }, by("u1"));
    const pulse = await until(() => latest(intake));
    const kv = await intake.mf.getKVNamespace("SNAPSHOTS", "sinsang-intake");
    const { keys } = await kv.list({ prefix: "pulse/" });
    const numbers = keys.map(({ name }) => Number(name.slice("pulse/".length)));
    assert.ok(numbers.includes(Math.floor(pulse.madeAt / 1000)), `${numbers} lack ${pulse.madeAt}`);
    // A newer one is stored that nobody reads yet.
    assert.ok(numbers.some((number) => number > Math.floor(pulse.madeAt / 1000)));
    assert.ok(keys.every(({ expiration }) => expiration > Date.now() / 1000 + 6.9 * 86_400));
  } finally {
    await intake.stop();
  }
});

test("marks outlive the object that keeps them", async () => {
  const intake = await started();
  try {
    await intake.send({ events: [event(), event({ kind: "purchase" })] }, by("u1"));
    const before = await until(() => latest(intake));
    // A new isolate with the same storage.
    await intake.restart({ bindings: { PULSE_EVERY_MS: "1001" } });
    await intake.send({ events: [event()] }, by("u1"));
    await intake.send({ events: [event()] }, by("u2"));
    const after = await until(async () => {
      const found = await latest(intake);
      return found?.counts.get(PRODUCT)?.viewers === 32 ? found : undefined;
    });
    assert.ok(after.madeAt > before.madeAt);
    assert.deepEqual(after.counts.get(PRODUCT), { viewers: 32, looks: 32, alarms: 0, purchases: 16 });
  } finally {
    await intake.stop();
  }
});

test("what is bought moves to the front of the edge's lists, and a list that is paged through meanwhile stays as it was", async () => {
  const { first } = await dataset();
  const edge = await Edge.start({ snapshot: first, intake: quick });
  try {
    const kv = await edge.kv();
    const ids = (answers) => answers.flatMap(({ items }) => items).map(({ product_id }) => product_id);
    const before = ids(await edge.pages("/v1/new", { query: { limit: 100 } }));
    const wanted = before.at(-1);
    const begun = (await edge.get("/v1/new", { query: { limit: 5 } })).json;
    const body = (user) => JSON.stringify({ token: hs256(claims(user, Date.now())), events: [event({ kind: "purchase", product_id: wanted })] });
    for (const user of Array.from({ length: 40 }, (_, index) => `buyer-${index}`)) {
      assert.equal((await edge.ask("/v1/events", { method: "POST", headers: { "Content-Type": "text/plain" }, body: body(user) })).status, 202);
    }
    await until(async () => {
      const value = await kv.get("pulse", "arrayBuffer");
      return value && pulseOf(Buffer.from(value)).counts.get(wanted)?.purchases === 40 * 16;
    });
    assert.equal((await edge.get("/v1/status")).json.pulse, null, "nobody has looked");
    // An isolate's first background look is half a minute after its first answer.
    const answer = await until(async () => {
      await new Promise((done) => setTimeout(done, 1_000));
      const found = await edge.get("/v1/new", { query: { limit: 5 } });
      return found.json.items[0].product_id === wanted ? found : undefined;
    }, 45_000);
    assert.match(answer.headers.get("server-timing"), /0 reads/);
    const { pulse } = (await edge.get("/v1/status")).json;
    assert.ok(pulse.products >= 1 && pulse.age_s < 600, JSON.stringify(pulse));
    const explained = (await edge.get("/v1/new", { preview: true, query: { limit: 1, explain: 1 } })).json.items[0].why;
    assert.ok(explained.parts.pulse > 100_000, JSON.stringify(explained));

    const rest = await edge.pages("/v1/new", { query: { limit: 5, cursor: begun.next_cursor } });
    const paged = ids([begun, ...rest]);
    const left = before.filter((id) => paged.includes(id));
    assert.deepEqual(paged, left);
    assert.ok(before.length - left.length < 3, `${before.length - left.length} have ended meanwhile`);
    // A list begun with the pulse continues with it in another isolate, which has to read it.
    const { next_cursor: cursor } = (await edge.get("/v1/new", { query: { limit: 5 } })).json;
    const here = ids(await edge.pages("/v1/new", { query: { limit: 5, cursor } }));
    await edge.restart(edge.now());
    await edge.get("/v1/tabs");
    assert.deepEqual(ids(await edge.pages("/v1/new", { query: { limit: 5, cursor } })), here);
  } finally {
    await edge.stop();
  }
});
