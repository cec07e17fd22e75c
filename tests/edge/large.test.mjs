// The largest board that Workers KV can hold: what it takes of an isolate's 128 MB to stand on it, to take in the next, and to go on in the last.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { dataset, pairs } from "../harness/dataset.mjs";
import { Edge } from "../harness/edge.mjs";

/** The largest value of Workers KV, which crates/core/src/pack.rs holds packs to. */
const MAX_PACK_BYTES = 25 * 1024 * 1024;
/**
 * What of an isolate's 128 MB the Wasm memory may take here: three such boards, since the place of one that was given up is broken into by what is
 * allocated meanwhile, and a little. What passes through JavaScript comes on top: the value from KV, and the copy for the data centre's cache.
 */
const MAX_WASM_BYTES = 80 * 1024 * 1024;
const HEADER_BYTES = 32;
const ENTRY_BYTES = 16;

/** Stands before the real Worker, with a clock that `GET /after?s=40` moves on. */
const HASTY = `
  import worker from "./index.js";
  export * from "./index.js";
  let ahead = 0;
  const Real = Date;
  globalThis.Date = class extends Real {
    constructor(...given) {
      given.length === 0 ? super(Real.now() + ahead) : super(...given);
    }
    static now() {
      return Real.now() + ahead;
    }
  };
  export default {
    fetch(request, env, context) {
      const { pathname, searchParams } = new URL(request.url);
      if (pathname !== "/after") return worker.fetch(request, env, context);
      ahead += 1_000 * Number(searchParams.get("s"));
      return new Response();
    },
  };`;

/** Gives a pack the name of its content. */
function sealed(pack) {
  pack.writeUInt32LE(pack.length, 8);
  const digest = createHash("sha256").update(pack.subarray(0, 16)).update(pack.subarray(HEADER_BYTES)).digest();
  digest.copy(pack, 16, 0, 16);
  return pack;
}

/** Where the section of `tag` begins. */
function sectionAt(pack, tag) {
  for (let at = HEADER_BYTES; at < HEADER_BYTES + ENTRY_BYTES * pack.readUInt32LE(12); at += ENTRY_BYTES) {
    if (pack.toString("latin1", at, at + 4) === tag) return { start: pack.readUInt32LE(at + 4), length: pack.readUInt32LE(at + 8) };
  }
  throw new Error(`no section ${tag}`);
}

/** The pack with a section more, which readers pass over, so that it has `bytes` in all. */
function padded(pack, bytes, fill) {
  const count = pack.readUInt32LE(12);
  const directoryEnd = HEADER_BYTES + ENTRY_BYTES * count;
  const header = Buffer.from(pack.subarray(0, directoryEnd));
  header.writeUInt32LE(count + 1, 12);
  for (let at = HEADER_BYTES; at < directoryEnd; at += ENTRY_BYTES) header.writeUInt32LE(header.readUInt32LE(at + 4) + ENTRY_BYTES, at + 4);
  const start = pack.length + ENTRY_BYTES;
  const entry = Buffer.alloc(ENTRY_BYTES);
  entry.write("LATE", "latin1");
  entry.writeUInt32LE(start, 4);
  entry.writeUInt32LE(bytes - start, 8);
  entry.writeUInt32LE(1, 12);
  return sealed(Buffer.concat([header, entry, pack.subarray(directoryEnd), Buffer.alloc(bytes - start, fill)]));
}

/** The manifest of the same snapshot with another board. */
function manifestOf(manifest, board) {
  const pack = Buffer.from(manifest);
  const { start: meta } = sectionAt(pack, "META");
  board.copy(pack, meta + 16, 16, 32);
  const shards = sectionAt(pack, "SHRD");
  const hash = createHash("sha256").update(pack.subarray(meta + 8, meta + 32)).update(pack.subarray(shards.start, shards.start + shards.length));
  hash.digest().copy(pack, meta, 0, 8);
  return sealed(pack);
}

test("an isolate stands on the largest board there can be, takes in one after the other, and keeps room", async (t) => {
  const { first, viewers } = await dataset();
  const published = await pairs(first);
  const board = [...published.values()].find((pack) => pack.readUInt16LE(6) === 2);
  const edge = await Edge.start({ entry: HASTY });
  try {
    const seen = new Set();
    const memory = [];
    let cursor;
    for (const fill of [1, 2, 3, 4, 5, 6]) {
      const large = padded(board, MAX_PACK_BYTES, fill);
      const values = new Map(published);
      values.set(`pack/${large.subarray(16, 32).toString("hex")}`, large);
      values.set("manifest", manifestOf(published.get("manifest"), large));
      await edge.seed(values);
      await fetch(new URL("/after?s=40", edge.url));
      // The look is in the background of the first answer.
      const deadline = Date.now() + 60_000;
      let answer;
      do {
        answer = await edge.get("/v1/home", { user: viewers[fill].user_id });
      } while (seen.has(answer.json.snapshot.id) && Date.now() < deadline);
      assert.ok(!seen.has(answer.json.snapshot.id), "the next one is taken in");
      seen.add(answer.json.snapshot.id);
      assert.equal(answer.json.snapshot.rung, fill === 1 ? "kv" : "isolate");
      memory.push((await edge.get("/v1/status")).json.memory);
      // A list that began before stops, or is gone where the store was asked meanwhile: no manifest here names the one before.
      if (cursor) assert.ok([200, 410].includes((await edge.ask("/v1/new", { query: { cursor, limit: 5 } })).status));
      cursor = (await edge.get("/v1/new", { query: { limit: 5 } })).json.next_cursor;
    }
    t.diagnostic(`Wasm memory: ${memory.map(({ wasm_bytes }) => `${(wasm_bytes / 2 ** 20).toFixed(1)} MiB`).join(", ")}`);
    for (const { snapshot_bytes, wasm_bytes } of memory) {
      assert.ok(snapshot_bytes <= MAX_PACK_BYTES + 1024 * 1024, `${snapshot_bytes} bytes of snapshots: two such boards are too much`);
      assert.ok(wasm_bytes <= MAX_WASM_BYTES, `${wasm_bytes} bytes of Wasm memory`);
    }
  } finally {
    await edge.stop();
  }
});
