// A pulse as src/pack/FORMAT.md has it, read by other code than the edge's.
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

/** What `look` finds, once it finds something. */
export async function until(look, patience = PATIENCE_MS) {
  const deadline = Date.now() + patience;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`nothing after ${patience / 1000} s`);
    await new Promise((done) => setTimeout(done, 100));
  }
}
