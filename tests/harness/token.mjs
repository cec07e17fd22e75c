// Signed tokens, valid and invalid, made with node's own crypto instead of the edge's library.
import { createHmac, generateKeyPairSync, sign } from "node:crypto";

export const AUDIENCE = "sinsang";
export const HS256_KEY = "an HS256 key of the tests, over 32 bytes long";
/** A P-256 key pair made for this run, and its public half in the Worker's format. */
export const ES256 = generateKeyPairSync("ec", { namedCurve: "P-256" });
export const ES256_JWK = JSON.stringify(ES256.publicKey.export({ format: "jwk" }));

const encode = (part) => Buffer.from(typeof part === "string" ? part : JSON.stringify(part)).toString("base64url");

/** A token with any header and claims; `signer` signs the JWT's signing input. */
export function token(header, claims, signer) {
  const text = `${encode(header)}.${encode(claims)}`;
  return `${text}.${Buffer.from(signer(text)).toString("base64url")}`;
}

/**
 * Claims of `user`, valid for five minutes around `now` (milliseconds), changed by `changes`;
 * `undefined` removes one.
 */
export function claims(user, now, changes = {}) {
  const seconds = Math.floor(now / 1000);
  return { sub: user, aud: AUDIENCE, iat: seconds - 60, exp: seconds + 300, ...changes };
}

export const hs256 = (claims, key = HS256_KEY, header = {}) =>
  token({ alg: "HS256", typ: "JWT", ...header }, claims, (text) => createHmac("sha256", key).update(text).digest());

export const es256 = (claims, key = ES256.privateKey) =>
  token({ alg: "ES256", typ: "JWT" }, claims, (text) => sign("sha256", Buffer.from(text), { key, dsaEncoding: "ieee-p1363" }));
