// Compares results with bounds. A bound has a target, `most` or `least`, which the project wants to
// reach, and `held`, which must not be lost: the state when it was written, with room for noise.
// Once the target is reached, `held` becomes the target.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "./place.mjs";

const exact = (value) => ({ median: value, low: value, high: value });

/** Values other than ratios of two subjects. */
function derived(result) {
  const { core, reads, memory, size, cold } = result;
  const row = (rows, candidates, isLarge) => rows.filter((one) => one.kind === "new" && one.candidates === candidates && one.users !== 30_000).sort((a, b) => a.products - b.products).at(isLarge ? -1 : 0);
  // The fastest tenth of short samples: other programs on the machine only ever add time.
  const timed = (one) => exact(one.p10_us);
  const { instructions } = core;
  const counted = instructions[500] === undefined ? undefined : exact((instructions[2000] - instructions[1000]) / 2 / (instructions[1000] - instructions[500]));
  return {
    "cold-start": cold.ratio,
    "cold-start-cpu": cold.cpu_ratio,
    "kv-warm": exact(reads.warm.reads),
    "kv-cold-reads": exact(reads.cold.reads),
    "kv-cold-rounds": exact(reads.cold.rounds),
    "core-native": timed(row(core.native, 500, false)),
    "core-wasm": timed(row(core.wasm, 500, false)),
    "instructions-core": instructions[500] === undefined ? undefined : exact(instructions[500] / 1e3),
    "core-linear": counted,
    "instructions-home": instructions.whole === undefined ? undefined : exact(instructions.whole / 1e3),
    "overlay": instructions.overlay === undefined ? undefined : exact(instructions.overlay / instructions.whole),
    "instructions-304": instructions["not-modified"] === undefined ? undefined : exact(instructions["not-modified"] / 1e3),
    "instructions-mixed": instructions.mixed === undefined ? undefined : exact(instructions.mixed / 1e3),
    "instructions-product": instructions.product === undefined ? undefined : exact(instructions.product / 1e3),
    "core-flat": instructions.flat === undefined ? undefined : exact(instructions.flat / instructions[500]),
    "core-flat-time": exact(row(core.native, 500, true).p10_us / row(core.native, 500, false).p10_us),
    "wasm-size": exact(size.gzipBytes / 1e3),
    memory: exact(memory.isolateBytes / 1e6),
  };
}

/**
 * The bounds with their measured values. `state` is "reached"; "held" if the target is still ahead;
 * "worse" if even the interval's favourable end lies beyond `held`; or "seen" without a limit:
 * times in microseconds can double beside other work on a machine, so instructions are limited
 * instead.
 */
export async function judge(result) {
  const bounds = JSON.parse(await readFile(join(ROOT, "bench/edge/bounds.json"), "utf8"));
  const other = derived(result);
  return bounds.flatMap((bound) => {
    const value = result.ratios[bound.id] ?? other[bound.id];
    return value === undefined ? [] : [{ ...bound, value, state: state(bound, value) }];
  });
}

export function state({ most, least, held }, { median, low, high }) {
  if (most === undefined && least === undefined) return "seen";
  const isWorse = held !== undefined && (most === undefined ? high < held : low > held);
  if (isWorse) return "worse";
  const isReached = most === undefined ? median >= least : median <= most;
  if (isReached) return "reached";
  return held === undefined ? "seen" : "held";
}

export const number = (value) => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)).replace(/\.0+$/, "");
export const range = ({ low, high }) => (low === high ? "" : `${number(low)}–${number(high)}`);
export const target = ({ most, least }) => (most !== undefined ? `≤ ${most}` : least !== undefined ? `≥ ${least}` : "");

/** One line for each bound, for the terminal. */
export function verdictLines(verdicts) {
  return verdicts.map(({ id, value, unit, held, state, ...bound }) => `${state.padEnd(8)} ${id.padEnd(16)} ${`${number(value.median)}${unit}`.padStart(10)} ${range(value).padEnd(16)} target ${target(bound) || "none"}${held === undefined ? "" : `, held at ${held}`}`);
}
