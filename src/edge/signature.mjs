// ES256 signatures, checked by the platform: its native code takes a tenth of the time of Wasm that
// is built for size, and no space in it. Both Workers' Wasm reaches this by name (signature.rs)
// with bytes only; auth.rs checks the form of tokens and keys.

const ECDSA = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
/** The byte 4 and two coordinates. */
const POINT_BYTES = 65;
/**
 * Timeout in milliseconds, a thousand times as long as any check takes: no answer ever waits for a
 * promise that never settles.
 */
const LIMIT_MS = 1_000;

/**
 * The keys in order, imported once an isolate; `null` for a key that isn't a point of the curve.
 */
const keys = [];

/**
 * Whether one of the concatenated keys in `points` made `signature` of `signed`. If the platform
 * fails to answer, the result is false.
 */
export async function isSigned(points, signed, signature) {
  let timer;
  const late = new Promise((_, fail) => (timer = setTimeout(() => fail(new Error("timed out")), LIMIT_MS)));
  try {
    return await Promise.race([check(points, signed, signature), late]);
  } catch (error) {
    console.error(`can't check a signature: ${error}`);
    return false;
  } finally {
    clearTimeout(timer);
  }
}

async function check(points, signed, signature) {
  for (let place = 0; place * POINT_BYTES < points.length; place++) {
    if (keys[place] === undefined) await bring(points, place);
    if (keys[place] !== null && (await crypto.subtle.verify(ECDSA, keys[place], signature, signed)) === true) return true;
  }
  return false;
}

async function bring(points, place) {
  const point = points.subarray(place * POINT_BYTES, (place + 1) * POINT_BYTES);
  let key = null;
  let wrong;
  try {
    key = await crypto.subtle.importKey("raw", point, ECDSA, false, ["verify"]);
  } catch (error) {
    // Other errors may not be the key's fault.
    if (error.name !== "DataError") throw error;
    wrong = error;
  }
  // Another request may have been first, and has then logged it.
  if (keys[place] !== undefined) return;
  keys[place] = key;
  if (key === null) console.error(`configuration: ES256 key ${place + 1} is not a point on P-256 and verifies nothing: ${wrong}`);
}
