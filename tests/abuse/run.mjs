// An anonymous sender's influence: attacks on both Workers and on builds, on loopback, bounded in
// count and time. A table gives each attack's effect and its bound; the run fails if an effect
// exceeds its bound. make abuse
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { kst, sinsang } from "../harness/dataset.mjs";
import { Edge } from "../harness/edge.mjs";
import { ingestStored } from "../harness/objects.mjs";
import { pulseOf, until } from "../harness/pulse.mjs";
import { claims, hs256 } from "../harness/token.mjs";

const TIME_LIMIT_MS = 15 * 60_000;
const overdue = setTimeout(() => {
  console.error("not through after 15 minutes");
  process.exit(1);
}, TIME_LIMIT_MS);

const rows = [];
/** Records the effect of an attack: `measured` in words, and whether it is within its bound. */
function tell(attack, measured, bound, isHeld) {
  rows.push({ attack, measured, bound, isHeld });
  console.log(`${isHeld ? "held  " : "MOVED "} ${attack}: ${measured} (${bound})`);
}

const range = (count) => Array.from({ length: count }, (_, index) => index);
const work = await mkdtemp(join(tmpdir(), "sinsang-abuse-"));
const [tables, state] = ["tables", "state"].map((name) => join(work, name));
const now = Date.now();
let edge;

const event = (changes = {}) => ({ event_id: randomUUID(), kind: "click", at: new Date().toISOString(), ...changes });
const token = (user) => hs256(claims(user, Date.now()));

async function post(body, { headers = {}, type = "application/json" } = {}) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const answer = await edge.ask("/v1/events", { method: "POST", headers: { "Content-Type": type, ...headers }, body: text });
  posted += answer.json?.accepted ?? 0;
  return answer;
}

/**
 * Sends many bodies, some at a time; returns the count of each status, and the number of accepted
 * events.
 */
async function flood(bodies) {
  const statuses = new Map();
  let accepted = 0;
  for (let at = 0; at < bodies.length; at += 16) {
    for (const answer of await Promise.all(bodies.slice(at, at + 16).map((body) => post(body)))) {
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      accepted += answer.json?.accepted ?? 0;
    }
  }
  return { statuses: Object.fromEntries(statuses), accepted };
}

/** The command's exit code and output, also if it fails. */
async function tried(...args) {
  return sinsang(...args).then((text) => ({ code: 0, text }), (error) => ({ code: 1, text: error.message }));
}

let stored = 0;
/** Accepted events that no build has read yet. */
let posted = 0;
/** Adds newly accepted events to the table of events, and builds a snapshot from it. */
async function built(name) {
  stored += await ingestStored(edge, join(work, "objects"), join(tables, "events"), posted);
  posted = 0;
  const snapshot = join(work, name);
  await sinsang("build", "--input", tables, "--output", snapshot, "--now", kst(Date.now()));
  return snapshot;
}

/** A product's place in the shared order of the new-product tab, and its popularity. */
async function placeOf(snapshot, product) {
  const own = await Edge.start({ snapshot, now });
  try {
    const items = (await own.pages("/v1/new", { query: { limit: 100 } })).flatMap(({ items }) => items);
    const place = items.findIndex(({ product_id }) => product_id === product) + 1;
    const { popularity } = JSON.parse(await sinsang("inspect", snapshot, "--product", product, "--format", "json"));
    return { place, popularity };
  } finally {
    await own.stop();
  }
}

try {
  console.log("making tables of the present and a first snapshot");
  await sinsang("generate", "--quick", "--seed", "11", "--now", kst(now), "--out", tables);
  await mkdir(join(tables, "events"));
  await rename(join(tables, "events.parquet"), join(tables, "events", "history.parquet"));
  const first = join(work, "first");
  await sinsang("build", "--input", tables, "--output", first, "--now", kst(now));
  await sinsang("publish", first, "--local", state);
  edge = await Edge.start({ state, now, intake: { bindings: { PULSE_EVERY_MS: "1000" } } });
  const shared = (await edge.pages("/v1/new", { query: { limit: 100 } })).flatMap(({ items }) => items);
  const at = Math.min(60, shared.length - 1);
  const target = shared[at].product_id;
  const device = "an-attacker-with-one-device";

  // Rows that a build would reject.
  const words = ["-", "null", "undefined", "\u200b", "NaN", "(null)", "\\N", "un\u200bdefined", "\u0958".repeat(42)];
  const nothing = range(27).map((number) => ({ device, events: range(100).map(() => event({ listing_id: words[number % words.length] })) }));
  const taken = await flood(nothing);
  tell("27 requests of rows that say nothing", `${taken.accepted} of 2,700 rows taken`, "none", taken.accepted === 0);

  const old = range(3_000).map((number) => JSON.stringify({ event_id: `abuse-${number}`, viewer: "d00000000000000aa", kind: "click", at: new Date(now - 60_000).toISOString(), listing_id: "-" }));
  await writeFile(join(tables, "events", "old.ndjson"), `${old.join("\n")}\n`);
  const stopped = await tried("build", "--input", tables, "--output", join(work, "old"), "--now", kst(now));
  tell("3,000 such rows in the table of events", stopped.code === 0 ? "the build ends well" : stopped.text.split("\n")[1], "no build ends by them", stopped.code === 0);
  await rm(join(tables, "events", "old.ndjson"));

  const half = `{"device":"${device}","events":[${JSON.stringify(event({ product_id: target, kind: "view" }))},{"event_id":"event-0001","shop":"\\ud83d"}]}`;
  const judged = await post(half);
  tell("half a surrogate pair in one row of two", `${judged.json?.accepted ?? 0} taken`, "the other is taken", judged.json?.accepted === 1);
  const nobody = await post({ device: "00000000-0000-0000-0000-000000000000", events: [event({ product_id: target })] });
  tell("a device whose id is all zeros", `status ${nobody.status}`, "401", nobody.status === 401);
  const foreign = await post({ device, events: [event({ product_id: target })] }, { type: "text/plain", headers: { Origin: "https://foreign.example" } });
  tell("a beacon of a foreign page", `status ${foreign.status}`, "403", foreign.status === 403);

  // The shared order: before the attack, with one device's purchases, then with many devices'.
  const before = await placeOf(await built("before"), target);
  const bought = range(99).map(() => ({ device, events: range(100).map(() => event({ kind: "purchase", product_id: target })) }));
  const sent = await flood(bought);
  const one = await placeOf(await built("one"), target);
  tell(`${sent.accepted} purchases of one device`, `place ${before.place} to ${one.place}, popularity ${before.popularity} to ${one.popularity}`, "a quarter of what signed-in viewers did", one.place >= before.place - 20);
  const many = await flood(range(1_000).map((number) => ({ device: `a-made-up-device-of-many-${number}`, events: [event({ kind: "purchase", product_id: target }), event({ kind: "click", product_id: target })] })));
  const all = await placeOf(await built("many"), target);
  tell("1,000 devices that all buy it", `place ${before.place} to ${all.place}, popularity ${before.popularity} to ${all.popularity}`, "a quarter of what signed-in viewers did", all.place >= before.place - 20);

  // The pulse: five signed-in users look at a product.
  const wanted = shared[at - 1].product_id;
  for (const user of range(5)) await post({ token: token(`looker-${user}`), events: [event({ product_id: wanted })] });
  const kv = await edge.kv();
  const pulse = async () => {
    const value = await kv.get("pulse", "arrayBuffer");
    return value === null ? undefined : pulseOf(Buffer.from(value)).counts;
  };
  await until(async () => (await pulse())?.get(wanted)?.viewers >= 80 || undefined, 60_000);
  const made = () => randomUUID().replaceAll("-", "").slice(0, 16);
  const everything = shared.map(({ product_id }) => product_id);
  const deeds = everything.flatMap((product_id) => ["click", "alarm", "purchase"].map((kind) => ({ kind, product_id })));
  const parts = (of) => range(Math.ceil(of.length / 100)).map((part) => of.slice(100 * part, 100 * part + 100));
  const flooded = await flood([
    ...range(252).map((number) => ({ device: `a-made-up-device-${number % 4}`, events: range(100).map(() => event({ kind: "purchase", product_id: made() })) })),
    ...range(9).flatMap((user) => parts(deeds).map((part) => ({ token: token(`flooder-${user}`), events: part.map(event) }))),
  ]);
  await new Promise((done) => setTimeout(done, 10_000));
  const counts = await pulse();
  const strangers = [...counts.keys()].filter((product) => !everything.includes(product)).length;
  const others = [...counts.keys()].filter((product) => product !== wanted).length;
  tell(`${flooded.accepted} events of four devices and nine accounts`, `${others} other products in the pulse, ${strangers} made up; the one that five looked at has ${((counts.get(wanted)?.viewers ?? 0) / 16).toFixed(1)} viewers`, "it stays, beside nothing that was made up", counts.has(wanted) && strangers === 0);

  // An experiment.
  const exposed = range(4_000).flatMap((viewer) => {
    const its = { experiments: { soon: ["control", "soon"][viewer % 2] }, viewer: viewer.toString(16).padStart(16, "0") };
    const shown = { ...its, event_id: `shown-${viewer}`, kind: "impression", at: "2026-11-20T00:00:00Z" };
    return viewer % 8 < 2 ? [shown, { ...its, event_id: `click-${viewer}`, kind: "click", at: "2026-11-20T01:00:00Z", product_id: target }] : [shown];
  });
  const clicks = range(50_000).map((number) => ({ experiments: { soon: "soon" }, viewer: "0".repeat(15) + "5", event_id: `more-${number}`, kind: "click", at: "2026-11-20T02:00:00Z", product_id: made() }));
  const mean = async (lines) => {
    await writeFile(join(work, "exposed.ndjson"), lines.map((line) => JSON.stringify(line)).join("\n"));
    const report = JSON.parse(await sinsang("experiment", "report", "soon", "--events", join(work, "exposed.ndjson"), "--variant", "control=0.5", "--variant", "soon=0.5", "--format", "json"));
    return report.variants[1].rates.find(({ name }) => name === "clicks a viewer").mean;
  };
  const [fair, swayed] = [await mean(exposed), await mean([...exposed, ...clicks])];
  tell("one viewer with 50,000 clicks in an experiment", `clicks a viewer ${fair.toFixed(3)} to ${swayed.toFixed(3)}`, "at most 20 clicks", swayed - fair <= 20 / 2_000 + 1e-9);

  // Guesses of the preview secret.
  const guessed = new Map();
  for (const number of range(450)) {
    const { status } = await edge.ask("/v1/new", { headers: { "Sinsang-Preview": `a guess of the secret, ${number}` }, query: { as_of: kst(now) } });
    guessed.set(status, (guessed.get(status) ?? 0) + 1);
  }
  tell("450 guesses of the preview secret", JSON.stringify(Object.fromEntries(guessed)), "most are not even compared", (guessed.get(403) ?? 0) <= 60);

  // Pages of what there is not: products, listings and calendars.
  const id = () => made().replace(/^./, "0");
  const pages = range(300).flatMap((number) => [
    `/v1/products/${id()}`,
    `/v1/products/${id()}.ics`,
    `/v1/listings/${encodeURIComponent("없는샵")}/${number}`,
    `/v1/schedule.ics?channel=nowhere-${number}`,
    `/v1/products?ids=${range(50).map(id).join()}`,
  ]);
  const answered = { statuses: new Map(), reads: 0, largest: 0 };
  const beforePages = (await edge.get("/v1/tabs")).text;
  for (let at = 0; at < pages.length; at += 16) {
    for (const { status, headers, text } of await Promise.all(pages.slice(at, at + 16).map((page) => edge.ask(page)))) {
      answered.statuses.set(status, (answered.statuses.get(status) ?? 0) + 1);
      answered.reads += Number(/"(\d+) reads?/.exec(headers.get("server-timing"))?.[1] ?? 0);
      answered.largest = Math.max(answered.largest, text.length);
    }
  }
  const stays = (text) => text.replace(/"snapshot":\{[^}]*\}/, "");
  const isUnmoved = stays((await edge.get("/v1/tabs")).text) === stays(beforePages);
  // The manifest is looked at every 30 seconds, whoever asks.
  tell(`${pages.length} pages of made-up products, listings and channels`, `${JSON.stringify(Object.fromEntries(answered.statuses))}, ${answered.reads} reads of KV, at most ${answered.largest} bytes each`, "404, or 200 with a list of what is unknown; no more than 20 reads, 2 KB", isUnmoved && (answered.statuses.get(404) ?? 0) === 1_200 && answered.statuses.get(200) === 300 && answered.reads <= 20 && answered.largest <= 2_048);

  // Bad snapshots.
  const empty = join(work, "empty");
  await mkdir(empty);
  const header = "listing_id,shop,channel,title,starts_at\n";
  await writeFile(join(empty, "broadcasts.csv"), header);
  const none = await tried("build", "--input", empty, "--output", join(work, "none"), "--now", kst(now));
  tell("a build of a table with a header only", none.code === 0 ? "it succeeds" : "it is an error", "an error", none.code !== 0);
  const late = join(work, "late");
  const ahead = await tried("build", "--input", tables, "--output", late, "--now", kst(now + 365 * 86_400_000));
  const published = ahead.code === 0 ? await tried("publish", late, "--local", state) : ahead;
  tell("a snapshot of next year", published.code === 0 ? "it goes live" : "it is refused", "refused", published.code !== 0);
  console.log(`\n| attack | measured | bound | |\n| --- | --- | --- | --- |\n${rows.map(({ attack, measured, bound, isHeld }) => `| ${attack} | ${measured} | ${bound} | ${isHeld ? "held" : "**moved**"} |`).join("\n")}`);
  console.log(`${stored} events stored in all; ${await readFile("/proc/loadavg", "utf8").catch(() => "")}`.trim());
} finally {
  await edge?.stop();
  await rm(work, { recursive: true, force: true });
  clearTimeout(overdue);
}
if (rows.some(({ isHeld }) => !isHeld)) process.exit(1);
