// Cloudflare's rate limiters, if `wrangler.toml` binds them; `docs/operations.md` says what each
// counts. Both Workers have this file, and their Wasm reaches it by name (limiter.rs).
//
// Each data centre counts separately and slightly late: a limit here is a fence, not a ledger. The
// platform offers periods of 10 and 60 seconds
// (https://developers.cloudflare.com/workers/runtime-apis/bindings/rate-limit).

/** The limiters of an address's requests, and those of an asker's: over 10 seconds and over 60. */
const BINDINGS = { address: ["RATE_LIMIT_ADDRESS"], asker: ["RATE_LIMIT_BURST", "RATE_LIMIT"] };
/** Timeout of a limiter, in milliseconds: then the request passes. */
const LIMIT_MS = 50;
/**
 * Failures in a row that pause all limiters, and the shortest and longest pause in milliseconds; as
 * in breaker.rs.
 */
const FAILURES_TO_REST = 3;
const REST_MS = [4_000, 6_000];

let failures = 0;
let restsUntil = 0;

/**
 * Whether too many requests came from `key`, an address's or an asker's (rate.rs) by `kind`. A
 * failing or hanging limiter refuses nobody. After some failures all limiters pause, and then one
 * request probes.
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

/** Whether `limiter` lets `key` pass; `undefined` if it gives no answer in time. */
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
