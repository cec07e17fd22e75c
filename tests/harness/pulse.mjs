// An independent reader of pulses and of boards' listings, by crates/core/src/pack/FORMAT.md.
import { createHash } from "node:crypto";

const PATIENCE_MS = 60_000;

function sectionsOf(bytes) {
  const sections = new Map();
  for (let at = 32; at < 32 + 16 * bytes.readUInt32LE(12); at += 16) {
    const start = bytes.readUInt32LE(at + 4);
    sections.set(bytes.toString("latin1", at, at + 4), bytes.subarray(start, start + bytes.readUInt32LE(at + 8)));
  }
  return sections;
}

const hex = (number) => number.toString(16).padStart(16, "0");

/**
 * Shop, item code and product of each listing on a snapshot's board; `pairs` is the snapshot as in
 * KV.
 */
export function listingsOf(pairs) {
  const board = sectionsOf(pairs.get("manifest")).get("META").toString("hex", 16, 32);
  const sections = sectionsOf(pairs.get(`pack/${board}`));
  const [products, text] = [sections.get("PROD"), sections.get("TEXT")];
  const found = [];
  for (let at = 0; at < products.length; at += 64) {
    const start = products.readUInt32LE(at + 8);
    const { listings } = JSON.parse(`${text.toString("utf8", start, start + products.readUInt32LE(at + 12))}}`);
    found.push(...listings.map((listing) => ({ ...listing, product_id: hex(products.readBigUInt64LE(at)) })));
  }
  return found;
}

/** A pulse's contents: its time, and its counts in sixteenths of a viewer by product id. */
export function pulseOf(bytes) {
  const sections = sectionsOf(bytes);
  const counts = new Map();
  const records = sections.get("PULS");
  for (let at = 0; at < records.length; at += 16) {
    const [viewers, looks, alarms, purchases] = [8, 10, 12, 14].map((field) => records.readUInt16LE(at + field));
    counts.set(hex(records.readBigUInt64LE(at)), { viewers, looks, alarms, purchases });
  }
  return { madeAt: Number(sections.get("META").readBigInt64LE(0)), counts };
}

/** The first result of `look` that isn't empty. */
export async function until(look, patience = PATIENCE_MS) {
  const deadline = Date.now() + patience;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`nothing after ${patience / 1000} s`);
    await new Promise((done) => setTimeout(done, 100));
  }
}

/** A pulse of counts in sixteenths of a viewer by product id, as the event counter writes it. */
export function packOf({ madeAt, counts }) {
  const meta = Buffer.alloc(8);
  meta.writeBigInt64LE(BigInt(madeAt));
  const records = [...counts].toSorted(([one], [other]) => (one < other ? -1 : 1)).map(([id, { viewers = 0, looks = 0, alarms = 0, purchases = 0 }]) => {
    const record = Buffer.alloc(16);
    record.writeBigUInt64LE(BigInt(`0x${id}`));
    [viewers, looks, alarms, purchases].forEach((count, at) => record.writeUInt16LE(count, 8 + 2 * at));
    return record;
  });
  const body = Buffer.concat([meta, ...records]);
  const [headerBytes, entryBytes] = [32, 16];
  const start = headerBytes + 2 * entryBytes;
  const pack = Buffer.alloc(start + body.length);
  pack.write("SNSP", "latin1");
  pack.writeUInt16LE(1, 4);
  pack.writeUInt16LE(4, 6);
  pack.writeUInt32LE(pack.length, 8);
  pack.writeUInt32LE(2, 12);
  [["META", start, 8, 8], ["PULS", start + 8, body.length - 8, 16]].forEach(([tag, from, length, stride], at) => {
    const entry = headerBytes + at * entryBytes;
    pack.write(tag, entry, "latin1");
    [from, length, stride].forEach((value, field) => pack.writeUInt32LE(value, entry + 4 + 4 * field));
  });
  body.copy(pack, start);
  const hash = createHash("sha256").update(pack.subarray(0, 16)).update(pack.subarray(headerBytes)).digest();
  hash.copy(pack, 16, 0, 16);
  return pack;
}
