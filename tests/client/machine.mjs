// A machine for the client to run on: its clock moves only when something waits for it, its network
// answers as the test says, and its page is closed by the test.
import assert from "node:assert/strict";
import { Client } from "../../clients/typescript/build/index.js";

export const START_MS = Date.parse("2026-11-20T12:00:00Z");
/** Turns of the event loop that settle whatever settles without time passing. */
const TURNS = 8;

export const ok = (body, headers = {}) => ({ status: 200, headers, body });
export const problem = (status, kind, headers = {}, more = {}) => ({
  status,
  headers,
  body: { type: `/problems/${kind}`, title: kind, status, ...more },
});
/** What the network does in place of an answer. */
export const LOST = "lost";
export const SILENT = "silent";

export class Machine {
  nowMs = START_MS;
  /** Requests so far, each `{method, path, headers, body, atMs}`. */
  asked = [];
  beacons = [];
  kept = new Map();
  #timers = new Set();
  #hidden = new Set();
  #ids = 0;

  /**
   * `answer(request, number)` returns an answer, LOST or SILENT; an array gives one after the other.
   */
  constructor(answer) {
    this.answer = Array.isArray(answer) ? (_, number) => answer[Math.min(number, answer.length - 1)] : answer;
  }

  get platform() {
    return {
      fetch: (url, init) => this.#fetch(url, init),
      clock: {
        now: () => this.nowMs,
        after: (ms, act) => {
          assert.ok(ms >= 0 && Number.isFinite(ms), `a wait of ${ms}`);
          const timer = { atMs: this.nowMs + ms, act };
          this.#timers.add(timer);
          return () => this.#timers.delete(timer);
        },
      },
      random: () => 0,
      id: () => `id-number-${String(++this.#ids).padStart(8, "0")}`,
      storage: { getItem: (key) => this.kept.get(key) ?? null, setItem: (key, value) => void this.kept.set(key, value) },
      page: {
        beacon: (url, text) => this.beacons.push({ url, text, ...JSON.parse(text) }) > 0,
        onHide: (act) => {
          this.#hidden.add(act);
          return () => this.#hidden.delete(act);
        },
      },
    };
  }

  client(options = {}) {
    return new Client({ base: "https://shop.example", ...this.platform, ...options });
  }

  get timers() {
    return this.#timers.size;
  }

  /** The user closes the page: timers end with it, and whatever was in memory. */
  close() {
    for (const act of this.#hidden) act();
    this.#hidden.clear();
    this.#timers.clear();
  }

  hide() {
    for (const act of this.#hidden) act();
  }

  /** The result of `promise`, with the clock moved from timer to timer until it is there. */
  async until(promise) {
    let isSettled = false;
    promise.then(() => (isSettled = true), () => (isSettled = true));
    for (;;) {
      await this.settle();
      if (isSettled) return promise;
      this.#next("nothing is left to wait for");
    }
  }

  /** Moves the clock by `ms`, through all timers on the way. */
  async pass(ms) {
    const end = this.nowMs + ms;
    for (await this.settle(); [...this.#timers].some(({ atMs }) => atMs <= end); await this.settle()) this.#next();
    this.nowMs = end;
  }

  async settle() {
    for (let turn = 0; turn < TURNS; turn += 1) await new Promise(setImmediate);
  }

  #next(otherwise) {
    const [timer] = [...this.#timers].sort((one, other) => one.atMs - other.atMs);
    assert.ok(timer, otherwise);
    this.#timers.delete(timer);
    this.nowMs = Math.max(this.nowMs, timer.atMs);
    timer.act();
  }

  async #fetch(url, { method, headers, body, signal }) {
    const { origin, pathname, search } = new URL(url);
    assert.equal(origin, "https://shop.example");
    const request = { method, path: decodeURIComponent(pathname + search), headers, body: body && JSON.parse(body), atMs: this.nowMs };
    const answer = await this.answer(request, this.asked.push(request) - 1);
    if (answer === LOST) throw new TypeError("fetch failed");
    if (answer === SILENT) return new Promise((_, fail) => signal.addEventListener("abort", () => fail(signal.reason)));
    // As little as React Native has: no iteration of headers, no stream.
    const named = new Map(Object.entries(answer.headers).map(([name, value]) => [name.toLowerCase(), value]));
    return {
      status: answer.status,
      headers: { get: (name) => named.get(name.toLowerCase()) ?? null },
      text: async () => (typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body)),
    };
  }
}
