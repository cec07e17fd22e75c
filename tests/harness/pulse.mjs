// A pulse as src/pack/FORMAT.md has it, read and written by other code than the edge's.
import { createHash } from "node:crypto";

const PATIENCE_MS = 20_000;

/** What a pulse says: when it was made, and counts in sixteenths of a viewer by the product's id. */
export function pulseOf(bytes) {
  const sections = new Map();
  for (let at = 32; at < 32 + 16 * bytes.readUInt32LE(12); at += 16) {
    const start = bytes.readUInt32LE(at + 4);
    sections.set(bytes.toString("latin1", at, at + 4), bytes.subarray(start, start + bytes.readUInt32LE(at + 8)));
  }
  const counts = new Map();
  const records = sections.get("PULS");
  for (let at = 0; at < records.length; at += 16) {
    const [viewers, looks, alarms, purchases] = [8, 10, 12, 14].map((field) => records.readUInt16LE(at + field));
    counts.set(records.readBigUInt64LE(at).toString(16).padStart(16, "0"), { viewers, looks, alarms, purchases });
  }
  return { madeAt: Number(sections.get("META").readBigInt64LE(0)), counts };
}

/** A pulse that was made at `madeAt`: `counts` of products by id, of which those not named are 0. */
export function pulse(madeAt, counts) {
  const meta = Buffer.alloc(8);
  meta.writeBigInt64LE(BigInt(madeAt));
  const records = Object.entries(counts)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([id, { viewers = 0, looks = 0, alarms = 0, purchases = 0 }]) => {
      const record = Buffer.alloc(16);
      record.writeBigUInt64LE(BigInt(`0x${id}`));
      [viewers, looks, alarms, purchases].forEach((count, index) => record.writeUInt16LE(count, 8 + 2 * index));
      return record;
    });
  const body = Buffer.concat(records);
  const head = Buffer.alloc(32 + 32);
  head.write("SNSP", "latin1");
  head.writeUInt16LE(1, 4);
  head.writeUInt16LE(4, 6);
  head.writeUInt32LE(64 + 8 + body.length, 8);
  head.writeUInt32LE(2, 12);
  [["META", 64, 8, 8], ["PULS", 72, body.length, 16]].forEach(([tag, start, length, stride], index) => {
    head.write(tag, 32 + 16 * index, "latin1");
    [start, length, stride].forEach((value, field) => head.writeUInt32LE(value, 32 + 16 * index + 4 + 4 * field));
  });
  const bytes = Buffer.concat([head, meta, body]);
  const hash = createHash("sha256").update(bytes.subarray(0, 16)).update(bytes.subarray(32)).digest();
  hash.copy(bytes, 16, 0, 16);
  return bytes;
}

/** What `look` finds, once it finds something. */
export async function until(look) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`nothing after ${PATIENCE_MS / 1000} s`);
    await new Promise((done) => setTimeout(done, 100));
  }
}
