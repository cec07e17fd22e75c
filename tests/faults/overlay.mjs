// The overlay under load: it changes all the time, KV shows each change as late as its cache may,
// and now and then it is damaged. Nothing hidden is shown more than 90 seconds later.
//
// node tests/faults/overlay.mjs [SEED=1] [REQUESTS=20000] (or through make faults)
//
// Requests go to an isolate under load, to one that is asked every three quarters of a minute, and
// to one that restarts again and again. The run takes two minutes and a half at least, since the
// longest delays are what it is about, and ten at most. Prints a table; a failure prints the seed.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { ROOT, USER_KEY } from "../harness/dataset.mjs";
import { overlayOf } from "../harness/overlay.mjs";
import { AUDIENCE, HS256_KEY } from "../harness/token.mjs";
import { Random } from "./random.mjs";
import { BEGIN, snapshots } from "./snapshot.mjs";
import { Cache, Kv } from "./store.mjs";
import { Workerd } from "./workerd.mjs";

const seed = Number(process.env.SEED || 1);
const wanted = Number(process.env.REQUESTS || 20_000);
/** The promise of docs/overlay.md, in milliseconds, without what a client may add. */
const PROMISE_MS = 90_000 - 20_000;
const [LEAST_MS, MOST_MS] = [150_000, 600_000];
const CHANGE_MS = 3_000;
const HIDDEN_AT_ONCE = 12;
const QUIET_MS = 45_000;
const COLD_LIFE_MS = 12_000;
const CONCURRENCY = 8;
const TARGETS = ["/v1/new?limit=100", "/v1/live", "/v1/home?limit=100"];
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** KV whose data centres each keep the overlay they read for as long as the reader allows. */
class DelayedKv extends Kv {
  #kept = new Map();
  looks = new Map();

  answer(request, response) {
    const { pathname, searchParams } = new URL(request.url, "http://kv");
    const [, client, key] = pathname.split("/");
    if (decodeURIComponent(key) !== "overlay") return super.answer(request, response);
    this.looks.set(client, (this.looks.get(client) ?? 0) + 1);
    const kept = this.#kept.get(client);
    const isFresh = kept !== undefined && Date.now() - kept.at < Number(searchParams.get("cache_ttl")) * 1_000;
    const value = isFresh ? kept.value : this.values.get("overlay");
    if (!isFresh) this.#kept.set(client, { at: Date.now(), value });
    if (value === undefined) return response.writeHead(404).end();
    return response.writeHead(200, { "content-length": value.length }).end(value);
  }
}

const random = new Random(seed);
const [kv, cache] = [new DelayedKv(random), new Cache(random)];
const [{ pairs }] = await snapshots();
mkdirSync(join(ROOT, ".cache/test"), { recursive: true });
await Promise.all([kv.listen(), cache.listen()]);
kv.publish(pairs);
const offset = BEGIN - Date.now();
const variables = { JWT_AUDIENCE: AUDIENCE, JWT_HS256_KEY: HS256_KEY, USER_KEY, CLOCK_OFFSET_MS: String(offset) };
const ports = { kv: kv.port, cache: cache.port };
const start = (name) => Workerd.start(name, ports, variables, Buffer.alloc(0));
const [busy, quiet, cold] = await Promise.all(["busy", "quiet", "cold"].map(start));

/** What is hidden now: the product, and when KV had an intact overlay that said so. */
const hidden = new Map();
const entries = [];
let revision = 0;
let changes = 0;
let damaged = 0;

const figures = new Map([busy, quiet, cold].map(({ name }) => [name, { requests: 0, shown: 0, worstMs: 0 }]));
const wrong = [];

async function ask(edge, target) {
  const startedAt = Date.now();
  const response = await fetch(`${edge.url}${target}`, { signal: AbortSignal.timeout(10_000) });
  const body = await response.text();
  const own = figures.get(edge.name);
  own.requests += 1;
  if (response.status !== 200) wrong.push(`${edge.name} ${target}: ${response.status}`);
  const products = [...body.matchAll(/"product_id":"([0-9a-f]{16})"/g)].map(([, id]) => id);
  for (const id of products) {
    const since = hidden.get(id);
    if (since === undefined || startedAt < since) continue;
    own.shown += 1;
    own.worstMs = Math.max(own.worstMs, startedAt - since);
    if (startedAt - since > PROMISE_MS) wrong.push(`${edge.name} ${target} shows ${id} ${startedAt - since} ms after it was hidden`);
  }
  return products;
}

let seen = await ask(busy, TARGETS[0]);

/** Hides a product, or takes back what is hidden longest, and publishes. */
function change() {
  const nowS = Math.floor((Date.now() + offset) / 1_000);
  revision += 1;
  changes += 1;
  if (hidden.size >= HIDDEN_AT_ONCE) {
    const [oldest] = hidden.keys();
    hidden.delete(oldest);
    entries.find(({ product, removed }) => product === oldest && removed === undefined).removed = revision;
  }
  const shown = seen.filter((id) => !hidden.has(id));
  const product = shown[random.below(shown.length)];
  if (product !== undefined) entries.push({ id: revision, product, fromS: nowS, untilS: nowS + 3_600, since: revision });
  const value = overlayOf(entries, revision, Date.now());
  if (changes % 10 === 0) {
    damaged += 1;
    const bad = Buffer.from(value);
    bad[random.below(bad.length)] ^= 1;
    kv.values.set("overlay", bad);
  }
  setTimeout(() => {
    kv.values.set("overlay", value);
    if (product !== undefined) hidden.set(product, Date.now());
  }, changes % 10 === 0 ? 1_000 : 0);
}

const began = Date.now();
const isOver = () => {
  const tookMs = Date.now() - began;
  return wrong.length > 20 || tookMs > MOST_MS || (tookMs > LEAST_MS && figures.get("busy").requests >= wanted);
};
const work = {
  async changes() {
    while (!isOver()) {
      change();
      await pause(CHANGE_MS);
    }
  },
  async busy() {
    // Evenly over the least time, so that the delays are looked for throughout.
    const everyMs = (LEAST_MS / wanted) * CONCURRENCY;
    await Promise.all(
      Array.from({ length: CONCURRENCY }, async () => {
        for (let due = Date.now(); !isOver(); due += everyMs) {
          const products = await ask(busy, TARGETS[random.below(TARGETS.length)]);
          if (products.length > 30) seen = products;
          await pause(Math.max(0, due + everyMs - Date.now()));
        }
      }),
    );
  },
  async quiet() {
    while (!isOver()) {
      await ask(quiet, TARGETS[0]);
      await pause(QUIET_MS);
    }
  },
  async cold() {
    while (!isOver()) {
      await cold.restart();
      for (const end = Date.now() + COLD_LIFE_MS; Date.now() < end && !isOver(); ) {
        await ask(cold, TARGETS[random.below(TARGETS.length)]);
        await pause(100);
      }
    }
  },
};
await Promise.all(Object.values(work).map((run) => run()));

const status = await (await fetch(`${busy.url}/v1/status`)).json();
await Promise.all([busy, quiet, cold].map((edge) => edge.stop()));
kv.close();
cache.close();
console.log(`${changes} changes, ${damaged} of them damaged first; the busy isolate ends at revision ${status.overlay.revision} of ${revision}`);
console.log("isolate    requests   looks   hidden but shown   longest after, s");
for (const [name, { requests, shown, worstMs }] of figures) {
  console.log(`${name.padEnd(9)} ${String(requests).padStart(9)} ${String(kv.looks.get(name) ?? 0).padStart(7)} ${String(shown).padStart(18)} ${(worstMs / 1_000).toFixed(1).padStart(18)}`);
}
const { shown: shownLate } = figures.get("busy");
if (shownLate === 0) wrong.push("the run proves nothing: no hidden product was ever shown");
if (revision - status.overlay.revision > (PROMISE_MS / CHANGE_MS)) wrong.push("the busy isolate does not keep up");
if (wrong.length > 0) {
  console.error(wrong.slice(0, 20).join("\n"));
  console.error(`SEED=${seed}`);
  process.exit(1);
}
console.log(`nothing hidden was shown more than ${PROMISE_MS / 1_000} s later`);
