// The built Worker that takes events, in real workerd with Queues and R2 simulated: alone, or beside the edge (edge.mjs).
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { Log, LogLevel, Miniflare } from "miniflare";
import { unstable_getMiniflareWorkerOptions as workerOptions } from "wrangler";
import { ALONE } from "./connection.mjs";
import { Contract } from "./contract.mjs";
import { ROOT, USER_KEY, pairs } from "./dataset.mjs";
import { AUDIENCE, ES256_JWK, HS256_KEY } from "./token.mjs";

/** Nothing outlives a test. */
export const INTAKE_STATE = { r2Persist: false, durableObjectsPersist: false };
const PATIENCE_MS = 60_000;

/**
 * Miniflare's options of the Worker.
 * @param {object} options
 * @param {string} [options.entry] the source of a module that stands before the built Worker and exports it
 * @param {object} [options.bindings] variables and secrets over those of the tests; `undefined` takes one away
 * @param {object} [options.consumer] how the queues deliver, over what wrangler.toml says
 * @param {Record<string, object>} [options.queues] how one queue delivers, by its name, over that
 * @param {object} [options.more] options of Miniflare's over all
 */
export function intakeWorker({ entry, bindings = {}, consumer = {}, queues = {}, more = {} } = {}) {
  const { workerOptions: fromToml } = workerOptions(join(ROOT, "crates/event-worker/wrangler.toml"));
  const build = join(ROOT, "crates/event-worker/build");
  const all = { CORS_ORIGINS: "", JWT_AUDIENCE: AUDIENCE, JWT_HS256_KEY: HS256_KEY, JWT_ES256_PUBLIC_KEY: ES256_JWK, USER_KEY, ...bindings };
  // Whoever waits for a batch here waits for a second, not for five.
  const quick = { maxBatchTimeout: 1, retryDelay: 0, ...consumer };
  return {
    ...fromToml,
    name: "sinsang-intake",
    bindings: Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)),
    queueConsumers: Object.fromEntries(Object.entries(fromToml.queueConsumers).map(([queue, set]) => [queue, { ...set, ...quick, ...queues[queue] }])),
    modulesRoot: build,
    modules: [
      ...(entry ? [{ type: "ESModule", path: join(build, "entry.js"), contents: entry }] : []),
      { type: "ESModule", path: join(build, "index.js") },
      { type: "CompiledWasm", path: join(build, "index_bg.wasm") },
    ],
    ...more,
  };
}

export class Intake {
  /** What the Worker printed. */
  printed = "";

  /** Starts the Worker by itself, with `intakeWorker`'s options; `state` is a folder that its bucket is kept in, as `wrangler dev` does. */
  static async start({ state, ...options } = {}) {
    const intake = new Intake();
    intake.contract = new Contract();
    intake.state = state;
    intake.mf = new Miniflare(intake.options(options));
    intake.url = await intake.mf.ready;
    return intake;
  }

  options(options) {
    return {
      workers: [intakeWorker(options)],
      ...INTAKE_STATE,
      ...(this.state ? { r2Persist: join(this.state, "v3/r2") } : {}),
      host: "127.0.0.1",
      port: 0,
      cf: false,
      log: new Log(LogLevel.ERROR),
      handleRuntimeStdio: (stdout, stderr) => {
        for (const stream of [stdout, stderr]) stream.on("data", (chunk) => (this.printed += chunk));
      },
    };
  }

  /** A new process over the same storage: what memory held is gone. */
  async restart(options = {}) {
    await this.mf.setOptions(this.options(options));
    this.url = await this.mf.ready;
  }

  /** Puts a snapshot where the Worker's isolates find it: the pulse counts what the live board has. */
  async seed(snapshot) {
    // A restart takes the namespace that was got before along.
    const kv = await this.mf.getKVNamespace("SNAPSHOTS", "sinsang-intake");
    for (const [key, value] of await pairs(snapshot)) await kv.put(key, value.buffer.slice(value.byteOffset, value.byteOffset + value.byteLength));
  }

  /** Sends `body`, as JSON unless it is text or bytes, and holds the answer against the OpenAPI document. */
  async send(body, { method = "POST", path = "/v1/events", headers = {}, type = "application/json", cf } = {}) {
    const sent = typeof body === "string" || body instanceof Uint8Array || body === undefined ? body : JSON.stringify(body);
    const url = new URL(path, this.url);
    const init = { method, headers: { ...ALONE, ...(type ? { "Content-Type": type } : {}), ...headers }, body: sent };
    const response = await (cf === undefined ? fetch(url, init) : this.mf.dispatchFetch(url, { ...init, cf }));
    const text = await response.text();
    const json = text ? JSON.parse(text) : undefined;
    const answer = { method, path: url.pathname, status: response.status, headers: response.headers, text, json };
    const faults = this.contract.faults(answer);
    if (faults.length > 0) throw new Error(`${method} ${path} breaks www/openapi.json: ${faults.join("; ")}`);
    return answer;
  }

  /** What the bucket holds: objects by name, each as the lines it has. */
  async objects(mf = this.mf) {
    return objects(await mf.getR2Bucket("EVENT_OBJECTS", "sinsang-intake"));
  }

  /** The objects, once they have `count` lines together. */
  async settled(count, mf = this.mf) {
    return settled(count, () => this.objects(mf));
  }

  async stop() {
    await this.mf.dispose();
    if (/panicked at|RuntimeError|unreachable/.test(this.printed)) throw new Error(`the Worker trapped: ${this.printed}`);
  }
}

/** What a bucket holds, by name: `lines` and the object's own metadata. */
export async function objects(bucket) {
  const { objects } = await bucket.list();
  const found = new Map();
  for (const { key } of objects) {
    const object = await bucket.get(key);
    const text = gunzipSync(Buffer.from(await object.arrayBuffer())).toString("utf8");
    found.set(key, text.split("\n").filter(Boolean).map((line) => JSON.parse(line)));
  }
  return found;
}

/** Looks until what `look` finds has `count` lines. */
export async function settled(count, look) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    const lines = [...found.values()].flat().length;
    if (lines >= count) return found;
    if (Date.now() > deadline) throw new Error(`${lines} lines of ${count} after ${PATIENCE_MS / 1000} s`);
    await new Promise((done) => setTimeout(done, 100));
  }
}
