// Panics: no path of the edge panics, and an injected panic costs only the requests under way.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ALONE } from "../harness/connection.mjs";
import { dataset, pairs } from "../harness/dataset.mjs";
import { Edge } from "../harness/edge.mjs";
import { bundleOf } from "../harness/bundle.mjs";
import { Intake } from "../harness/intake.mjs";
import { listingsOf, pulseOf, until } from "../harness/pulse.mjs";
import { claims, hs256 } from "../harness/token.mjs";

/**
 * A module around the built Worker that on request passes it a bundle larger than Wasm can address:
 * copying it is a real panic in Rust ("capacity overflow"), which no deployment's configuration can
 * cause.
 */
const ENTRY = `
import inner from "./index.js";
const bundle = globalThis.SINSANG_BUNDLE;
const impossible = new ArrayBuffer(2 ** 31 + 8);
export default {
  fetch(request, env, context) {
    globalThis.SINSANG_BUNDLE = request.headers.has("x-panic") ? impossible : bundle;
    return inner.fetch(request, env, context);
  },
};
`;

/**
 * A module around the built Worker that on request traps the Wasm function for warm requests, as a
 * panic would: everything around that function is the shipped code.
 */
const TRAP = `
const Instance = WebAssembly.Instance;
let traps = false;
WebAssembly.Instance = class {
  constructor(...given) {
    const { exports } = new Instance(...given);
    this.exports = { ...exports, askDoor: (...asked) => { if (traps) throw new WebAssembly.RuntimeError("unreachable"); return exports.askDoor(...asked); } };
  }
};
const { default: inner } = await import("./index.js");
export default {
  fetch(request, env, context) {
    traps = request.headers.has("x-panic");
    return inner.fetch(request, env, context);
  },
};
`;

/**
 * The same around the event Worker: the Wasm function that a request names traps at its next call,
 * by any caller.
 */
const TRAP_INTAKE = `
const Instance = WebAssembly.Instance;
let name = null;
WebAssembly.Instance = class {
  constructor(...given) {
    const { exports } = new Instance(...given);
    const trap = (own) => (...asked) => {
      if (own !== name) return exports[own](...asked);
      name = null;
      throw new WebAssembly.RuntimeError("unreachable");
    };
    this.exports = { ...exports, fetch: trap("fetch"), queue: trap("queue"), pulseboard_fetch: trap("pulseboard_fetch"), pulseboard_alarm: trap("pulseboard_alarm") };
  }
};
const { default: inner, PulseBoard } = await import("./index.js");
export { PulseBoard };
export default {
  ...inner,
  fetch(request, env, context) {
    name = request.headers.get("x-trap") ?? name;
    return inner.fetch(request, env, context);
  },
};
`;

test("after a panic the next request is served", async () => {
  const data = await dataset();
  const edge = await Edge.start({ entry: ENTRY, bundle: bundleOf(await pairs(data.first)) });
  try {
    for (let round = 0; round < 2; round += 1) {
      const broken = await fetch(new URL("/v1/home", edge.url), { headers: { "x-panic": "1" } });
      await broken.arrayBuffer();
      assert.equal(broken.status, 500, "the panic is real");
      const next = await edge.get("/v1/home");
      assert.equal(next.headers.get("sinsang-rung"), "bundle", "from a fresh memory");
      assert.ok(next.json.tabs.items.length > 0);
      // The store is empty, so a fresh isolate asks for the bundle again.
      await edge.restart();
    }
    assert.match(edge.printed, /panicked|unreachable|RuntimeError/, "and is to be seen in the log");
  } finally {
    await edge.mf.dispose();
  }
});

test("a panic in a warm answer costs memory and not the answer", async () => {
  const data = await dataset();
  const edge = await Edge.start({ entry: TRAP, snapshot: data.first });
  const user = data.viewers[0].user_id;
  const rungs = async (headers = {}) => {
    const answer = await edge.get("/v1/home", { headers, user });
    assert.equal(answer.json.personalized, true);
    return answer.headers.get("sinsang-rung");
  };
  try {
    await rungs();
    for (let round = 0; round < 2; round += 1) {
      assert.equal(await rungs(), "isolate");
      assert.equal(await rungs({ "x-panic": "1" }), "kv", "answered by a fresh instance");
      assert.equal(await rungs(), "isolate", "which goes on");
    }
    assert.match(edge.printed, /RuntimeError/, "and is to be seen in the log");
  } finally {
    await edge.mf.dispose();
  }
});

test("a panic in the Worker that takes events loses no event, and the one who counts goes on", async () => {
  const intake = await Intake.start({ entry: TRAP_INTAKE, bindings: { PULSE_EVERY_MS: "1000" } });
  const { first } = await dataset();
  await intake.seed(first);
  const products = [...new Set(listingsOf(await pairs(first)).map(({ product_id }) => product_id))];
  const product = (number) => products[number];
  let sent = 0;
  const send = async (number, trap) => {
    const event = { event_id: `event-000${number}`, kind: "purchase", at: new Date().toISOString(), product_id: product(number) };
    const headers = { Authorization: `Bearer ${hs256(claims("u1", Date.now()))}`, ...(trap ? { "x-trap": trap } : {}) };
    const { status } = await fetch(new URL("/v1/events", intake.url), {
      method: "POST",
      headers: { ...ALONE, "Content-Type": "application/json", ...headers },
      body: JSON.stringify({ events: [event] }),
    });
    if (status === 202) sent += 1;
    return status;
  };
  const counted = (number) => until(async () => {
    const kv = await intake.mf.getKVNamespace("SNAPSHOTS", "sinsang-intake");
    const value = await kv.get("pulse", "arrayBuffer");
    return value !== null && pulseOf(Buffer.from(value)).counts.has(product(number));
  });
  try {
    assert.equal(await send(0), 202);
    await counted(0);
    assert.equal(await send(1, "fetch"), 500, "the panic is real");
    // Its Rust half was made in the instance that has ended.
    assert.equal(await send(2), 202);
    await counted(2);
    assert.equal(await send(3, "pulseboard_fetch"), 202);
    await counted(3);
    assert.equal(await send(4, "queue"), 202);
    await counted(4);
    assert.equal(await send(5, "pulseboard_alarm"), 202);
    await counted(5);
    await intake.settled(sent);
    assert.equal(sent, 5);
    assert.equal(intake.printed.match(/Critical RuntimeError/g).length, 4, "each is to be seen in the log");
  } finally {
    await intake.mf.dispose();
  }
});
