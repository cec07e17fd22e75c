// The load during faults: mixed requests of an app, and hostile ones.
import { request as httpRequest, Agent } from "node:http";
import { HS256_KEY, claims, hs256, token } from "../harness/token.mjs";
import { createHmac } from "node:crypto";

/** Longer than any answer may take; exceeding it is a fault of the edge. */
const REQUEST_TIMEOUT_MS = 10_000;
const agent = new Agent({ keepAlive: true, maxSockets: 64 });

/** Hostile requests: a target, or a whole request. */
const HOSTILE = [
  "/v1/new?limit=0",
  "/v1/new?limit=99999999999999999999",
  "/v1/new?limit=-1&limit=2",
  "/v1/new?cursor=AAAA",
  `/v1/new?cursor=${"A".repeat(40)}`,
  `/v1/new?category=${"%EA%B0%80".repeat(300)}`,
  "/v1/new?__proto__=1",
  "/v1/new?sort=%00",
  "/v1/new?channel=%ff%fe",
  "/v1/home?as_of=9999-12-31T23:59:59Z",
  "/v1/live?viewer=u000001",
  "/v1/..%2f..%2fmanifest",
  "/.snapshot/manifest",
  `/${"a".repeat(400)}`,
  "/v1/tabs?%",
  { target: "/v1/new", method: "POST", body: "x".repeat(70_000) },
  { target: "/v1/home", method: "GET", body: "{}" },
  { target: "/v1/live", method: "DELETE" },
  { target: "/v1/tabs", method: "OPTIONS", headers: { origin: "https://evil.example", "access-control-request-method": "GET" } },
  { target: "/v1/home", headers: { origin: `https://${"e".repeat(4_000)}.example` } },
  { target: "/v1/live?viewer=u000001", headers: { "sinsang-preview": "x".repeat(4_000) } },
  { target: "/v1/tabs", headers: { "if-none-match": '"x",'.repeat(2_000) } },
];
const BAD_TOKENS = (user, now) => [
  "",
  "x",
  "a.b.c",
  hs256(claims(user, now), "another key of 32 bytes, not the right one"),
  hs256(claims(user, now, { exp: 1 })),
  hs256(claims(user, now, { aud: "another" })),
  hs256(claims(user, now, { sub: undefined })),
  token({ alg: "none" }, claims(user, now), () => ""),
  token({ alg: "ES256" }, claims(user, now), (text) => createHmac("sha256", HS256_KEY).update(text).digest()),
  "A".repeat(9_000),
];
const SURFACES = ["/v1/home", "/v1/new", "/v1/live", "/v1/tabs", "/v1/home?limit=5", "/v1/new?limit=7", "/v1/new?sort=soonest&limit=10"];

/** Addresses of the schedule and of products, some of each, as an app opens them. */
export function pageTargets(schedule) {
  const [ids, channels] = [schedule.items.map((item) => item.product_id), schedule.channels.map(({ channel }) => channel.id)];
  const [one, two, three] = [0.1, 0.4, 0.8].map((share) => ids[Math.floor(share * ids.length)]);
  const { shop, listing_id } = schedule.items[0].broadcast;
  return [
    "/v1/schedule?limit=40",
    "/v1/schedule?mine=1&limit=30",
    `/v1/schedule?channel=${channels[0]}&view=card`,
    ...[one, two, three].map((id) => `/v1/products/${id}`),
    `/v1/products?ids=${[one, two, three].join()},0123456789abcdef`,
    `/v1/listings/${encodeURIComponent(shop)}/${encodeURIComponent(listing_id)}`,
    `/v1/products/${two}.ics`,
    `/v1/schedule.ics?channel=${channels[1]}`,
    "/v1/products/0123456789abcdef",
    "/v1/home?view=card&limit=20",
  ];
}

export class Load {
  /** Cursors of earlier answers, each with its list and viewer. */
  #cursors = [];
  #tokens = new Map();

  constructor(random, users, pages) {
    Object.assign(this, { random, users, pages });
  }

  /** The next request: its target, its token, and the permitted outcomes. */
  next() {
    const { random } = this;
    const dice = random.next();
    const user = random.chance(0.5) ? random.pick(this.users) : undefined;
    if (dice < 0.08) {
      const hostile = random.pick(HOSTILE);
      return { ...(typeof hostile === "string" ? { target: hostile } : hostile), expects: "refusal" };
    }
    if (dice < 0.14) {
      const bad = random.pick(BAD_TOKENS(random.pick(this.users), Date.now()));
      return { target: random.pick(SURFACES), bearer: bad, expects: "401" };
    }
    if (dice < 0.34 && this.#cursors.length > 0) {
      const { target, user } = this.#cursors.splice(random.below(this.#cursors.length), 1)[0];
      return { target, user, bearer: this.#token(user), expects: "answer" };
    }
    if (dice < 0.36) return { target: "/v1/status", expects: "answer" };
    if (dice < 0.46) {
      const etag = random.chance(0.2) ? this.lastEtag : undefined;
      return { target: random.pick(this.pages), user, bearer: this.#token(user), etag, expects: "page" };
    }
    const etag = random.chance(0.2) ? this.lastEtag : undefined;
    return { target: random.pick(SURFACES), user, bearer: this.#token(user), etag, expects: "answer" };
  }

  #token(user) {
    if (user === undefined) return undefined;
    const known = this.#tokens.get(user);
    if (known && Date.now() - known.at < 120_000) return known.text;
    const text = hs256(claims(user, Date.now()));
    this.#tokens.set(user, { text, at: Date.now() });
    return text;
  }

  /** Remembers an answer's cursor. */
  learn(asked, answer) {
    this.lastEtag = answer.headers.get("etag") ?? this.lastEtag;
    const { cursor } = answer;
    if (!cursor || answer.path !== "/v1/new" || this.#cursors.length > 40) return;
    const url = new URL(asked.target, "http://edge");
    url.searchParams.set("cursor", cursor);
    this.#cursors.push({ target: `${url.pathname}${url.search}`, user: asked.user });
  }
}

const flat = (headers) => Object.entries(headers).flatMap(([name, value]) => [value].flat().map((one) => [name, one]));

/** An answer whose JSON is parsed on demand: most are recognised by their bytes. */
class Answer {
  #json;

  constructor(parts) {
    Object.assign(this, parts);
  }

  get json() {
    try {
      this.#json ??= this.text ? JSON.parse(this.text) : undefined;
    } catch {
      // The contract checks whether JSON was required.
    }
    return this.#json;
  }

  /** The list's next cursor, found without parsing the rest. */
  get cursor() {
    return /"next_cursor":"([^"]+)"[^[\]]*$/.exec(this.text?.slice(-160) ?? "")?.[1];
  }
}

/**
 * Sends a request and times it. It never throws: a failed transfer becomes an answer of status 0.
 * If the other side closes a kept-alive connection just as it is reused, which is no fault, the
 * request is repeated once, and the answer says so in `isAgain`.
 */
export function ask(base, { target, bearer, etag, preview, method = "GET", body, headers: more }, isAgain = false) {
  const headers = { ...more };
  if (body !== undefined) headers["content-length"] = Buffer.byteLength(body);
  if (bearer !== undefined) headers.authorization = `Bearer ${bearer}`;
  if (etag !== undefined) headers["if-none-match"] = etag;
  if (preview !== undefined) headers["sinsang-preview"] = preview;
  // A connection with an unread body is closed after the answer, so these requests don't share the
  // pool.
  const connections = body === undefined ? agent : false;
  const began = Date.now();
  const clock = performance.now();
  const { pathname: path, search } = new URL(target, "http://edge");
  return new Promise((done) => {
    const end = (status, headers, text) =>
      done(new Answer({ method, isAgain, path, search, status, headers: new Headers(flat(headers)), text, began, ended: Date.now(), ms: performance.now() - clock }));
    const sent = httpRequest(`${base}${target}`, { method, headers, agent: connections, timeout: REQUEST_TIMEOUT_MS }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => end(response.statusCode, response.headers, Buffer.concat(chunks).toString()));
      response.on("error", (error) => end(0, {}, String(error)));
    });
    sent.on("timeout", () => sent.destroy(new Error("no answer in time")));
    sent.on("error", (error) => {
      if (isAgain || !sent.reusedSocket || error.code !== "ECONNRESET") return end(0, {}, String(error));
      return done(ask(base, { target, bearer, etag, preview, method, body, headers: more }, true));
    });
    sent.end(body);
  });
}

