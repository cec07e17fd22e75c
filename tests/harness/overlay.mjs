// An independent writer of overlays about products, by crates/core/src/pack/FORMAT.md.
import { createHash } from "node:crypto";

const HEADER_BYTES = 32;
const ENTRY_BYTES = 88;
/** Bits of the surfaces `new` and `live`. */
const NEW_AND_LIVE = 3;
/** What entries do, by the codes of their records. */
const CODES = { hide: 1, sold_out: 2, price: 3, note: 4, pin: 8 };

/**
 * An overlay.
 * @param {{id: number, what?: string, product: string, text?: string, price?: number, place?: number, fromS: number, untilS: number, since: number, removed?: number}[]} entries
 */
export function overlayOf(entries, revision, madeAtMs) {
  const meta = Buffer.alloc(16);
  meta.writeUInt32LE(revision, 0);
  meta.writeBigInt64LE(BigInt(madeAtMs), 8);
  const texts = [];
  let textBytes = 0;
  const records = entries.map(({ id, what = "hide", product, text = "", price = 0, place = 0, fromS, untilS, since, removed = 0 }) => {
    const record = Buffer.alloc(ENTRY_BYTES);
    const bytes = Buffer.from(text);
    record.writeUInt8(CODES[what], 0);
    if (what === "pin") record.writeUInt8(NEW_AND_LIVE, 1);
    record.writeUInt16LE(place, 2);
    record.writeUInt32LE(price, 4);
    [textBytes, bytes.length].forEach((number, at) => record.writeUInt32LE(number, 40 + 4 * at));
    texts.push(bytes);
    textBytes += bytes.length;
    record.writeBigUInt64LE(BigInt(`0x${product}`), 8);
    [id, fromS, untilS, since, removed].forEach((number, at) => record.writeUInt32LE(number, 20 + 4 * at));
    return record;
  });
  return pack(5, [
    ["META", 16, meta],
    ["OVER", ENTRY_BYTES, Buffer.concat(records)],
    ["TEXT", 1, Buffer.concat(texts)],
  ]);
}

/** A pack of `kind` in the first format. */
function pack(kind, sections) {
  const directory = [];
  let at = HEADER_BYTES + 16 * sections.length;
  for (const [tag, stride, bytes] of sections) {
    at = Math.ceil(at / 8) * 8;
    const entry = Buffer.alloc(16);
    entry.write(tag, 0, "latin1");
    [at, bytes.length, stride].forEach((number, field) => entry.writeUInt32LE(number, 4 + 4 * field));
    directory.push([entry, at, bytes]);
    at += bytes.length;
  }
  const whole = Buffer.alloc(at);
  whole.write("SNSP", 0, "latin1");
  whole.writeUInt16LE(1, 4);
  whole.writeUInt16LE(kind, 6);
  whole.writeUInt32LE(at, 8);
  whole.writeUInt32LE(sections.length, 12);
  directory.forEach(([entry, start, bytes], place) => {
    entry.copy(whole, HEADER_BYTES + 16 * place);
    bytes.copy(whole, start);
  });
  const name = createHash("sha256").update(whole.subarray(0, 16)).update(whole.subarray(32)).digest();
  name.copy(whole, 16, 0, 16);
  return whole;
}
