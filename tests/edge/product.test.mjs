// Products, their listings, calendars and cards: each answer in every form, and in workerd.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import ICAL from "ical.js";
import { NOW, dataset } from "../harness/dataset.mjs";
import { Edge, assertProblem } from "../harness/edge.mjs";

const ASKED_AT = NOW + 60_000;
const CARDS = ["/v1/home", "/v1/new", "/v1/live", "/v1/schedule"];

let edge;
let data;
let schedule;
/** The ids of the products of a day. */
let ids;
/** A product's page whose record has everything, and its addresses. */
let page;
let routes;
before(async () => {
  data = await dataset();
  edge = await Edge.start({ snapshot: data.first });
  schedule = (await edge.get("/v1/schedule")).json;
  ids = [...new Set(schedule.items.map((item) => item.product_id))];
  for (const id of ids) {
    const { product } = (await edge.get(`/v1/products/${id}`)).json;
    const all = [product.broadcasts, product.past, product.near].every((list) => list.length > 0);
    if (all && product.lowest_price !== null && page === undefined) page = product;
  }
  const { shop, listing_id } = page.listings[0];
  routes = [
    `/v1/products/${page.product_id}`,
    `/v1/listings/${encodeURIComponent(shop)}/${encodeURIComponent(listing_id)}`,
    `/v1/products?ids=${page.product_id}`,
    `/v1/products/${page.product_id}.ics`,
    `/v1/schedule.ics?channel=${page.broadcasts[0].channel.id}`,
  ];
});
after(() => edge.stop());

test("every product of a day has a page as documented, and one has all that a page may have", () => {
  assert.ok(ids.length > 100, `${ids.length} products test little`);
  assert.ok(page.past_count >= page.past.length);
  for (const broadcast of page.past) assert.ok(Date.parse(broadcast.ends_at) <= edge.now());
  assert.ok(page.lowest_price.price <= Math.min(...page.past.map(({ price }) => price ?? Infinity)));
  for (const near of page.near) assert.notEqual(near.product_id, page.product_id);
});

test("a listing leads to its product, also in decomposed Hangul", async () => {
  const product = async (path) => (await edge.get(path, { asOf: ASKED_AT })).json.product;
  const byId = await product(routes[0]);
  assert.deepEqual(await product(routes[1]), byId);
  const { shop, listing_id } = page.listings[0];
  const decomposed = `/v1/listings/${encodeURIComponent(shop.normalize("NFD"))}/${encodeURIComponent(listing_id)}`;
  assert.deepEqual(await product(decomposed), byId);
});

test("fifty products come at once, those that there are not by name", async () => {
  const asked = [...ids.slice(0, 48), "0000000000000001", ids[48]];
  const { json } = await edge.get(`/v1/products?ids=${asked.join(",")}`);
  assert.deepEqual(json.items.map((item) => item.product_id), ids.slice(0, 49));
  assert.deepEqual([json.moved, json.unknown], [{}, ["0000000000000001"]]);
  const { json: encoded } = await edge.get("/v1/products", { query: { ids: asked.join(",") } });
  assert.deepEqual(encoded.items, json.items);
});

test("cards are as documented, of the same items in the same order", async () => {
  for (const path of [...CARDS, `/v1/products?ids=${ids.slice(0, 50).join(",")}`]) {
    const [full, card] = await Promise.all([{}, { view: "card" }].map((query) => edge.get(path, { asOf: ASKED_AT, query })));
    const shown = ({ json }) => (json.items ?? [...json.live.items, ...json.new.items]).map((item) => [item.product_id, item.title]);
    assert.ok(shown(full).length > 0);
    assert.deepEqual(shown(card), shown(full), path);
    assert.ok(card.text.length < 0.8 * full.text.length, `${path}: ${card.text.length} of ${full.text.length} bytes`);
  }
});

test("HEAD and If-None-Match are answered as on surfaces, other methods are refused", async () => {
  for (const path of routes) {
    const [head, get] = [await edge.ask(path, { method: "HEAD", asOf: ASKED_AT }), await edge.ask(path, { asOf: ASKED_AT })];
    assert.deepEqual([head.status, head.text], [200, ""], path);
    for (const name of ["content-type", "cache-control", "etag", "vary", "sinsang-snapshot"]) {
      assert.equal(head.headers.get(name), get.headers.get(name), `${path} ${name}`);
    }
    const again = await edge.ask(path, { asOf: ASKED_AT, headers: { "If-None-Match": get.headers.get("etag") } });
    assert.deepEqual([again.status, again.text], [304, ""], path);
    for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
      const answer = await edge.ask(path, { method, body: "{}" });
      assertProblem(answer, 405);
      assert.deepEqual(answer.headers.get("allow").split(/, */).sort(), ["GET", "HEAD", "OPTIONS"]);
    }
  }
});

test("a calendar is text/calendar, with the product's broadcasts", async () => {
  for (const path of routes.slice(3)) {
    const { headers, text } = await edge.get(path);
    assert.match(headers.get("content-type"), /^text\/calendar/);
    assert.match(text, /^BEGIN:VCALENDAR\r\nVERSION:2\.0\r\n/);
    assert.ok(text.endsWith("END:VCALENDAR\r\n"));
    assert.ok(text.includes(`UID:${page.product_id}-`), path);
  }
});

test("a calendar program reads every calendar, with each broadcast of the schedule and no name twice", async () => {
  ICAL.design.strict = true;
  let events = 0;
  for (const { id, name } of schedule.channels.map(({ channel }) => channel)) {
    const { text } = await edge.get("/v1/schedule.ics", { query: { channel: id } });
    for (const line of text.split("\r\n")) assert.ok(Buffer.byteLength(line) <= 75, `folded at 75 bytes: ${line}`);
    const calendar = new ICAL.Component(ICAL.parse(text));
    for (const required of ["prodid", "version"]) assert.equal(calendar.getAllProperties(required).length, 1);
    const read = calendar.getAllSubcomponents("vevent").map((one) => {
      for (const required of ["uid", "dtstamp", "dtstart", "summary", "sequence", "status"]) {
        assert.equal(one.getAllProperties(required).length, 1, required);
      }
      const event = new ICAL.Event(one);
      assert.ok(event.startDate.compare(event.endDate) < 0, event.uid);
      return { uid: event.uid, title: event.summary, startsAt: event.startDate.toJSDate().getTime() };
    });
    assert.equal(new Set(read.map(({ uid }) => uid)).size, read.length, `${name}: a name twice`);
    for (const { product_id, broadcast } of schedule.items.filter((item) => item.broadcast.channel.id === id)) {
      const its = read.find(({ uid, startsAt }) => uid.startsWith(product_id) && startsAt === Date.parse(broadcast.starts_at));
      assert.ok(its || Date.parse(broadcast.ends_at) <= edge.now(), `${name} ${broadcast.starts_at} ${product_id}`);
    }
    events += read.length;
  }
  assert.ok(events > 1_000, `${events} events`);
});

test("what is not there is a 404 by its kind, and a wrong parameter a 400 by its name", async () => {
  for (const [path, kind] of [
    ["/v1/products/0000000000000001", "no-product"],
    ["/v1/products/0000000000000001.ics", "no-product"],
    [`/v1/listings/${encodeURIComponent("없는샵")}/1`, "no-product"],
    ["/v1/schedule.ics?channel=nowhere", "no-channel"],
    ["/v1/products/12", "not-found"],
    [`/v1/products/${page.product_id.toUpperCase()}X`, "not-found"],
    ["/v1/listings/GS", "not-found"],
  ]) {
    const answer = await edge.ask(path);
    assertProblem(answer, 404);
    assert.equal(answer.json.type, `/problems/${kind}`, path);
  }
  for (const [path, parameter] of [
    ["/v1/products", "ids"],
    ["/v1/products?ids=", "ids"],
    ["/v1/products?ids=1", "ids"],
    [`/v1/products?ids=${Array(51).fill(page.product_id).join(",")}`, "ids"],
    ["/v1/schedule.ics", "channel"],
    [`${routes[0]}?view=card`, "view"],
    [`${routes[0]}?viewer=u1`, "viewer"],
  ]) {
    assertProblem(await edge.ask(path), 400, parameter);
  }
  for (const path of routes) assertProblem(await edge.ask(path, { query: { as_of: "2026-11-20T12:00:00Z" } }), 403, "as_of");
});
