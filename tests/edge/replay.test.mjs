// Replays of what workerd answered: several viewers' answers are recorded with their headers, then
// another snapshot, pulse and overlay come, and the command gives each answer again to the byte.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { CLOCK_ENTRY } from "../harness/clock.mjs";
import { ROOT, built, sinsang, tables } from "../harness/dataset.mjs";
import { Edge } from "../harness/edge.mjs";
import { packOf, until } from "../harness/pulse.mjs";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** The headers that the Worker's own code decides; `Server-Timing` tells of reads. */
const HEADERS = ["Cache-Control", "Content-Type", "ETag", "Sinsang-Age", "Sinsang-Experiments", "Sinsang-Rung", "Sinsang-Snapshot", "Vary"];
// Sides are drawn by the snapshot's id, which every hour changes: that all of these are on one side
// happens once in a billion times.
const DEVICES = Array.from({ length: 30 }, (_, number) => `device-${String(number).padStart(12, "0")}`);
/** A request from Seoul, as the platform tells. */
const SEOUL = { country: "KR", regionCode: "11" };

test("answers are given again to the byte after a snapshot, a pulse and an overlay, and one of an isolate that was behind by its ETag", async () => {
  // Of the hour, as commands and pulses go by the real clock. The tables have enough users for
  // leanings by province.
  const now = Math.floor(Date.now() / HOUR_MS) * HOUR_MS;
  const its = await tables("7", now, "--users", "1500");
  const builds = [];
  for (const minutes of [40, 20, 0]) builds.push(await built(its, now - minutes * MINUTE_MS, { more: ["--pack-format", "2"] }));
  const { viewers } = JSON.parse(await readFile(join(its, "viewers.json"), "utf8"));
  const [one, other] = viewers.map(({ user_id: id }) => id);
  const state = await mkdtemp(join(tmpdir(), "sinsang-replay-"));
  const store = ["--local", state, "--project", ROOT];
  const run = async (...words) => JSON.parse(await sinsang(...words, ...store, "--format", "json"));
  const say = (...words) => run("overlay", "put", ...words, "until=2d", "--why", "a test of the tests", "--by", "kim");
  let edge;
  try {
    const { snapshot: live } = await run("publish", builds[0]);
    const { snapshot: tried } = await run("publish", builds[1], "--share", "50%", "--force");
    edge = await Edge.start({ state, now: Date.now(), entry: CLOCK_ENTRY, bindings: { CLOCK_OFFSET_MS: "0" } });
    const listed = (await edge.get("/v1/new", { query: { limit: 100 } })).json.items.map(({ product_id: id }) => id);
    const wanted = listed[Math.floor(listed.length / 2)];
    await say("hide", `product=${listed[0]}`);
    await say("pin", `product=${listed.at(-1)}`, "place=2", "on=new");
    const beat = async (madeAt, id) => {
      const kv = await edge.kv();
      const pulse = packOf({ madeAt, counts: new Map([[id, { viewers: 640, looks: 640, purchases: 640 }]]) });
      const bytes = pulse.buffer.slice(pulse.byteOffset, pulse.byteOffset + pulse.byteLength);
      for (const key of [`pulse/${Math.floor(madeAt / 1000)}`, "pulse"]) await kv.put(key, bytes);
      return Math.floor(madeAt / 1000);
    };
    // The counter makes a pulse the latest a minute later.
    const pulse = await beat(Date.now() - 70_000, wanted);
    await edge.restart(Date.now());
    const knows = async () => {
      const { json } = await edge.get("/v1/status");
      return json.trial?.read && json.pulse !== null && json.overlay?.revision === 2;
    };
    await until(async () => (await edge.get("/v1/home")) && (await knows()));

    // From here on the Worker's clock stands where the test puts it.
    const clock = { at: Date.now() };
    const records = [];
    const record = async (path, { user, device, cf, tv } = {}) => {
      const at = clock.at;
      const headers = { "Test-Clock": String(at), ...(device ? { "Sinsang-Device": device } : {}), ...(tv ? { "Sinsang-Device-Class": "tv" } : {}) };
      const answer = await edge.get(path, { headers, user, cf });
      const { pathname, search } = new URL(path, edge.url);
      const words = [
        ["--at", new Date(at).toISOString()],
        ["--surface", pathname.slice("/v1/".length)],
        search ? ["--query", search.slice(1)] : [],
        user ? ["--viewer", user] : [],
        device ? ["--device", device] : [],
        cf ? ["--region", cf.regionCode] : [],
        tv ? ["--device-class", "tv"] : [],
        ["--rung", answer.headers.get("sinsang-rung")],
      ].flat();
      const found = { words, answer, etag: answer.headers.get("etag") };
      records.push(found);
      clock.at += 137;
      return found;
    };
    await record("/v1/home");
    await record("/v1/home", { user: one });
    await record("/v1/home", { user: one });
    await record("/v1/tabs", { user: other });
    await record("/v1/live", { user: other });
    await record("/v1/new?sort=soonest&limit=7", { user: other });
    await record("/v1/new", { cf: SEOUL, tv: true });
    const page = async (path, who) => {
      const { answer } = await record(path, who);
      assert.ok(answer.json.next_cursor, path);
      return record(`/v1/new?limit=5&cursor=${answer.json.next_cursor}`, who);
    };
    await page("/v1/new?limit=5", { user: one });
    await page("/v1/new?limit=5", { cf: SEOUL });
    const of = {};
    for (const device of DEVICES) {
      if (of[live] && of[tried]) break;
      const found = await record("/v1/new?limit=3", { device });
      const id = found.answer.json.snapshot.id;
      // One device of either side is enough.
      if (of[id]) records.pop();
      of[id] ??= found;
    }
    assert.deepEqual(Object.keys(of).toSorted(), [live, tried].toSorted(), "devices inside and outside of the trial");
    const rungs = new Set(records.map(({ answer }) => answer.json.snapshot.rung));
    assert.deepEqual([...rungs].toSorted(), ["isolate", "kv"], "a viewer's first answer reads their tastes");
    const first = records[0].answer.json.new.items.map(({ product_id: id }) => id);
    assert.ok(!first.includes(listed[0]) && first[1] === listed.at(-1) && first.includes(wanted), "overlay and pulse are in it");

    // Another snapshot, which ends the trial; a newer pulse; another overlay.
    const { snapshot: next } = await run("publish", builds[2], "--force");
    await say("hide", `product=${listed.at(-1)}`);
    await beat(Date.now() - 1_000, listed[1]);
    // The isolate looks after this answer: what it gives is from before.
    clock.at = Date.now();
    const behind = await record("/v1/new?limit=9", { user: one });
    assert.ok([live, tried].includes(behind.answer.json.snapshot.id));
    records.pop();

    const replay = async ({ words }, ...more) => run("replay", ...words, ...more);
    const assertSame = (replayed, { answer, words }) => {
      assert.equal(replayed.body, answer.text, words.join(" "));
      const headers = new Map(replayed.headers);
      for (const name of HEADERS) assert.equal(headers.get(name), answer.headers.get(name) ?? undefined, `${name} of ${words.join(" ")}`);
    };
    const replays = [];
    for (const [place, one] of records.entries()) {
      replays.push(await replay(one, ...(place % 2 ? ["--etag", one.etag] : [])));
      assertSame(replays[place], one);
    }
    const { from, standing } = replays[0];
    assert.deepEqual([from.live, from.pulse, from.overlay], [live, pulse, 2]);
    assert.deepEqual(standing.map(({ do: deed, by }) => [deed, by]), [["hide", "kim"], ["pin", "kim"]]);

    // The newest values of that time are not what the isolate used; its ETag tells.
    const guessed = await replay(behind);
    assert.equal(guessed.from.live, next);
    assert.notEqual(guessed.body, behind.answer.text);
    assertSame(await replay(behind, "--etag", behind.etag), behind);
    await assert.rejects(replay(behind, "--etag", 'W/"0123456789abcdef"'), /no answer of [^]*has the ETag/);

    // Standard output is the body and nothing else; the text tells why.
    assert.equal(await sinsang("replay", ...records[1].words, ...store), records[1].answer.text);
    const text = await sinsang("replay", ...records[0].words, "--explain", ...store);
    for (const part of [`snapshot  ${live}`, `pulse     ${pulse}`, "overlay   revision 2", "pin 1", "점이에요", "said of what is not in the answer"]) assert.ok(text.includes(part), `${part} is not in\n${text}`);
    const places = text.split("\n").filter((line) => /^ {1,3}\d+ {2}/.test(line));
    const { tabs, live: onAir, new: list } = records[0].answer.json;
    assert.equal(places.length, tabs.items.length + onAir.items.length + list.items.length);
  } finally {
    await edge?.stop();
    await rm(state, { recursive: true, force: true });
  }
});
