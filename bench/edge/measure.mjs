// Interleaved rounds: every subject answers a slice of requests, in a random order, and its
// process's CPU time is read before and after.
import { load } from "./load.mjs";
import { median } from "./statistic.mjs";

/**
 * Target CPU time of a slice: long against the cost of reading the counters, short against a
 * machine's disturbances.
 */
const SLICE_NS = 60e6;
const LEAST_COUNT = 64;
const MOST_COUNT = 4_000;
export const CONNECTIONS = 8;

/**
 * @typedef {object} Subject
 * @property {string} name
 * @property {import("./server.mjs").Server} server
 * @property {string | ((round: number) => string)} requests a file of requests
 * @property {"2xx" | "3xx"} status that every answer must have
 * @property {number} warm requests before anything is timed
 * @property {number} [most] most requests of a slice
 */

async function slice(subject, file, count) {
  const before = await subject.server.cpuNs();
  const seen = await load(subject.server.port, file, { connections: CONNECTIONS, count });
  const after = await subject.server.cpuNs();
  if (seen.statuses[subject.status] !== count) throw new Error(`${subject.name} answered ${JSON.stringify(seen.statuses)}, all of ${count} should be ${subject.status}`);
  return { cpuUs: (after - before) / 1e3 / count, rps: count / seen.seconds, p50Us: seen.latency_us.p50, p99Us: seen.latency_us.p99, bodyBytes: seen.body_bytes / count };
}

const fileOf = (subject, round) => (typeof subject.requests === "function" ? subject.requests(round) : subject.requests);

/**
 * Warms all subjects, finds how many requests make a slice of each, and runs the rounds.
 * @param {Subject[]} subjects
 * @param {number} rounds
 * @param {(done: number) => void} [tell] of each round
 * @returns {Promise<Record<string, {count: number, cpuUs: number[], rps: number[], p50Us: number[], p99Us: number[], bodyBytes: number}>>}
 */
export async function measure(subjects, rounds, tell = () => {}) {
  const counts = new Map();
  for (const subject of subjects) {
    const most = subject.most ?? MOST_COUNT;
    const trial = await slice(subject, fileOf(subject, 0), Math.min(subject.warm, most));
    const again = await slice(subject, fileOf(subject, 0), Math.min(Math.ceil(subject.warm / 4), most));
    counts.set(subject, Math.round(Math.min(Math.max(SLICE_NS / 1e3 / Math.min(trial.cpuUs, again.cpuUs), LEAST_COUNT), most)));
  }
  const seen = new Map(subjects.map((subject) => [subject, []]));
  for (let round = 0; round < rounds; round++) {
    for (const subject of shuffled(subjects, round)) {
      seen.get(subject).push(await slice(subject, fileOf(subject, round + 1), counts.get(subject)));
    }
    tell(round + 1);
  }
  return Object.fromEntries(
    subjects.map((subject) => {
      const slices = seen.get(subject);
      const of = (field) => slices.map((one) => one[field]);
      return [subject.name, { count: counts.get(subject), cpuUs: of("cpuUs"), rps: of("rps"), p50Us: of("p50Us"), p99Us: of("p99Us"), bodyBytes: Math.round(median(of("bodyBytes"))) }];
    }),
  );
}

/**
 * The subjects in an order drawn from `round`, so that the same neighbour doesn't always prepare
 * the caches.
 */
function shuffled(subjects, round) {
  const order = [...subjects];
  let state = round + 1;
  for (let last = order.length - 1; last > 0; last--) {
    // xorshift32
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const other = (state >>> 0) % (last + 1);
    [order[last], order[other]] = [order[other], order[last]];
  }
  return order;
}

/** The ratio of two subjects in each round. */
export function ratios(seen, above, below) {
  return seen[above].cpuUs.map((us, round) => us / seen[below].cpuUs[round]);
}
