// All measurements of one run as one object: `make bench` writes it down and `make bench-check`
// judges it.
import { readFile } from "node:fs/promises";
import { cpus, loadavg, release, totalmem } from "node:os";
import { join } from "node:path";
import * as cold from "./cold.mjs";
import * as core from "./core.mjs";
import { bearer, data } from "./data.mjs";
import { ask, assertSame } from "./equal.mjs";
import { Kv } from "./kv.mjs";
import { writeRequests } from "./load.mjs";
import { CONNECTIONS, measure, ratios } from "./measure.mjs";
import { ROOT } from "./place.mjs";
import { interval } from "./statistic.mjs";
import * as subject from "./subject.mjs";

/** Number of viewers whose ETags are sent back. */
const KNOWN = 64;
/** Maximum requests of a slice with new tokens: each token has to be signed beforehand. */
const MOST_FIRST_TOKENS = 500;
const WARM_REQUESTS = 50;
/** Number of products that are asked for in turn. */
const PRODUCTS = 64;
const PATH = { home: "/v1/home?limit=60", card: "/v1/home?limit=60&view=card", new: "/v1/new?limit=60", schedule: "/v1/schedule" };

const say = (text) => process.stderr.write(`${text}\n`);
const home = (user, nonce) => ({ path: PATH.home, headers: { Authorization: bearer(user, nonce) } });
const card = (user) => ({ ...home(user), path: PATH.card });
const fresh = { path: PATH.new };
const schedule = { path: PATH.schedule };

/** Asks twice, so that the answer is warm. */
async function warm(server, request) {
  await ask(server.port, request);
  const answer = await ask(server.port, request);
  if (answer.status !== 200) throw new Error(`${server.name} answers ${answer.status}: ${answer.body.subarray(0, 300)}`);
  return answer;
}

/**
 * Fails unless `server` answers like the edge: to viewers with tastes, to one without a token, and
 * on the new-product tab.
 */
async function assertPeer(ours, server, users) {
  // The edge is asked twice, so that it answers from memory like the peer.
  const same = async (what, request) => assertSame(`${server.name}, ${what}`, await warm(ours, request), await ask(server.port, request));
  for (const user of users) await same(user, home(user));
  await same("a viewer without tastes", home("stranger"));
  await same("without a token", { path: PATH.home });
  await same("/v1/new", fresh);
  const forged = { path: PATH.home, headers: { Authorization: `${bearer(users[0]).slice(0, -6)}AAAAAA` } };
  for (const one of [ours, server]) {
    const { status } = await ask(one.port, forged);
    if (status !== 401) throw new Error(`${one.name} answers a forged token with ${status}`);
  }
}

/** The interleaved rounds: CPU time of each request, for all servers. */
async function interleaved(small, large, kvs, python, rounds) {
  const ours = await subject.sinsang("sinsang-500", small, kvs.small);
  const ours2000 = await subject.sinsang("sinsang-2000", large, kvs.large);
  const redis = await subject.redis(small);
  const hono = await subject.hono("hono-500", small);
  const node = await subject.node("node-500", small, redis);
  const fastapi = await subject.fastapi("fastapi-500", small, redis, python);
  say("comparing the peers' answers with ours");
  for (const peer of [hono, node, fastapi]) await assertPeer(ours, peer, small.users.slice(0, 8));
  const hello = await subject.hello("hello");
  const constants = {
    home500: await subject.constant("constant-home-500", await warm(ours, home(small.users[0]))),
    reader500: await subject.constant("reader-home-500", await warm(ours, home(small.users[0])), "reader.mjs"),
    home2000: await subject.constant("constant-home-2000", await warm(ours2000, home(large.users[0]))),
    new: await subject.constant("constant-new", await warm(ours, fresh)),
    schedule: await subject.constant("constant-schedule", await warm(ours, schedule)),
  };
  const { items } = JSON.parse((await warm(ours, schedule)).body);
  const pages = [...new Set(items.map((item) => item.product_id))].slice(0, PRODUCTS).map((id) => ({ path: `/v1/products/${id}` }));
  constants.product = await subject.constant("constant-product", await warm(ours, pages[0]));
  const homes = await writeRequests("home", small.users.map((user) => home(user)));
  const homes2000 = await writeRequests("home-2000", large.users.map((user) => home(user)));
  const cards = await writeRequests("home-card", small.users.map((user) => card(user)));
  const news = await writeRequests("new", [fresh]);
  const schedules = await writeRequests("schedule", [schedule]);
  const products = await writeRequests("product", pages);
  const known = [];
  for (const user of small.users.slice(0, KNOWN)) {
    const request = home(user);
    const { headers } = await warm(ours, request);
    known.push({ ...request, headers: { ...request.headers, "If-None-Match": headers.get("etag") } });
  }
  const unmodified = await writeRequests("not-modified", known);
  const firstTokens = [];
  for (let round = 0; round <= rounds; round++) {
    const requests = Array.from({ length: MOST_FIRST_TOKENS }, (_, index) => home(small.users[index % small.users.length], `${round}-${index}`));
    firstTokens.push(await writeRequests(`first-token-${round}`, requests));
  }
  const of = (name, server, requests, more = {}) => ({ name, server, requests, status: "2xx", warm: 4_000, ...more });
  const subjects = [
    of("hello", hello, homes),
    of("constant-home-500", constants.home500, homes),
    of("reader-home-500", constants.reader500, homes),
    of("home-500", ours, homes),
    of("hono-home-500", hono, homes),
    of("home-500-first-token", ours, (round) => firstTokens[round], { most: MOST_FIRST_TOKENS }),
    of("constant-home-2000", constants.home2000, homes2000),
    of("home-2000", ours2000, homes2000),
    of("not-modified", ours, unmodified, { status: "3xx" }),
    of("constant-new", constants.new, news),
    of("new", ours, news),
    of("home-card", ours, cards),
    of("constant-schedule", constants.schedule, schedules, { warm: 1_000 }),
    of("schedule", ours, schedules, { warm: 1_000 }),
    of("constant-product", constants.product, products),
    of("product", ours, products),
    of("node-home-500", node, homes),
    of("fastapi-home-500", fastapi, homes, { warm: 1_000 }),
  ];
  say(`${rounds} interleaved rounds of ${subjects.length} subjects`);
  return measure(subjects, rounds, (done) => say(`  round ${done}`));
}

/**
 * Measures everything.
 * @param {{rounds: number, coldRounds: number, python: string}} options
 */
export async function run({ rounds, coldRounds, python }) {
  const [small, large] = [await data(500), await data(2_000)];
  const kvs = { small: await Kv.start(join(small.folder, "kv")), large: await Kv.start(join(large.folder, "kv")) };
  const seen = await interleaved(small, large, kvs, python, rounds);
  // At most two of our processes are busy, the server and the client; the rest is other load on the
  // machine.
  const [load] = loadavg();
  say(`${coldRounds} rounds of cold isolates`);
  const starts = await cold.starts(coldRounds);
  const startOf = (field) => starts.sinsang[field].map((us, round) => us / starts.empty[field][round]);
  say("reads, memory, size");
  const reads = await cold.reads(small, kvs.small, home(small.users[0]), WARM_REQUESTS);
  const memory = await cold.memory(small, kvs.small, small.users.map((user) => home(user)));
  say("the core alone");
  const native = await core.native();
  const instructions = {};
  for (const candidates of [500, 1_000, 2_000]) instructions[candidates] = await core.instructions("new", candidates);
  for (const kind of ["whole", "overlay", "not-modified", "product"]) instructions[kind] = await core.instructions(kind, 500, 300);
  instructions.mixed = await core.instructions("mixed", 500, 100);
  instructions.flat = await core.instructions("flat", 500);
  const wasm = await core.wasm();
  const bounds = JSON.parse(await readFile(join(ROOT, "bench/edge/bounds.json"), "utf8"));
  const [cpu] = cpus();
  return {
    date: new Date().toISOString(),
    machine: { cpu: cpu.model.trim(), cores: cpus().length, memory_gb: Math.round(totalmem() / 1e9), kernel: release(), load },
    versions: subject.versions(python),
    shape: { connections: CONNECTIONS, viewers: small.users.length, small: { products: small.products, slots: small.slots }, large: { products: large.products, slots: large.slots } },
    subjects: Object.fromEntries(
      Object.entries(seen).map(([name, one]) => [
        name,
        { requests: one.count, body_bytes: one.bodyBytes, cpu_us: interval(one.cpuUs), rps: interval(one.rps), p50_us: interval(one.p50Us), p99_us: interval(one.p99Us) },
      ]),
    ),
    ratios: Object.fromEntries(bounds.filter((bound) => bound.above in seen).map((bound) => [bound.id, { ...interval(ratios(seen, bound.above, bound.below)), rounds_seen: ratios(seen, bound.above, bound.below) }])),
    cold: {
      ratio: interval(startOf("firstByteUs")),
      cpu_ratio: interval(startOf("cpuUs")),
      first_byte_us: Object.fromEntries(Object.entries(starts).map(([kind, one]) => [kind, interval(one.firstByteUs)])),
      cpu_us: Object.fromEntries(Object.entries(starts).map(([kind, one]) => [kind, interval(one.cpuUs)])),
    },
    reads,
    memory,
    size: await cold.size(),
    core: { native, wasm, instructions },
  };
}
