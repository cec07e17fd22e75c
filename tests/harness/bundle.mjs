// A snapshot's bundle, as in crates/core/src/pack/bundle.rs: the manifest, followed by its board.

/** @param {Map<string, Buffer>} pairs a snapshot as KV holds it */
export function bundleOf(pairs) {
  const manifest = pairs.get("manifest");
  for (let at = 32; at < 32 + 16 * manifest.readUInt32LE(12); at += 16) {
    if (manifest.toString("latin1", at, at + 4) !== "META") continue;
    const name = manifest.toString("hex", manifest.readUInt32LE(at + 4) + 16, manifest.readUInt32LE(at + 4) + 32);
    return new Uint8Array(Buffer.concat([manifest, pairs.get(`pack/${name}`)]));
  }
  throw new Error("the manifest has no META");
}
