// A day in the app: its client against both Workers, from the first start to the next morning.
// Each step says what the app sent and got; docs/day.md tells the story, and `make day` prints its
// table.
//
// node tests/client/day.mjs [VIEWERS=50000]
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { Client, EventQueue } from "../../clients/typescript/build/index.js";
import { ask } from "../faults/load.mjs";
import { Random } from "../faults/random.mjs";
import { Cache, Kv } from "../faults/store.mjs";
import { Workerd } from "../faults/workerd.mjs";
import { ALONE } from "../harness/connection.mjs";
import { ROOT, USER_KEY, kst, pairs, sinsang } from "../harness/dataset.mjs";
import { Edge } from "../harness/edge.mjs";
import { ingestStored } from "../harness/objects.mjs";
import { AUDIENCE, ES256_JWK, HS256_KEY, claims, hs256 } from "../harness/token.mjs";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Requests of the sale that are under way at once. */
const AT_ONCE = 48;
/** Share of the sale's viewers who are signed in. */
const SIGNED_IN = 0.6;
/** The account of the day: nobody has heard of it before. */
const ACCOUNT = "someone-new";
const FIRST_PAINT = { view: "card", limit: 20 };

/** Before the built Worker: its KV fails while a request asked for it, or from an isolate's start. */
const ENTRY = `
import inner from "./index.js";
let dead;
export default {
  ...inner,
  fetch(request, env, context) {
    const { pathname } = new URL(request.url);
    if (pathname === "/-/kv-dead") return (dead = true), new Response();
    const fails = dead ?? env.KV_DEAD === "1";
    const kv = { get: (...asked) => (fails ? Promise.reject(new Error("KV GET failed: 503")) : env.SNAPSHOTS.get(...asked)) };
    return inner.fetch(request, { ...env, SNAPSHOTS: kv }, context);
  },
};
`;

/** Bytes of headers as HTTP/1.1 writes them. */
const headerBytes = (headers) => [...headers].reduce((sum, [name, value]) => sum + name.length + Buffer.byteLength(value) + 4, 2);

/** The network between the app and Sinsang: it counts, and may be away. */
class Network {
  isThere = true;
  exchanges = [];

  fetch = async (address, init = {}) => {
    if (!this.isThere) throw new TypeError("no network");
    const [url, headers] = [new URL(address), new Headers(init.headers)];
    const begunAt = performance.now();
    const response = await fetch(url, { ...init, headers: { ...init.headers, ...ALONE } });
    const body = Buffer.from(await response.arrayBuffer());
    const ms = performance.now() - begunAt;
    const sent = `${init.method ?? "GET"} ${url.pathname}${url.search} HTTP/1.1\r\n`.length + headerBytes(headers) + Buffer.byteLength(init.body ?? "");
    const got = 17 + headerBytes(response.headers) + (body.length > 0 ? gzipSync(body).length : 0);
    this.exchanges.push({ request: `${init.method ?? "GET"} ${url.pathname}`, status: response.status, rung: response.headers.get("sinsang-rung"), sent, got, ms });
    return new Response(body.length > 0 ? body : null, { status: response.status, headers: response.headers });
  };

  /** What has been exchanged since the last call. */
  taken() {
    return this.exchanges.splice(0);
  }
}

const percentile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];

export class Day {
  /** What each step sent and got: `{when, step, requests, sent, got, ms, says}`. */
  rows = [];
  network = new Network();
  kept = new Map();

  constructor({ viewers, say = () => {} }) {
    Object.assign(this, { viewers, say });
  }

  /** Lives the day; every promise that a step breaks is an error. */
  async live() {
    this.work = await mkdtemp(join(tmpdir(), "sinsang-day-"));
    try {
      await this.#prepare();
      const steps = [
        ["07:40", "first start, nobody signed in", () => this.#firstStart()],
        ["07:42", "a session", () => this.#session()],
        ["07:50", "signing in", () => this.#signIn()],
        ["12:10", "a list over a publish", () => this.#listOverPublish()],
        ["15:30", "KV fails, isolates live", () => this.#outage()],
        ["15:40", "KV fails, isolates begin anew", () => this.#coldOutage()],
        ["21:00", `a sale, ${this.viewers.toLocaleString("en")} viewers`, () => this.#sale()],
        ["23:30", "the lift: no network", () => this.#offline()],
        ["08:00", "the next day", () => this.#nextDay()],
      ];
      for (const [when, step, act] of steps) {
        this.network.taken();
        const row = { when, step, ...(await act()) };
        this.rows.push(row);
        this.say(line(row));
      }
    } finally {
      await this.edge?.stop();
      await rm(this.work, { recursive: true, force: true });
    }
    return this.rows;
  }

  async #prepare() {
    this.begunAt = Date.now();
    this.tables = join(this.work, "tables");
    const generated = await sinsang("generate", "--quick", "--seed", "11", "--now", kst(this.begunAt), "--out", this.tables, "--format", "json");
    this.known = JSON.parse(generated).users;
    await mkdir(join(this.tables, "events"));
    await rename(join(this.tables, "events.parquet"), join(this.tables, "events", "history.parquet"));
    this.state = join(this.work, "state");
    const first = await this.#built("first", this.begunAt);
    await sinsang("publish", first, "--local", this.state);
    const bundle = join(this.work, "bundle");
    await sinsang("bundle", first, "--output", bundle);
    this.first = first;
    this.edge = await Edge.start({ state: this.state, now: this.begunAt, entry: ENTRY, intake: true, bundle: await readFile(bundle) });
    this.sinsang = this.#client();
    this.events = new EventQueue(this.sinsang, { account: () => this.account });
    this.clicked = [];
  }

  async #built(name, at) {
    const snapshot = join(this.work, name);
    await sinsang("build", "--input", this.tables, "--output", snapshot, "--now", kst(at));
    return snapshot;
  }

  #client() {
    const storage = { getItem: (key) => this.kept.get(key) ?? null, setItem: (key, value) => this.kept.set(key, value) };
    // The backend's token lasts for hours, and answers are remembered by it.
    const tokens = new Map();
    const token = () => {
      if (this.account === undefined) return undefined;
      const now = Date.now();
      if (!tokens.has(this.account)) tokens.set(this.account, hs256(claims(this.account, now, { exp: Math.floor((now + 12 * HOUR_MS) / 1_000) })));
      return tokens.get(this.account);
    };
    return new Client({ base: new URL(this.edge.url).origin, storage, token, fetch: this.network.fetch, deviceClass: "phone", attemptMs: 30_000, totalMs: 60_000 });
  }

  /** A new isolate whose clock is at `now`; the app asks it from then on. */
  async #anew(bindings, now) {
    this.edge.given.bindings = bindings;
    await this.edge.restart(now);
    this.sinsang.options.base = new URL(this.edge.url).origin;
  }

  /** What a step exchanged. */
  #sums(says) {
    const all = this.network.taken();
    const sum = (of) => all.reduce((sum, one) => sum + one[of], 0);
    return { requests: all.length, sent: sum("sent"), got: sum("got"), ms: sum("ms"), rungs: [...new Set(all.map(({ rung }) => rung).filter(Boolean))], says };
  }

  #show(items) {
    items.forEach(({ product_id }, at) => this.events.track({ kind: "impression", surface: "new", position: at + 1, product_id }));
  }

  async #firstStart() {
    const { data: home } = await this.sinsang.home(FIRST_PAINT);
    const [paint] = this.network.exchanges;
    assert.equal(home.personalized, false);
    assert.ok(home.new.items.length === 20 && home.tabs.items.length > 1);
    assert.ok(paint.got < 6_000, `the first paint takes ${paint.got} bytes`);
    this.#show(home.new.items);
    assert.equal(await this.events.flush(), 0);
    return this.#sums(`all surfaces in the shared order, ${paint.got.toLocaleString("en")} bytes; 20 impressions taken, of a device that the app made up`);
  }

  async #session() {
    const list = this.sinsang.new(FIRST_PAINT);
    const items = [...(await list.more()), ...(await list.more())];
    assert.equal(new Set(items.map(({ product_id }) => product_id)).size, 40);
    this.#show(items);
    const { data } = await this.sinsang.product(items[3].product_id);
    this.events.track({ kind: "click", surface: "new", position: 4, product_id: items[3].product_id });
    assert.equal(data.product.product_id, items[3].product_id);
    const schedule = this.sinsang.schedule({ view: "card" });
    const slots = await schedule.more();
    assert.ok(slots.length > 100 && schedule.isOver, `${slots.length} slots in one answer`);
    const bytes = this.network.exchanges.at(-1).got;
    await this.sinsang.live({ view: "card" });
    for (const _ of [1, 2, 3]) await this.sinsang.live({ view: "card" });
    const unchanged = this.network.exchanges.filter(({ status }) => status === 304);
    assert.ok(unchanged.length >= 2, "what is on air is asked for again and has not changed");
    assert.equal(await this.events.flush(), 0);
    return this.#sums(`two pages of new products, a product, the whole day's schedule (${slots.length} slots, ${bytes.toLocaleString("en")} bytes), what is on air four times: ${unchanged.length} of them 304, ${unchanged[0].got} bytes each`);
  }

  async #signIn() {
    this.account = ACCOUNT;
    this.sinsang.forget();
    const { data: home } = await this.sinsang.home(FIRST_PAINT);
    assert.equal(home.personalized, false, "nobody knows this account yet");
    // The viewer looks for one kind of thing among all that is new.
    const all = [];
    for await (const item of this.sinsang.new({ limit: 100 })) all.push(item);
    const categories = [...new Set(all.map(({ category }) => category).filter(Boolean))];
    const of = (name) => all.filter(({ category }) => category === name);
    // Neither the largest category nor one with too few to choose from.
    const fits = (name) => Math.abs(of(name).length - all.length / 8);
    const [category] = categories.sort((a, b) => fits(a) - fits(b));
    const its = of(category);
    this.category = category;
    for (const { product_id } of its.slice(0, 8)) {
      const { data } = await this.sinsang.product(product_id);
      this.clicked.push(product_id);
      this.events.track({ kind: "view", product_id: data.product.product_id });
      this.events.track({ kind: "click", surface: "new", position: 1, product_id });
    }
    this.events.track({ kind: "alarm", product_id: its[0].product_id });
    this.events.track({ kind: "purchase", product_id: its[1].product_id });
    assert.equal(await this.events.flush(), 0);
    return this.#sums(`the token goes along; an account without a past gets the shared order; it looks through all ${all.length} new products, opens ${this.clicked.length} of ${category}, sets an alarm, buys one`);
  }

  async #listOverPublish() {
    const whole = [];
    for await (const { product_id } of this.sinsang.new({ limit: 100 })) whole.push(product_id);
    const list = this.sinsang.new({ limit: 20 });
    const seen = (await list.more()).map(({ product_id }) => product_id);
    const second = await this.#built("second", this.begunAt + 60_000);
    const { snapshot } = JSON.parse(await sinsang("publish", second, "--local", this.state, "--format", "json"));
    // Another isolate answers, which knows of the publish.
    await this.#anew({}, this.edge.now());
    assert.equal((await this.sinsang.status()).data.snapshot.id, snapshot);
    for await (const { product_id } of list) seen.push(product_id);
    assert.deepEqual(seen, whole, "the list stays as it was begun");
    assert.equal(list.restarts, 0);
    const { data: fresh } = await this.sinsang.home(FIRST_PAINT);
    assert.equal(fresh.snapshot.id, snapshot);
    return this.#sums(`a list of ${whole.length} goes on in its snapshot, each product once; what is asked for anew comes from the new one`);
  }

  async #outage() {
    const before = (await this.sinsang.home(FIRST_PAINT)).data.new.items.map(({ product_id }) => product_id);
    await fetch(new URL("/-/kv-dead", this.edge.url), { headers: ALONE });
    this.network.taken();
    const { data: home, isStale } = await this.sinsang.home(FIRST_PAINT);
    assert.equal(isStale, false);
    assert.deepEqual(home.new.items.map(({ product_id }) => product_id), before);
    const { data: live } = await this.sinsang.live({ view: "card" });
    assert.ok(live.items.length > 0);
    return this.#sums("answers as before, from the isolate's memory");
  }

  async #coldOutage() {
    await this.#anew({ KV_DEAD: "1" }, this.edge.now());
    this.sinsang.forget();
    const { data: home } = await this.sinsang.home(FIRST_PAINT);
    assert.ok(home.new.items.length === 20 && home.personalized === false);
    const { rung } = home.snapshot;
    assert.ok(["cache", "bundle"].includes(rung), rung);
    const sums = this.#sums(`the shared order, from the ${rung === "bundle" ? "snapshot bundled with the Worker" : "data centre's cache"}`);
    await this.#anew({}, this.edge.now());
    return sums;
  }

  async #sale() {
    const [kv, cache] = [new Kv(new Random(1)), new Cache(new Random(2))];
    await Promise.all([kv.listen(), cache.listen()]);
    kv.publish(await pairs(this.first));
    // The next nine o'clock in the evening.
    const korean = this.begunAt + 9 * HOUR_MS;
    const nine = korean - (korean % DAY_MS) + 21 * HOUR_MS - 9 * HOUR_MS;
    const offset = (nine < this.begunAt ? nine + DAY_MS : nine) - this.begunAt;
    const variables = { JWT_AUDIENCE: AUDIENCE, JWT_HS256_KEY: HS256_KEY, JWT_ES256_PUBLIC_KEY: ES256_JWK, USER_KEY, READ_LIMIT_MS: "2000", CLOCK_OFFSET_MS: String(offset) };
    await mkdir(join(ROOT, ".cache/test"), { recursive: true });
    const workerd = await Workerd.start("sale", { kv: kv.port, cache: cache.port }, variables, Buffer.alloc(0));
    try {
      const times = [];
      let [next, got, personal] = [0, 0, 0];
      const viewer = async () => {
        for (let number = next++; number < this.viewers; number = next++) {
          const name = (prefix, number, digits) => `${prefix}${String(number).padStart(digits, "0")}`;
          // Each token is new to the isolate, as in an evening's first minutes.
          const who = number % 10 < SIGNED_IN * 10
            ? { bearer: hs256(claims(name("u", 1 + (number % this.known), 6), Date.now(), { jti: String(number) })) }
            : { headers: { "sinsang-device": name("device-", number, 12) } };
          const answer = await ask(workerd.url, { target: "/v1/home?view=card&limit=20", ...who });
          assert.equal(answer.status, 200, answer.text?.slice(0, 200));
          times.push(answer.ms);
          if (number % 100 === 0) got += gzipSync(answer.text).length;
          if (answer.text.includes('"personalized":true')) personal += 1;
        }
      };
      const begunAt = performance.now();
      await Promise.all(Array.from({ length: AT_ONCE }, viewer));
      const seconds = (performance.now() - begunAt) / 1_000;
      const reads = [...kv.reads.values()].flatMap((seconds) => [...seconds.values()]).reduce((sum, count) => sum + count, 0);
      times.sort((a, b) => a - b);
      assert.ok(reads < 200 + this.viewers / 100, `${reads} reads of KV`);
      assert.ok(personal > 0, "some viewers are known");
      const each = Math.round(got / Math.ceil(this.viewers / 100));
      const rate = Math.round(this.viewers / seconds);
      return {
        requests: this.viewers,
        sent: undefined,
        got: each * this.viewers,
        ms: undefined,
        rungs: [],
        says: `all answered, ${personal.toLocaleString("en")} in an order of their own; one isolate took ${seconds.toFixed(0)} s (${rate.toLocaleString("en")} a second), half within ${percentile(times, 0.5).toFixed(0)} ms and 99 % within ${percentile(times, 0.99).toFixed(0)} ms with ${AT_ONCE} under way; ${reads} reads of KV`,
      };
    } finally {
      await workerd.stop();
      kv.close();
      cache.close();
    }
  }

  async #offline() {
    const before = await this.sinsang.home(FIRST_PAINT);
    this.network.isThere = false;
    this.network.taken();
    const { data, isStale } = await this.sinsang.home(FIRST_PAINT);
    assert.deepEqual([isStale, data], [true, before.data]);
    for (const product_id of this.clicked.slice(0, 3)) this.events.track({ kind: "click", surface: "new", position: 1, product_id });
    assert.equal(await this.events.flush(), 3, "they wait");
    assert.equal(this.network.taken().length, 0);
    this.network.isThere = true;
    assert.equal(await this.events.flush(), 0);
    return this.#sums("the last answer, marked as old; three events wait in storage and go out with the network's return");
  }

  async #nextDay() {
    await this.events.close();
    await this.#ingest();
    const tomorrow = this.begunAt + DAY_MS;
    const snapshot = await this.#built("tomorrow", tomorrow);
    await this.#anew({}, tomorrow);
    await this.edge.seed(await pairs(snapshot));
    await this.#anew({}, tomorrow + 60_000);
    this.sinsang.forget();
    const { data: home } = await this.sinsang.home(FIRST_PAINT);
    assert.equal(home.personalized, true, "the account has a taste");
    const place = async (its) => {
      const places = [];
      let at = 0;
      for await (const { category } of its.new({ limit: 100 })) {
        at += 1;
        if (category === this.category) places.push(at);
      }
      return places.reduce((sum, one) => sum + one, 0) / places.length / at;
    };
    const own = await place(this.sinsang);
    this.account = undefined;
    this.sinsang.forget();
    const shared = await place(this.sinsang);
    assert.ok(own < shared, `${this.category} stands at ${own} of the list, and at ${shared} for everybody`);
    this.account = ACCOUNT;
    const { data: saved } = await this.sinsang.products(this.clicked);
    const next = saved.items.filter(({ broadcasts }) => broadcasts.length > 0).length;
    return this.#sums(`yesterday's events are in the build: ${this.category} has moved up to ${(100 * own).toFixed(0)} % of the list from ${(100 * shared).toFixed(0)} % in the shared order; one request tells the next broadcasts of the ${this.clicked.length} products looked at (${next} have one)`);
  }

  /** Brings the stored events to the table. */
  async #ingest() {
    const wanted = 20 + 40 + 1 + 2 * this.clicked.length + 2 + 3;
    const ingested = await ingestStored(this.edge, join(this.work, "objects"), join(this.tables, "events"), wanted);
    assert.equal(ingested, wanted, "each event once");
  }
}

const number = (value) => (value === undefined ? "" : Math.round(value).toLocaleString("en"));
const line = ({ when, step, requests, sent, got, ms, says }) => `| ${when} | ${step} | ${number(requests)} | ${number(sent)} | ${number(got)} | ${number(ms)} | ${says} |`;
export const HEAD = "| | | requests | bytes sent | bytes got | ms | |\n| --- | --- | --- | --- | --- | --- | --- |";

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log(HEAD);
  await new Day({ viewers: Number(process.env.VIEWERS || 50_000), say: (text) => console.log(text) }).live();
}
