// The largest board that Workers KV can hold: its share of an isolate's 128 MB while serving it,
// loading the next one, and continuing a list of the last one.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { dataset, pairs } from "../harness/dataset.mjs";
import { Edge } from "../harness/edge.mjs";

/** The largest value of Workers KV, the size limit of packs in crates/core/src/pack.rs. */
const MAX_PACK_BYTES = 25 * 1024 * 1024;
/**
 * Limit on the Wasm memory, of an isolate's 128 MB: three such boards, since other allocations
 * fragment the space of a dropped one, and a little more. JavaScript needs more on top: the value
 * from KV, and the copy for the data centre's cache.
 */
const MAX_WASM_BYTES = 80 * 1024 * 1024;
const HEADER_BYTES = 32;
const ENTRY_BYTES = 16;

/** A module around the real Worker, with a clock that `GET /after?s=40` advances. */
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

/** Names a pack by its content. */
function sealed(pack) {
  pack.writeUInt32LE(pack.length, 8);
  const digest = createHash("sha256").update(pack.subarray(0, 16)).update(pack.subarray(HEADER_BYTES)).digest();
  digest.copy(pack, 16, 0, 16);
  return pack;
}

/** The offset and length of the section `tag`. */
function sectionAt(pack, tag) {
  for (let at = HEADER_BYTES; at < HEADER_BYTES + ENTRY_BYTES * pack.readUInt32LE(12); at += ENTRY_BYTES) {
    if (pack.toString("latin1", at, at + 4) === tag) return { start: pack.readUInt32LE(at + 4), length: pack.readUInt32LE(at + 8) };
  }
  throw new Error(`no section ${tag}`);
}

/** The pack with an extra section that readers skip, to a total of `bytes`. */
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
      // The look happens in the background of the first answer.
      const deadline = Date.now() + 60_000;
      let answer;
      do {
        answer = await edge.get("/v1/home", { user: viewers[fill].user_id });
      } while (seen.has(answer.json.snapshot.id) && Date.now() < deadline);
      assert.ok(!seen.has(answer.json.snapshot.id), "the next one is taken in");
      seen.add(answer.json.snapshot.id);
      assert.equal(answer.json.snapshot.rung, fill === 1 ? "kv" : "isolate");
      memory.push((await edge.get("/v1/status")).json.memory);
      // A list begun before stops, or is gone if the store has been asked meanwhile: no manifest
      // here names the previous snapshot.
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
