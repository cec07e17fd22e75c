// The built event Worker, in real workerd with simulated Queues and R2: alone, or beside the edge
// (edge.mjs).
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { Log, LogLevel } from "miniflare";
import { unstable_getMiniflareWorkerOptions as workerOptions } from "wrangler";
import { ALONE } from "./connection.mjs";
import { Contract } from "./contract.mjs";
import { ROOT, USER_KEY, pairs } from "./dataset.mjs";
import { restarted, started, stopped } from "./miniflare.mjs";
import { AUDIENCE, ES256_JWK, HS256_KEY } from "./token.mjs";

/** Options that discard all state after a test. */
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
  // Tests wait one second for a batch instead of five.
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
  /** The Worker's output. */
  printed = "";

  /**
   * Starts the Worker alone, with `intakeWorker`'s options; `state` is a folder for its bucket, as
   * `wrangler dev` keeps one.
   */
  static async start({ state, ...options } = {}) {
    const intake = new Intake();
    intake.contract = new Contract();
    intake.state = state;
    Object.assign(intake, await started(intake.options(options)));
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

  /** A new process with the same storage and an empty memory. */
  async restart(options = {}) {
    this.url = await restarted(this.mf, this.options(options));
  }

  /** Publishes a snapshot to the Worker's isolates: the pulse counts the live board's products. */
  async seed(snapshot) {
    // A restart invalidates a namespace obtained before.
    const kv = await this.mf.getKVNamespace("SNAPSHOTS", "sinsang-intake");
    for (const [key, value] of await pairs(snapshot)) await kv.put(key, value.buffer.slice(value.byteOffset, value.byteOffset + value.byteLength));
  }

  /**
   * Sends `body`, as JSON unless it is text or bytes, and checks the answer against the OpenAPI
   * document.
   */
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

  /** The bucket's objects by name, each as its lines. */
  async objects(mf = this.mf) {
    return objects(await mf.getR2Bucket("EVENT_OBJECTS", "sinsang-intake"));
  }

  /** The objects, once they have `count` lines in total. */
  async settled(count, mf = this.mf) {
    return settled(count, () => this.objects(mf));
  }

  async stop() {
    await stopped(this.mf);
    if (/panicked at|RuntimeError|unreachable/.test(this.printed)) throw new Error(`the Worker trapped: ${this.printed}`);
  }
}

/** A bucket's objects by name: `lines` and the object's own metadata. */
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

/** Polls until the objects that `look` returns have `count` lines. */
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
