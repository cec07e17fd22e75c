// Miniflare with an end to its waits. A suite once hung without a workerd and without an end, and
// its waits are the only ones in a suite that have none.
import { Miniflare } from "miniflare";

const START_MS = 60_000;
const STOP_MS = 30_000;

/** What `promise` gives, or an error that says what took too long. */
async function within(ms, promise, what) {
  let timer;
  const late = new Promise((_, fail) => (timer = setTimeout(() => fail(new Error(`${what} within ${ms / 1000} s`)), ms)));
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A running Miniflare and its address; begun once more, and told, if the first does not start. */
export async function started(options) {
  for (const isLast of [false, true]) {
    const mf = new Miniflare(options);
    try {
      return { mf, url: await within(START_MS, mf.ready, "workerd does not start") };
    } catch (error) {
      // Its own end may hang for the same reason.
      mf.dispose().catch(() => {});
      if (isLast) throw error;
      console.error(`${error.message}: started once more`);
    }
  }
}

/** The same Miniflare with other options: a new process. */
export async function restarted(mf, options) {
  await within(START_MS, mf.setOptions(options), "workerd does not take its options");
  return within(START_MS, mf.ready, "workerd does not start again");
}

export const stopped = (mf) => within(STOP_MS, mf.dispose(), "workerd does not end");
