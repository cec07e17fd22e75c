// ES256 signatures, checked by the platform: its own code takes a tenth of the time that Wasm built for size does, and no room in it. Both
// Workers' Wasm reaches this by name (signature.rs), with bytes alone: what a token and a key may look like is for auth.rs to say.

const ECDSA = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
/** A 4 and two coordinates. */
const POINT_BYTES = 65;
/** No check takes a thousandth of that, in milliseconds. It is here so that no answer ever waits for a promise that nobody keeps. */
const LIMIT_MS = 1_000;

/** The keys in their order, imported once an isolate; `null` stands for one that is no point of the curve. */
const keys = [];

/** Whether one of the keys in `points`, one after another, made `signature` of `signed`. Where the platform fails to say, none did. */
export async function isSigned(points, signed, signature) {
  let timer;
  const late = new Promise((_, fail) => (timer = setTimeout(() => fail(new Error("no answer")), LIMIT_MS)));
  try {
    return await Promise.race([check(points, signed, signature), late]);
  } catch (error) {
    console.error(`checking a signature: ${error}`);
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
    // Of any other the key may be innocent.
    if (error.name !== "DataError") throw error;
    wrong = error;
  }
  // Another request may have been first; then it has said so.
  if (keys[place] !== undefined) return;
  keys[place] = key;
  if (key === null) console.error(`configuration: ES256 key ${place + 1} is no point of P-256, and signs nothing: ${wrong}`);
}
