// A run's output: a line for each stretch, and at the end one for each fault with all its
// stretches.

export const percentile = (list, share) => (list.length === 0 ? 0 : list.toSorted((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * share))]);

/** The maximum of a list too long for spreading into Math.max. */
const most = (list) => list.reduce((known, one) => Math.max(known, one), 0);

export const HEAD =
  "| fault | requests | p99 ms | p99 ms of an edge without it | worst ms | worst age s | KV reads/s: first, later | rungs |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |";

/** A line of the table. */
export function line({ fault, requests, times, control, age, reads, rungs }) {
  const shown = Object.entries(rungs).map(([rung, count]) => `${rung} ${count}`).join(", ");
  const ms = [percentile(times, 0.99), percentile(control, 0.99), most(times)].map(Math.round);
  return `| ${[fault, requests, ...ms, age, `${reads.first}/${reads.later}`, shown].join(" | ")} |`;
}

/**
 * Merges the rows of each fault: counts are summed, times joined, and the worst of the rest taken.
 */
export function together(rows) {
  const sums = new Map();
  for (const row of rows) {
    const sum = sums.get(row.fault) ?? { fault: row.fault, requests: 0, refused: 0, times: [], control: [], age: 0, reads: { first: 0, later: 0 }, rungs: {} };
    sums.set(row.fault, sum);
    sum.requests += row.requests;
    sum.refused += row.refused;
    sum.times = sum.times.concat(row.times);
    sum.control = sum.control.concat(row.control);
    sum.age = Math.max(sum.age, row.age);
    for (const when of ["first", "later"]) sum.reads[when] = Math.max(sum.reads[when], row.reads[when]);
    for (const [rung, count] of Object.entries(row.rungs)) sum.rungs[rung] = (sum.rungs[rung] ?? 0) + count;
  }
  return [...sums.values()];
}
