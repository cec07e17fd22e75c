// Lists of the client: every item once, in order, whatever becomes of the server's list.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LOST, Machine, ok, problem } from "./machine.mjs";

const item = (number) => ({ product_id: String(number).padStart(16, "0"), title: `item ${number}` });
const numbers = (from, to) => Array.from({ length: to - from }, (_, at) => from + at);
const shown = (items) => items.map(({ title }) => Number(title.slice(5)));

/**
 * A server with a list of `count` items in pages of `limit`. `state.generation` is in its cursors:
 * those of another are gone. `state.order` gives the items of a generation.
 */
function server(state) {
  return ({ path }) => {
    if (state.fault) return state.fault;
    const query = new URL(path, "http://x").searchParams;
    const [generation, from] = (query.get("cursor") ?? `${state.generation}-0`).split("-").map(Number);
    if (generation !== state.generation) return problem(410, "cursor-gone", {}, { parameter: "cursor" });
    const limit = Number(query.get("limit") ?? 5);
    const all = state.order?.(generation) ?? numbers(0, 23);
    const next = from + limit < all.length ? `${generation}-${from + limit}` : null;
    return ok({ items: all.slice(from, from + limit).map(item), total: all.length, next_cursor: next }, { ETag: `W/"${path} ${generation}"` });
  };
}

async function all(list) {
  const items = [];
  for await (const one of list) items.push(one);
  return shown(items);
}

test("a list gives every item once, in order, and asks for each page once", async () => {
  const machine = new Machine(server({ generation: 1 }));
  assert.deepEqual(await machine.until(all(machine.client().new({ limit: 10, category: "뷰티" }))), numbers(0, 23));
  assert.deepEqual(machine.asked.map(({ path }) => path), [
    "/v1/new?limit=10&category=뷰티",
    "/v1/new?limit=10&category=뷰티&cursor=1-10",
    "/v1/new?limit=10&category=뷰티&cursor=1-20",
  ]);
});

test("a list can be read screen by screen, and two readers at once share a page", async () => {
  const machine = new Machine(server({ generation: 1 }));
  const list = machine.client().new({ limit: 10 });
  const [one, other] = await machine.until(Promise.all([list.more(), list.more()]));
  assert.deepEqual([shown(one), shown(other)], [numbers(0, 10), numbers(0, 10)]);
  assert.equal(list.page.data.total, 23);
  assert.deepEqual(shown(await machine.until(list.more())), numbers(10, 20));
  assert.equal(list.isOver, false);
  assert.deepEqual(shown(await machine.until(list.more())), numbers(20, 23));
  assert.equal(list.isOver, true);
  assert.deepEqual(await machine.until(list.more()), []);
  assert.equal(machine.asked.length, 3);
});

test("a reader who stops early asks for no more, and may go on later", async () => {
  const machine = new Machine(server({ generation: 1 }));
  const list = machine.client().new();
  const first = async () => {
    for await (const one of list) return one;
  };
  assert.deepEqual(shown([await machine.until(first())]), [0]);
  assert.equal(machine.asked.length, 1);
  assert.deepEqual(await machine.until(all(list)), numbers(1, 23));
});

test("a list that is gone is begun again, and nothing comes twice or is left out", async () => {
  const state = { generation: 1, order: (generation) => (generation === 1 ? numbers(0, 23) : [30, ...numbers(0, 23).reverse(), 31]) };
  const machine = new Machine(server(state));
  const list = machine.client().new();
  const items = [...(await machine.until(list.more())), ...(await machine.until(list.more()))];
  state.generation = 2;
  const rest = await machine.until(all(list));
  assert.deepEqual(shown(items), numbers(0, 10));
  assert.deepEqual(rest, [30, ...numbers(10, 23).reverse(), 31]);
  assert.equal(list.restarts, 1);
});

test("a list is begun again without memory, which leads to the cursor that was lost", async () => {
  const state = { generation: 1 };
  const machine = new Machine(server(state));
  const list = machine.client().new();
  await machine.until(list.more());
  state.generation = 2;
  await machine.until(list.more());
  assert.deepEqual(machine.asked.map(({ headers }) => headers["If-None-Match"]), [undefined, undefined, undefined, undefined]);
  assert.deepEqual(machine.asked.map(({ path }) => path), ["/v1/new", "/v1/new?cursor=1-5", "/v1/new", "/v1/new?cursor=2-5"]);
});

test("a page that is interrupted is no end of the list", async () => {
  let cuts = 1;
  const whole = server({ generation: 1 });
  const machine = new Machine((request) =>
    request.path.includes("cursor=1-10") && cuts-- > 0 ? ok({ items: [], total: 23, next_cursor: null, interrupted: true }) : whole(request));
  const list = machine.client().new();
  assert.deepEqual(await machine.until(all(list)), numbers(0, 23));
  assert.equal(list.restarts, 1);
});

test("a viewer who signs in amid a list gets the rest of their own", async () => {
  const state = { generation: 1, order: (generation) => (generation === 1 ? numbers(0, 23) : numbers(0, 23).reverse()) };
  const whole = server(state);
  // Cursors serve their own viewer only.
  const machine = new Machine((request) =>
    state.generation === 2 && request.path.includes("cursor=1-") ? problem(400, "invalid-parameter", {}, { parameter: "cursor" }) : whole(request));
  const list = machine.client().new();
  await machine.until(list.more());
  state.generation = 2;
  assert.deepEqual(await machine.until(all(list)), numbers(5, 23).reverse());
  assert.equal(list.restarts, 1);
});

for (const [what, lost] of [
  ["gone", problem(410, "cursor-gone")],
  ["interrupted", ok({ items: [], total: 23, next_cursor: null, interrupted: true })],
]) {
  test(`a list that is ${what} each time is begun again three times, and can be asked for later`, async () => {
    const state = { isAway: true };
    const whole = server({ generation: 1 });
    const machine = new Machine((request) => (state.isAway && request.path.includes("cursor") ? lost : whole(request)));
    const list = machine.client().new();
    await machine.until(list.more());
    await assert.rejects(machine.until(list.more()), what === "gone" ? { status: 410 } : { failure: "interrupted" });
    assert.equal(machine.asked.length, 1 + 1 + 3 * 2);
    await assert.rejects(machine.until(list.more()));
    assert.equal(machine.asked.length, 2 * (1 + 1 + 3 * 2), "the next call has three again");
    state.isAway = false;
    assert.deepEqual(await machine.until(all(list)), numbers(5, 23));
  });
}

test("a first page that is refused, and a snapshot that is gone, are told", async () => {
  for (const fault of [problem(410, "snapshot-gone"), problem(400, "invalid-parameter", {}, { parameter: "limit" }), problem(410, "cursor-gone")]) {
    const machine = new Machine(server({ fault }));
    await assert.rejects(machine.until(machine.client().new().more()), { status: fault.status });
    assert.equal(machine.asked.length, 1);
  }
  const state = { generation: 1 };
  const machine = new Machine(server(state));
  const list = machine.client().new();
  await machine.until(list.more());
  state.fault = problem(410, "snapshot-gone", {}, { parameter: "snapshot" });
  await assert.rejects(machine.until(list.more()), { status: 410 });
  assert.equal(list.restarts, 0);
});

test("a page that does not come leaves the list where it was", async () => {
  const state = { generation: 1 };
  const machine = new Machine(server(state));
  const list = machine.client().new();
  await machine.until(list.more());
  state.fault = LOST;
  await assert.rejects(machine.until(list.more()), { failure: "network" });
  state.fault = undefined;
  assert.deepEqual(await machine.until(all(list)), numbers(5, 23));
});

test("the schedule tells broadcasts of one product apart by time, channel and listing", async () => {
  const broadcast = (product_id, starts_at, id, listing_id) => ({ product_id, broadcast: { starts_at, channel: { id }, listing_id } });
  const slots = [broadcast("a", "10", "x", "1"), broadcast("a", "11", "x", "1"), broadcast("a", "10", "y", "1"), broadcast("a", "10", "x", "2")];
  // Each page gives one more than the list before it, which is gone then.
  let lists = 0;
  const machine = new Machine(({ path }) =>
    path.includes("cursor") ? problem(410, "cursor-gone") : ok({ items: slots.slice(0, ++lists), next_cursor: lists < slots.length ? "c" : null }));
  const found = [];
  const list = machine.client().schedule({ date: "2026-11-20" });
  while (!list.isOver) found.push(await machine.until(list.more()));
  assert.deepEqual(found, slots.map((slot) => [slot]).map((page) => JSON.parse(JSON.stringify(page))));
  assert.equal(machine.asked[0].path, "/v1/schedule?date=2026-11-20");
});

test("what one list gives twice is given twice", async () => {
  const machine = new Machine([ok({ items: [item(1), item(1)], next_cursor: null })]);
  assert.deepEqual(await machine.until(all(machine.client().new())), [1, 1]);
});
