// Servers of ours in the place of the edge's dependencies: Workers KV, over workerd's HTTP
// protocol, and the data centre's cache. Each fails on demand.
import { createHash } from "node:crypto";
import { createServer } from "node:http";

const DRIP_MS = 200;
/**
 * Scale of the time for which misses are cached, compared with a data centre: 30 s become one, and
 * a day 48 minutes.
 */
const MISS_SCALE = 1 / 30;

/**
 * Faults of a read: each takes the response, the key and the complete value, and answers in its own
 * way.
 */
export const FAULTS = {
  error: (response) => response.writeHead(503).end("the store is unwell"),
  hang: () => {},
  drip: (response, value, { timers }) => {
    response.writeHead(200, { "content-length": value.length });
    let sent = 0;
    const timer = setInterval(() => {
      response.write(value.subarray(sent, (sent += 16)));
      if (sent >= value.length) clearInterval(timer);
    }, DRIP_MS);
    timers.add(timer);
    response.on("close", () => clearInterval(timer));
  },
  truncate: (response, value, { random }) => response.writeHead(200).end(value.subarray(0, random.below(value.length))),
  flip: (response, value, { random }) => {
    const damaged = Buffer.from(value);
    for (let flips = 1 + random.below(8); flips > 0; flips -= 1) damaged[random.below(damaged.length)] ^= 1 << random.below(8);
    response.writeHead(200).end(damaged);
  },
  // A length larger than the body: the connection is cut before its end.
  short: (response, value, { random }) => {
    response.writeHead(200, { "content-length": value.length + 1 + random.below(1_000) });
    response.write(value, () => response.destroy());
  },
  missing: (response) => response.writeHead(404).end(),
  newer: (response, value) => response.writeHead(200).end(reformatted(value, 2)),
  older: (response, value) => response.writeHead(200).end(reformatted(value, 0)),
};

/**
 * A pack in another format version: intact, with the checksum of its content
 * (crates/core/src/pack/FORMAT.md).
 */
export function reformatted(value, version) {
  const pack = Buffer.from(value);
  if (pack.length < 32) return pack;
  pack.writeUInt16LE(version, 4);
  const digest = createHash("sha256").update(pack.subarray(0, 16)).update(pack.subarray(32)).digest();
  digest.copy(pack, 16, 0, 16);
  return pack;
}

class Dependency {
  /** Reads since the last reset, by client and second. */
  reads = new Map();
  #server;
  #sockets = new Set();
  #timers = new Set();

  constructor(random) {
    this.random = random;
    /** Chooses the fault of a read: a name of FAULTS, or undefined for none. */
    this.fault = () => undefined;
    this.#server = createServer((request, response) => {
      const chunks = [];
      request.on("data", (chunk) => chunks.push(chunk));
      request.on("end", () => this.answer(request, response, Buffer.concat(chunks)));
      response.on("error", () => {});
    });
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      socket.on("error", () => {});
    });
  }

  async listen() {
    await new Promise((done) => this.#server.listen(0, "127.0.0.1", done));
    this.port = this.#server.address().port;
  }

  /** Sets the fault of later reads; hanging reads keep hanging. */
  befall(fault) {
    this.fault = fault;
  }

  fail(response, key, value) {
    const name = this.fault(key, this.random);
    if (name === undefined) return false;
    this.befallen(name, response, value);
    return true;
  }

  befallen(name, response, value) {
    FAULTS[name](response, value ?? Buffer.alloc(64), { random: this.random, timers: this.#timers });
  }

  count(client) {
    const second = Math.floor(Date.now() / 1_000);
    const seconds = this.reads.get(client) ?? new Map();
    this.reads.set(client, seconds.set(second, (seconds.get(second) ?? 0) + 1));
  }

  close() {
    for (const timer of this.#timers) clearInterval(timer);
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

/**
 * Workers KV: `GET /<key>?urlencoded=true&cache_ttl=…`, with the key in its path behind the name of
 * the asking isolate. As in a data centre, a missing key stays missing for the reader's cache time.
 */
export class Kv extends Dependency {
  values = new Map();
  /** The time at which each key was found missing. */
  #misses = new Map();

  answer(request, response) {
    const { pathname, searchParams } = new URL(request.url, "http://kv");
    const [, client, encoded] = pathname.split("/");
    const key = decodeURIComponent(encoded ?? "");
    this.count(client);
    const value = this.values.get(key);
    const ttl = Number(searchParams.get("cache_ttl") ?? 60) * 1_000 * MISS_SCALE;
    const isRemembered = Date.now() - (this.#misses.get(key) ?? -Infinity) < ttl;
    if (isRemembered) return FAULTS.missing(response);
    const fault = this.fault(key, this.random);
    if (fault === "missing" || (fault === undefined && value === undefined)) this.#misses.set(key, Date.now());
    else this.#misses.delete(key);
    if (fault !== undefined) this.befallen(fault, response, value);
    else if (value === undefined) response.writeHead(404).end();
    else response.writeHead(200, { "content-length": value.length }).end(value);
  }

  /** Puts the pairs of a snapshot, the manifest last, as a publication does. */
  publish(pairs) {
    for (const [key, value] of pairs) if (key !== "manifest") this.values.set(key, value);
    this.values.set("manifest", pairs.get("manifest"));
  }
}

/**
 * The data centre's cache in workerd's protocol: GET with `cf-cache-status`, PUT of a complete
 * response.
 */
export class Cache extends Dependency {
  values = new Map();

  answer(request, response, body) {
    const key = `${request.headers.host}${request.url}`;
    if (request.method === "PUT") {
      const start = body.indexOf("\r\n\r\n");
      if (start >= 0 && this.fault(key, this.random) === undefined) this.values.set(key, body.subarray(start + 4));
      response.writeHead(204).end();
      return;
    }
    this.count("cache");
    const value = this.values.get(key);
    if (this.fail(response, key, value)) return;
    if (value === undefined) response.writeHead(504, { "cf-cache-status": "MISS" }).end();
    else response.writeHead(200, { "cf-cache-status": "HIT", "cache-control": "public, max-age=604800" }).end(value);
  }
}
