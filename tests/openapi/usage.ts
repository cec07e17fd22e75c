// How an app uses the types that openapi-typescript makes of www/openapi.json: compiled by
// client.test.mjs, never run.
import type { components, operations, paths } from "./api.js";

type Schemas = components["schemas"];
type Answer<Operation extends keyof operations> = operations[Operation]["responses"] extends { 200: { content: { "application/json": infer Body } } } ? Body : never;

/** No parameter of previews has to be given. */
const asked: operations["listNew"]["parameters"]["query"] = { category: "뷰티", sort: "soonest", limit: 20, view: "card", recent: ["8bbd0986d9f0dce3"] };
const products: operations["listProducts"]["parameters"] = { query: { ids: ["8bbd0986d9f0dce3"] } };
const listing: paths["/v1/listings/{shop}/{listing_id}"]["get"]["parameters"]["path"] = { shop: "NS홈쇼핑", listing_id: "10041526" };
// @ts-expect-error: `ids` is required
const none: operations["listProducts"]["parameters"] = { query: {} };
// @ts-expect-error: no such order
const order: operations["listNew"]["parameters"]["query"] = { sort: "newest" };

/** One card shows items of every list. */
type Item = Schemas["NewItem"] | Schemas["LiveItem"] | Schemas["ScheduleItem"] | Schemas["ProductItem"] | Schemas["ProductCard"] | Schemas["BroadcastCard"];
function card(item: Item): string {
  const [first] = "broadcasts" in item ? item.broadcasts : [item.broadcast];
  const price = first?.price ?? item.price;
  return `${item.title} ${price === null ? "" : price.toLocaleString("ko-KR")} ${first?.channel.name ?? ""} ${badge(item.verdict.kind)}`;
}

/** Every kind of verdict has its badge, or this does not compile. */
function badge(kind: Schemas["Verdict"]["kind"]): string {
  switch (kind) {
    case "new":
      return "신상품";
    case "repeat":
    case "unknown":
      return "";
  }
}

function schedule(answer: Answer<"listSchedule">): string[] {
  const on = (answer.channels ?? []).flatMap(({ channel, now, next }) => [channel.name, now && card(now), next && card(next)].filter((line) => line !== null));
  // @ts-expect-error: a card lacks its evidence
  const evidence: Schemas["Evidence"] = answer.items[0]!.verdict.evidence;
  return [...on, ...answer.items.map(card), evidence.text];
}

function page({ product }: Answer<"getProduct">): string {
  const { past, past_count, lowest_price, near } = product;
  return `${past.length} of ${past_count}, ${lowest_price?.price ?? "?"} ${product.listings[0]?.shop} ${product.verdict.evidence?.text} ${near.map(card)}`;
}

/** A kind decides which fields an event has. */
const events: Schemas["Event"][] = [
  { kind: "click", event_id: "7c9e6679-7425-40de", at: "2026-11-22T20:00:00+09:00", product_id: "8bbd0986d9f0dce3", surface: "new" },
  { kind: "purchase", event_id: "7c9e6679-7425-40df", at: "2026-11-22T20:01:00+09:00", product_id: "8bbd0986d9f0dce3", amount: 49_900 },
  { kind: "tab_open", event_id: "7c9e6679-7425-40e0", at: "2026-11-22T20:02:00+09:00", tab_id: "best" },
  // @ts-expect-error: a tab is opened by its id
  { kind: "tab_open", event_id: "7c9e6679-7425-40e1", at: "2026-11-22T20:02:00+09:00" },
];
const amount = (event: Schemas["Event"]): number => (event.kind === "purchase" ? (event.amount ?? 0) : 0);

/** What an app does about a problem. */
function remedy(problem: Schemas["Problem"]): "again" | "restart" | "give up" {
  switch (problem.type) {
    case "/problems/cursor-gone":
      return "restart";
    case "/problems/no-data":
    case "/problems/too-many-requests":
      return "again";
    default:
      return "give up";
  }
}

export { amount, asked, events, listing, none, order, page, products, remedy, schedule };
