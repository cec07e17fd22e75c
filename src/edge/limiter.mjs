// Cloudflare's rate limiters, where `wrangler.toml` binds them; `docs/operations.md` says what each counts. Both Workers have this file, and their
// Wasm reaches it by name (limiter.rs).
//
// The platform counts in each of its data centres by itself, and a little late: a limit here is a fence and no ledger. It knows periods of 10
// and of 60 seconds (https://developers.cloudflare.com/workers/runtime-apis/bindings/rate-limit).

/** What counts all requests of an address, and what those of an asker: in 10 seconds, and in 60. */
const BINDINGS = { address: ["RATE_LIMIT_ADDRESS"], asker: ["RATE_LIMIT_BURST", "RATE_LIMIT"] };
/** A limiter that takes longer than this, in milliseconds, is not waited for: the request passes. */
const LIMIT_MS = 50;
/** Failures in a row after which limiters are left alone, and the least and the most that they are, in milliseconds; as breaker.rs has it. */
const FAILURES_TO_REST = 3;
const REST_MS = [4_000, 6_000];

let failures = 0;
let restsUntil = 0;

/**
 * Whether too many requests came from `key`, which is an address's or an asker's (rate.rs), as `kind` says. A limiter that fails or hangs refuses
 * nobody; after some failures all are left alone for a while, and then one request tries.
 */
export async function refuses(env, kind, key) {
  for (const name of BINDINGS[kind]) {
    const limiter = env[name];
    if (limiter === undefined) continue;
    if (Date.now() < restsUntil) return false;
    if (failures >= FAILURES_TO_REST) rest();
    const passes = await ask(limiter, key);
    if (passes === undefined) {
      if (++failures >= FAILURES_TO_REST) rest();
    } else {
      failures = 0;
      if (!passes) return true;
    }
  }
  return false;
}

function rest() {
  restsUntil = Date.now() + REST_MS[0] + Math.random() * (REST_MS[1] - REST_MS[0]);
}

/** Whether `limiter` lets `key` pass; `undefined` where it does not say in time. */
async function ask(limiter, key) {
  let timer;
  const late = new Promise((done) => (timer = setTimeout(done, LIMIT_MS)));
  try {
    const outcome = await Promise.race([limiter.limit({ key }), late]);
    return typeof outcome?.success === "boolean" ? outcome.success : undefined;
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
