// The built Worker in real workerd, with wrangler.toml's own settings, a seeded KV and a settable
// clock.
import assert from "node:assert/strict";
import { join } from "node:path";
import { Log, LogLevel } from "miniflare";
import { unstable_getMiniflareWorkerOptions as workerOptions } from "wrangler";
import { ALONE } from "./connection.mjs";
import { Contract } from "./contract.mjs";
import { INTAKE_STATE, intakeWorker } from "./intake.mjs";
import { NOW, ROOT, USER_KEY, kst, pairs } from "./dataset.mjs";
import { restarted, started, stopped } from "./miniflare.mjs";
import { AUDIENCE, ES256_JWK, HS256_KEY, claims, hs256 } from "./token.mjs";

export const PREVIEW_SECRET = "a preview secret of the tests";
/** Generous for machines that run other suites at the same time; benchmarks judge speed. */
const REQUEST_TIMEOUT_MS = 60_000;
/** The Worker's read limit in milliseconds: longer than in production, for the same reason. */
const READ_LIMIT_MS = "20000";

export class Edge {
  /** How far the Worker's clock was ahead of the machine's at its start, in milliseconds. */
  offset = 0;
  /** The Worker's output. */
  printed = "";

  /**
   * Starts the Worker.
   * @param {object} options
   * @param {string} [options.snapshot] a snapshot folder that KV is seeded with; none leaves KV empty
   * @param {string} [options.state] a folder that `sinsang publish --local` wrote, in place of `snapshot`
   * @param {number} [options.now] what the Worker's clock says at the start, in milliseconds
   * @param {string} [options.assets] a folder of static assets in place of www/
   * @param {Uint8Array} [options.bundle] the snapshot bundled with the Worker; none by default
   * @param {string} [options.entry] the source of a module that stands before the built Worker and exports it
   * @param {object} [options.ratelimits] rate limiters to bind, as Miniflare takes them
   * @param {boolean | object} [options.intake] the Worker that takes events runs beside it, and is bound; `Intake.worker`'s options
   * @param {object} [options.bindings] variables and secrets over those of the tests; `undefined` takes one away
   */
  static async start({ snapshot, state, now = NOW, assets, bindings = {}, bundle, ratelimits, entry, intake } = {}) {
    const edge = new Edge();
    edge.contract = new Contract();
    edge.given = { state, assets, bindings, bundle, ratelimits, entry, intake };
    Object.assign(edge, await started(edge.options(now)));
    if (snapshot) await edge.seed(await pairs(snapshot));
    return edge;
  }

  options(now) {
    const { state, assets, bindings, bundle, ratelimits, entry, intake } = this.given;
    const { workerOptions: fromToml } = workerOptions(join(ROOT, "wrangler.toml"), undefined, {
      overrides: assets ? { assets: { directory: assets } } : {},
    });
    this.offset = now - Date.now();
    const all = {
      CORS_ORIGINS: "",
      JWT_AUDIENCE: AUDIENCE,
      JWT_HS256_KEY: HS256_KEY,
      JWT_ES256_PUBLIC_KEY: ES256_JWK,
      USER_KEY,
      PREVIEW_SECRET,
      READ_LIMIT_MS,
      CLOCK_OFFSET_MS: String(this.offset),
      ...bindings,
    };
    const build = join(ROOT, "build");
    const worker = {
      ...fromToml,
      serviceBindings: intake ? { INTAKE: "sinsang-intake" } : {},
      // Replaces the variables of a developer's .dev.vars.
      bindings: Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)),
      kvNamespaces: { SNAPSHOTS: "snapshots-local" },
      ...(ratelimits ? { ratelimits } : {}),
      modulesRoot: build,
      modules: [
        ...(entry ? [{ type: "ESModule", path: join(build, "entry.js"), contents: entry }] : []),
        { type: "ESModule", path: join(build, "index.js") },
        { type: "CompiledWasm", path: join(build, "index_bg.wasm") },
        { type: "Data", path: join(build, "snapshot.bundle"), contents: bundle ?? new Uint8Array() },
      ],
    };
    const shared = {
      kvPersist: state ? join(state, "v3/kv") : false,
      host: "127.0.0.1",
      port: 0,
      cf: false,
      log: new Log(LogLevel.ERROR),
      handleRuntimeStdio: (stdout, stderr) => {
        for (const stream of [stdout, stderr]) stream.on("data", (chunk) => (this.printed += chunk));
      },
    };
    if (!intake) return { ...worker, ...shared };
    return { ...shared, ...INTAKE_STATE, workers: [{ ...worker, name: "sinsang" }, intakeWorker(intake === true ? {} : intake)] };
  }

  /** A new isolate with the same KV and an empty memory, its clock at `now`. */
  async restart(now = this.now()) {
    this.url = await restarted(this.mf, this.options(now));
  }

  /** The Worker's time. */
  now() {
    return Date.now() + this.offset;
  }

  async kv() {
    return this.mf.getKVNamespace("SNAPSHOTS");
  }

  /** Puts pairs into KV, the manifest last. */
  async seed(pairs) {
    const kv = await this.kv();
    for (const [key, value] of pairs) if (key !== "manifest") await kv.put(key, toArrayBuffer(value));
    if (pairs.has("manifest")) await kv.put("manifest", toArrayBuffer(pairs.get("manifest")));
  }

  /**
   * Asks, and holds the answer against the OpenAPI document.
   * @param {string} path with its query
   * @param {object} [options]
   * @param {string} [options.method]
   * @param {object} [options.headers]
   * @param {object} [options.query] parameters to add; an array gives one several times
   * @param {boolean} [options.preview] send the preview secret
   * @param {number} [options.asOf] the preview's time in milliseconds
   * @param {string} [options.viewer] the preview's user
   * @param {string} [options.user] sign in as this user
   * @param {object} [options.cf] what the platform says of the request
   */
  async ask(path, { method = "GET", headers = {}, query = {}, preview = false, asOf, viewer, user, cf, body } = {}) {
    const url = new URL(path, this.url);
    for (const [name, value] of Object.entries(query)) for (const one of [value].flat()) url.searchParams.append(name, one);
    if (asOf !== undefined) url.searchParams.set("as_of", kst(asOf));
    if (viewer !== undefined) url.searchParams.set("viewer", viewer);
    const sent = { ...ALONE, ...headers };
    if (preview || asOf !== undefined || viewer !== undefined) sent["Sinsang-Preview"] = PREVIEW_SECRET;
    if (user !== undefined) sent.Authorization = `Bearer ${hs256(claims(user, Date.now()))}`;
    const init = { method, headers: sent, body, redirect: "manual", signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) };
    const response = await (cf === undefined ? fetch(url, init) : this.mf.dispatchFetch(url, { ...init, cf }));
    const text = await response.text();
    let json;
    try {
      json = JSON.parse(text);
    } catch {
      // Not every answer is JSON; `json` is then `undefined`.
    }
    const answer = { method, path: url.pathname, search: url.search, status: response.status, headers: response.headers, text, json };
    assert.deepEqual(this.contract.faults(answer), [], `${method} ${url.pathname}${url.search} breaks www/openapi.json`);
    return answer;
  }

  /** Requests a resource that must exist. */
  async get(path, options = {}) {
    const answer = await this.ask(path, options);
    assert.equal(answer.status, 200, `${path}: ${answer.text.slice(0, 200)}`);
    return answer;
  }

  /**
   * The answers of all pages of `path`, from the first or from a cursor in the query; fails if they
   * never end.
   */
  async pages(path, options = {}) {
    const answers = [];
    let cursor = options.query?.cursor;
    do {
      assert.ok(answers.length < 200, `${path} never ends`);
      const { json } = await this.get(path, { ...options, query: { ...options.query, ...(cursor ? { cursor } : {}) } });
      answers.push(json);
      cursor = json.next_cursor;
    } while (cursor !== null);
    return answers;
  }

  /** Stops the Worker; it must not have panicked. */
  async stop() {
    await stopped(this.mf);
    assert.doesNotMatch(this.printed, /panicked at|RuntimeError|unreachable/, "the Worker trapped");
  }
}

function toArrayBuffer(bytes) {
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
}

/**
 * Asserts that an answer is a problem document of this status, and about this parameter if one is
 * given.
 */
export function assertProblem(answer, status, parameter) {
  assert.equal(answer.status, status, answer.text.slice(0, 300));
  assert.match(answer.headers.get("content-type"), /^application\/problem\+json/);
  if (answer.method === "HEAD") return;
  assert.equal(answer.json.status, status);
  assert.match(answer.json.type, /^\/problems\/[a-z-]+$/);
  for (const field of ["title", "detail"]) assert.ok(answer.json[field], `a problem has a ${field}`);
  if (parameter !== undefined) {
    assert.equal(answer.json.parameter, parameter);
  }
  assert.match(answer.headers.get("cache-control") ?? "", /no-store/, "a refusal is not kept for others");
}
