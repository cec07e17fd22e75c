// CORS: which pages of other origins may read answers and send events, their tracing clients'
// headers, and the log lines on invalid configuration.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { dataset } from "../harness/dataset.mjs";
import { Edge, assertProblem } from "../harness/edge.mjs";
import { headersOf, originsOf } from "../../src/edge/cors.mjs";
import { Intake } from "../harness/intake.mjs";

let data;
before(async () => {
  data = await dataset();
});

const SHOP = "https://shop.example";
const DEVICE = "device-of-the-tests";
const CORS_HEADERS = "sentry-trace, baggage traceparent";
const event = () => ({ event_id: crypto.randomUUID(), kind: "view", at: new Date().toISOString(), product_id: "0123456789abcdef" });

/** Whether a browser would send `wanted` after this preflight. */
function passes(preflight, origin, wanted) {
  const allowed = preflight.headers.get("access-control-allow-headers")?.toLowerCase().split(/\s*,\s*/) ?? [];
  const reader = preflight.headers.get("access-control-allow-origin");
  return preflight.status === 204 && [origin, "*"].includes(reader) && wanted.every((name) => allowed.includes(name));
}

const asking = (origin, method, headers) => ({ Origin: origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers.join(",") });

/** Number of occurrences of `line` in the log. */
const told = (printed, line) => printed.split(line).length - 1;

test("an origin is taken however it is written down, and what can match nothing is left out with what to write instead", () => {
  const form = "each origin by scheme and host, such as https://shop.example";
  for (const [given, expected] of [
    [SHOP],
    ["https://shop.example/"],
    ["https://shop.example//"],
    ["HTTPS://Shop.Example"],
    ["https://shop.example:443/"],
    ["https://shop.example:"],
    ['"https://shop.example"'],
    [" \t https://shop.example\n"],
    ["https://shop.example,https://SHOP.example/"],
    ["http://shop.example:80", "http://shop.example"],
    ["http://shop.example:443", "http://shop.example:443"],
    ["https://shop.example:8443/", "https://shop.example:8443"],
    ["http://localhost:3000/", "http://localhost:3000"],
    ["http://127.0.0.1:8787", "http://127.0.0.1:8787"],
    ["http://[::1]:5173", "http://[::1]:5173"],
    ["https://상점.example", "https://xn--hg4bs7k.example"],
    ["https://xn--hg4bs7k.example", "https://xn--hg4bs7k.example"],
    ["capacitor://localhost", "capacitor://localhost"],
    ["Ionic://LocalHost/", "ionic://localhost"],
    ["chrome-extension://abcdefghijklmnop", "chrome-extension://abcdefghijklmnop"],
  ]) {
    assert.deepEqual(originsOf(given, true), { list: [expected ?? SHOP], flaws: [] }, given);
  }
  for (const [given, instead] of [
    ["shop.example", SHOP],
    ["Shop.Example/", SHOP],
    ["//shop.example", SHOP],
    ["localhost:3000", "https://localhost:3000"],
    ["https://shop.example/app", SHOP],
    ["https://shop.example/?a=b", SHOP],
    ["https://shop.example#top", SHOP],
    ["https://me:word@shop.example", SHOP],
    ["https://*.shop.example", form],
    ["*.shop.example", form],
    ["https://*", form],
    ["https://shop.example:port", form],
    ["https://", form],
    ["file:///index.html", form],
    ["null", form],
    ["Null", form],
    ['["https://shop.example"]', form],
  ]) {
    assert.deepEqual(originsOf(given, true), { list: [], flaws: [`'${given}' in CORS_ORIGINS is not a page's origin and is ignored: write ${instead}`] }, given);
  }
  for (const none of ["", " , ;\n", '""']) assert.deepEqual([originsOf(none, true), headersOf(none)], [{ list: [], flaws: [] }, { list: [], flaws: [] }]);
  assert.deepEqual(originsOf("https://a.example;*  https://b.example", true), { list: ["https://a.example", "*", "https://b.example"], flaws: [] });
  const passedOver = originsOf("*, https://a.example", false);
  assert.deepEqual([passedOver.list, passedOver.flaws.length], [["https://a.example"], 1], "where * opens nothing");
  const listed = "sentry-trace, baggage traceparent,X-Requested-With;x-datadog-trace-id";
  assert.deepEqual(headersOf(listed), { list: ["sentry-trace", "baggage", "traceparent", "X-Requested-With", "x-datadog-trace-id"], flaws: [] });
  for (const wild of ["*", "x-datadog-*", "x:y", "추적", "a".repeat(65)]) {
    const { list, flaws } = headersOf(`baggage, ${wild}`);
    assert.deepEqual([list, flaws.length, flaws[0]?.startsWith(`'${wild}' in CORS_HEADERS is not a header name`)], [["baggage"], 1, true], wild);
  }
});

test("origins match however they are written down, and of those that can't the log tells once", async () => {
  const CORS_ORIGINS = "HTTPS://Shop.Example:443/, http://localhost:3000/ m.shop.example,https://app.example/path, null, https://*.shop.example";
  const edge = await Edge.start({ snapshot: data.first, bindings: { CORS_ORIGINS, CORS_HEADERS: `${CORS_HEADERS}, x-datadog-*` } });
  const intake = await Intake.start({ bindings: { CORS_ORIGINS, CORS_HEADERS } });
  try {
    for (const [origin, reads] of [
      [SHOP, true],
      ["http://localhost:3000", true],
      ["https://m.shop.example", false],
      ["https://app.example", false],
      ["https://other.shop.example", false],
      ["null", false],
    ]) {
      // Once through the asynchronous path, then twice through the door.
      for (let time = 0; time < 3; time++) {
        const { headers } = await edge.get("/v1/tabs", { headers: { Origin: origin } });
        assert.equal(headers.get("access-control-allow-origin"), reads ? origin : null, origin);
      }
      const sent = await intake.send({ device: DEVICE, events: [event()] }, { headers: { Origin: origin } });
      assert.equal(sent.status, reads ? 202 : 403, origin);
      const tracing = ["authorization", "sentry-trace", "baggage", "traceparent"];
      const surface = await edge.ask("/v1/new", { method: "OPTIONS", headers: asking(origin, "GET", tracing) });
      const events = await intake.send(undefined, { method: "OPTIONS", headers: asking(origin, "POST", ["content-type", ...tracing]), type: null });
      assert.deepEqual([passes(surface, origin, tracing), passes(events, origin, ["content-type", ...tracing])], [reads, reads], origin);
      assert.equal(passes(surface, origin, ["x-other"]) || passes(events, origin, ["x-other"]), false);
    }
    for (const [{ printed }, count] of [[edge, 5], [intake, 4]]) {
      for (const [given, instead] of [
        ["m.shop.example", "https://m.shop.example"],
        ["https://app.example/path", "https://app.example"],
        ["null", "each origin by scheme and host, such as https://shop.example"],
        ["https://*.shop.example", "each origin by scheme and host, such as https://shop.example"],
      ]) {
        assert.equal(told(printed, `'${given}' in CORS_ORIGINS is not a page's origin and is ignored: write ${instead}\n`), 1, `${given}\n${printed}`);
      }
      assert.equal(told(printed, "configuration: '"), count, printed);
    }
    assert.equal(told(edge.printed, "'x-datadog-*' in CORS_HEADERS is not a header name"), 1);
  } finally {
    await Promise.all([edge.stop(), intake.stop()]);
  }
});

test("with * any page reads answers, and only those of named origins send the preview secret or events", async () => {
  const CORS_ORIGINS = `*, ${SHOP}`;
  const edge = await Edge.start({ snapshot: data.first, bindings: { CORS_ORIGINS, CORS_HEADERS } });
  const intake = await Intake.start({ bindings: { CORS_ORIGINS, CORS_HEADERS } });
  try {
    for (const [origin, isNamed] of [[SHOP, true], ["https://other.example", false], ["null", false]]) {
      const reader = isNamed ? origin : "*";
      for (const [path, query] of [["/v1/new", {}], ["/v1/new", { limit: "x" }], ["/v1/status", {}], ["/healthz", {}]]) {
        const { headers } = await edge.ask(path, { headers: { Origin: origin }, query });
        assert.equal(headers.get("access-control-allow-origin"), reader, `${origin} ${path}`);
        assert.equal(headers.get("access-control-allow-credentials"), null);
        assert.match(headers.get("vary"), /origin/i);
      }
      const ask = (wanted) => edge.ask("/v1/new", { method: "OPTIONS", headers: asking(origin, "GET", wanted) });
      assert.ok(passes(await ask([]), origin, ["authorization", "if-none-match", "sinsang-device", "baggage"]), origin);
      assert.equal(passes(await ask([]), origin, ["sinsang-preview"]), isNamed, origin);
      for (const type of ["application/json", "text/plain;charset=UTF-8"]) {
        const sent = await intake.send(JSON.stringify({ device: DEVICE, events: [event()] }), { type, headers: { Origin: origin } });
        assert.equal(sent.status, isNamed ? 202 : 403, `${origin} ${type}`);
        assert.equal(sent.headers.get("access-control-allow-origin"), isNamed ? origin : null);
        if (!isNamed) assertProblem(sent, 403);
      }
      const preflight = await intake.send(undefined, { method: "OPTIONS", headers: asking(origin, "POST", ["content-type"]), type: null });
      assert.equal(passes(preflight, origin, ["content-type"]), isNamed, origin);
    }
    const none = await edge.get("/v1/tabs");
    assert.equal(none.headers.get("access-control-allow-origin"), null, "no page asks");
    assert.equal(told(edge.printed, "configuration:"), 0, edge.printed);
    assert.equal(told(intake.printed, "configuration: '*' in CORS_ORIGINS does not let pages send events: list their origins"), 1, intake.printed);
    assert.equal(told(intake.printed, "configuration:"), 1, intake.printed);
  } finally {
    await Promise.all([edge.stop(), intake.stop()]);
  }
});
