// Paths of the bench.
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
export const PEERS = join(ROOT, "bench/peers");
/** The bench's scratch folder; it may be deleted. */
export const WORK = join(ROOT, ".cache/bench");
export const TARGET = process.env.CARGO_TARGET_DIR ?? join(ROOT, ".cache/target");
export const CACHE = process.env.SINSANG_CACHE ?? join(ROOT, ".cache");
/** A program of bench/core. */
export const program = (name) => join(TARGET, "release", name);
