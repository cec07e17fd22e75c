// The page's centre: holds the model, asks the edge after changes, and makes phone and panel draw.
//
// Phone and panel read the model; only this file writes it:
//   state        the URL's contents (state.js)            preview  the preview secret or null
//   token        a pasted JWT or ""                       clock    the edge's clock (clock.js)
//   home         the last /v1/home answer or null
//   homeHeaders, homeRefused  its headers; the reason for its absence
//   list         {items, total, next_cursor, pages} of the new-product tab, or null
//   listRefused, moreRefused  why the list, or its next page, is missing
//   exchange     the request and answer behind home (api.js); homePath  its path
//   status       the last /v1/status answer or null       viewers  the demo's users
//   snapshots    the available ones, the live one first
//   loadingHome, loadingList, loadingMore  requests under way

import { PAGE_ITEMS, Refused, get, surfacePath } from "./api.js";
import { Bench } from "./bench.js";
import { EdgeClock } from "./clock.js";
import { Exchanges } from "./exchange.js";
import { LANGUAGE, translateDocument, say } from "./language.js";
import { Local } from "./local.js";
import { Panel } from "./panel.js";
import { Phone } from "./phone.js";
import { PREVIEWED, UNCHOSEN, forgetSecret, readState, secret, takeSecret, writeState } from "./state.js";

const TICK_MS = 1000;
const SLIDE_REST_MS = 150;
const STATUS_WAIT_MS = 400;
/** Minimum time between automatic refreshes, which follow the ends of slots. */
const REFRESH_REST_MS = 10_000;
/** Maximum time between automatic refreshes of an open page. */
const REFRESH_MAX_MS = 300_000;

takeSecret();
translateDocument();

const model = {
  state: readState(location.search),
  preview: secret(),
  token: "",
  clock: new EdgeClock(),
  home: null,
  homeHeaders: null,
  homeRefused: null,
  exchange: null,
  homePath: "/v1/home",
  list: null,
  listRefused: null,
  moreRefused: null,
  status: null,
  viewers: [],
  snapshots: [],
  loadingHome: true,
  loadingList: false,
  loadingMore: false,
};

let homeAbort = new AbortController();
let listAbort = new AbortController();
let refreshAtMs = Infinity;
let slideTimer = 0;
let addressTimer = 0;
let sliding = false;

const announcement = document.getElementById("announcement");
const local = new Local(() => ({ preview: model.preview, token: model.token }));
/**
 * The trial order, in the format of /v1/home, or `null`: the phone shows it in place of the served
 * one.
 */
let trial = null;
/** The first page of the new-product tab in that order, as last given to the phone. */
let trialList = null;
const bench = new Bench(document.getElementById("bench"), {
  change,
  announce,
  local,
  ask: (path, signal) => get(path, { preview: model.preview, token: model.token, signal }),
  shownTrial: (answer) => {
    trial = answer;
    phone.show(onPhone());
  },
});
const exchanges = new Exchanges(
  bench.answers,
  announce,
  matchMedia("(min-width: 1220px)").matches ? "/v1/home" : null,
);
const phone = new Phone({
  tab: (tab) => change({ tab }),
  change,
  more: loadMore,
  clear: () => change({ category: "", channel: "" }),
  nowMs: () => model.clock.now(model.state.asOfMs),
  ways,
});
const panel = new Panel(document.getElementById("controls"), {
  change,
  token: useToken,
  reload: () => load(),
});

function announce(text) {
  announcement.textContent = text;
}

function show() {
  phone.show(onPhone());
  panel.show(model);
  bench.show(model);
}

/** The phone's model: the served order, or the trial in its place. */
function onPhone() {
  if (trial === null || model.home === null) return { ...model, trial: false };
  const { home } = model;
  const first = trial.new.items.slice(0, PAGE_ITEMS);
  // An unchanged order keeps its object, so that the phone redraws nothing.
  const tabs = isSame(home.tabs.items, trial.tabs.items) ? home.tabs : trial.tabs;
  const live = isSame(home.live.items, trial.live.items) ? home.live : trial.live;
  const shown = trialList !== null && isSame(trialList.items, first) && trialList.total === trial.new.total;
  // A trial is ordered completely: it has no next page.
  if (!shown) trialList = { items: first, total: trial.new.total, next_cursor: null, pages: 1 };
  return { ...model, home: { ...home, tabs, live }, list: trialList, listRefused: null, moreRefused: null, trial: true };
}

/** Whether two lists of items are equal, by ids and times of broadcasts. */
function isSame(one, other) {
  const text = ({ product_id, tab_id, on_air, broadcast, broadcasts }) =>
    JSON.stringify([product_id, tab_id, on_air, broadcast?.starts_at, broadcasts]);
  return one.length === other.length && one.every((item, place) => text(item) === text(other[place]));
}

function ask(path, signal) {
  return get(path, {
    preview: model.preview,
    token: model.token,
    signal,
    record: (exchange) => exchanges.add(exchange),
  });
}

function path(surface, parameters) {
  return surfacePath(surface, parameters, model.state, model.preview !== null, model.token);
}

/** Whether the list differs from that of /v1/home: filtered, or in another sort. */
function narrowed({ category, channel, sort }) {
  return category !== "" || channel !== "" || sort !== "recommended";
}

function newPath(cursor) {
  const { category, channel, sort } = model.state;
  return path("/v1/new", { category, channel, sort, limit: PAGE_ITEMS, cursor });
}

/**
 * Requests all surfaces. A `quiet` request changes nothing until it is answered, and keeps a list
 * that was paged through.
 */
async function load({ quiet = false } = {}) {
  const keepList = quiet && model.list !== null && model.list.pages > 1;
  homeAbort.abort();
  homeAbort = new AbortController();
  if (!keepList) {
    listAbort.abort();
    listAbort = new AbortController();
    model.loadingList = false;
    model.loadingMore = false;
  }
  const home = homeAbort.signal;
  const list = listAbort.signal;
  refreshAtMs = Infinity;
  model.loadingHome = true;
  if (!quiet) {
    model.homeRefused = null;
    model.listRefused = null;
    model.moreRefused = null;
    show();
  }
  model.homePath = path("/v1/home", { limit: PAGE_ITEMS });
  const homeAsked = ask(model.homePath, home);
  const listAsked = narrowed(model.state) && !keepList ? ask(newPath(null), list) : null;
  const statusAsked = model.status === null ? loadStatus() : null;
  const [homeSettled, listSettled] = await Promise.allSettled([homeAsked, listAsked]);
  if (home.aborted) return;
  // The edge's own clock decides what "today" is: a short wait avoids showing a demo's day twice.
  if (statusAsked !== null)
    await Promise.race([statusAsked, new Promise((resolve) => setTimeout(resolve, STATUS_WAIT_MS))]);
  if (home.aborted) return;

  model.loadingHome = false;
  if (homeSettled.status === "fulfilled") {
    takeHome(homeSettled.value);
    // A filter chosen meanwhile requests its own list.
    if (!keepList && !list.aborted) takeList(listAsked === null ? homeSettled : listSettled, listAsked === null);
  } else if (quiet) {
    refreshAtMs = Date.now() + REFRESH_REST_MS * 3;
  } else {
    model.home = null;
    model.homeHeaders = null;
    model.list = null;
    model.homeRefused = refusal(homeSettled.reason);
  }
  show();
  if (model.home === null) return;
  const { id } = model.home.snapshot;
  // A snapshot published since.
  if (model.snapshots.length > 0 && model.snapshots.every((one) => one.id !== id)) loadSnapshots();
  if (model.status !== null && model.status.snapshot?.id !== id) await loadStatus();
}

function takeHome({ json, exchange }) {
  model.home = json;
  model.exchange = exchange;
  model.homeHeaders = exchange.headers;
  model.homeRefused = null;
  model.clock.learnFromDate(exchange.headers, exchange.startedMs + exchange.tookMs);
  refreshAtMs = nextChange(json);
}

function takeList(settled, fromHome) {
  if (settled.status === "rejected") {
    model.list = null;
    model.listRefused = refusal(settled.reason);
    return;
  }
  const { items, total, next_cursor } = fromHome ? settled.value.json.new : settled.value.json;
  model.list = { items, total, next_cursor, pages: 1 };
  model.listRefused = null;
  model.moreRefused = null;
}

/** Requests only the new-product tab, after a change of filter or sort. */
async function loadList() {
  listAbort.abort();
  listAbort = new AbortController();
  const { signal } = listAbort;
  model.listRefused = null;
  model.moreRefused = null;
  model.loadingList = true;
  model.loadingMore = false;
  show();
  const [settled] = await Promise.allSettled([ask(newPath(null), signal)]);
  if (signal.aborted) return;
  model.loadingList = false;
  takeList(settled, false);
  show();
  if (model.list !== null) announce(say`상품 ${model.list.total}개`);
}

/** Requests the next page of the new-product tab and appends it. */
async function loadMore() {
  if (model.loadingMore || model.list === null || model.list.next_cursor === null) return;
  const { signal } = listAbort;
  const { list } = model;
  model.loadingMore = true;
  model.moreRefused = null;
  show();
  const [settled] = await Promise.allSettled([ask(newPath(list.next_cursor), signal)]);
  if (signal.aborted || model.list !== list) return;
  model.loadingMore = false;
  if (settled.status === "fulfilled") {
    const { items, total, next_cursor } = settled.value.json;
    model.list = { items: [...list.items, ...items], total, next_cursor, pages: list.pages + 1 };
    announce(say`상품 ${items.length}개를 더 불러왔어요`);
  } else {
    model.moreRefused = refusal(settled.reason);
  }
  show();
}

async function loadStatus() {
  try {
    // The true present and the whole window, whatever time is shown.
    const { snapshot, viewer } = model.state;
    const query = new URLSearchParams();
    // While a snapshot is on trial, it depends on the viewer which one there is.
    if (model.preview !== null && viewer !== "") query.set("viewer", viewer);
    if (model.preview !== null && snapshot !== "") query.set("snapshot", snapshot);
    const { json, exchange } = await ask(`/v1/status${query.toString() === "" ? "" : "?"}${query}`);
    if (snapshot !== model.state.snapshot || viewer !== model.state.viewer) return;
    model.status = json;
    model.clock.learnFromStatus(json.now, exchange.startedMs, exchange.tookMs);
    show();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
  }
}

/** A demonstration's users with their latest events; without them the picker offers free text. */
async function loadViewers() {
  if (model.preview === null) return;
  try {
    const { json } = await get("/demo/viewers.json", { preview: model.preview });
    model.viewers = (json.viewers ?? []).filter(
      (viewer) => typeof viewer.user_id === "string" && typeof viewer.label === "string",
    );
    show();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
  }
}

/** The snapshots from which a preview may choose. */
async function loadSnapshots() {
  if (model.preview === null) return;
  try {
    model.snapshots = await local.snapshots();
    show();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
  }
}

/**
 * When something on the screen next starts or ends, by the browser's clock; at least one rest from
 * now.
 */
function nextChange(home) {
  if (model.state.asOfMs !== null && model.preview !== null) return Infinity;
  const nowMs = model.clock.now();
  const broadcasts = [
    ...home.live.items.map((item) => item.broadcast),
    ...home.new.items.flatMap((item) => item.broadcasts),
  ];
  const next = broadcasts
    .flatMap((broadcast) => [Date.parse(broadcast.starts_at), Date.parse(broadcast.ends_at)])
    .filter((atMs) => atMs > nowMs)
    .reduce((least, atMs) => Math.min(least, atMs), nowMs + REFRESH_MAX_MS);
  return Date.now() + Math.max(REFRESH_REST_MS, next - nowMs + TICK_MS);
}

/**
 * Changes a part of the state. `underway` marks a moving slider: it replaces the URL and makes
 * requests after a short rest.
 */
function change(part, underway = false) {
  const before = model.state;
  model.state = { ...before, ...part };
  const address = location.pathname + writeState(model.state);
  clearTimeout(addressTimer);
  // A slider's movement is one step of the history, however long; browsers limit the rate of URL
  // changes.
  if (underway && sliding) addressTimer = setTimeout(() => history.replaceState(null, "", address), SLIDE_REST_MS);
  else if (sliding) history.replaceState(null, "", address);
  else if (address !== location.pathname + location.search) history.pushState(null, "", address);
  sliding = underway;
  clearTimeout(slideTimer);
  if (underway && !("asOfMs" in part)) {
    bench.show(model);
    return;
  }
  if (underway) {
    panel.show(model);
    phone.tick(model);
    bench.show(model);
    slideTimer = setTimeout(() => load(), SLIDE_REST_MS);
    return;
  }
  follow(before, part);
}

/** Requests the data that a change of the state made stale. */
function follow(before, part = {}) {
  const after = model.state;
  // Texts are chosen at the first drawing.
  if (after.lang !== before.lang) {
    location.reload();
    return;
  }
  const rewound =
    after.tab !== before.tab ||
    after.category !== before.category ||
    after.channel !== before.channel ||
    after.sort !== before.sort;
  if ("asOfMs" in part || Object.keys(PREVIEWED).some((key) => after[key] !== before[key])) load();
  else if (after.category !== before.category || after.channel !== before.channel || after.sort !== before.sort)
    loadList();
  else show();
  if (rewound && after.tab !== before.tab) document.getElementById("surface").scrollTop = 0;
}

function useToken(token) {
  model.token = token;
  local.forget();
  load();
}

/** The possible actions after a refusal; `more` if only the next page is missing. */
function ways(refused, more = false) {
  const again = { label: say("다시 시도"), act: () => load() };
  if (refused.status === 401) return [{ label: say("토큰 지우기"), act: () => useToken("") }, again];
  if (refused.status === 403) return [{ label: say("공개 화면 보기"), act: leavePreview }, again];
  if (refused.status === 410 && refused.problem.parameter === "snapshot")
    return [{ label: say("지금 자료로 보기"), act: () => change({ snapshot: "" }) }];
  if (refused.status === 410) return [{ label: say("처음부터 보기"), act: startOver }];
  if (more) return [{ label: say("다시 시도"), act: loadMore }];
  const plain = Object.entries(UNCHOSEN).every(([key, value]) => model.state[key] === value);
  if (refused.status !== 400 || plain) return [again];
  return [{ label: say("조건 지우기"), act: () => change(UNCHOSEN) }, again];
}

function startOver() {
  document.getElementById("surface").scrollTop = 0;
  load();
}

function leavePreview() {
  forgetSecret();
  model.preview = null;
  model.viewers = [];
  model.snapshots = [];
  load();
}

function refusal(error) {
  if (error instanceof Refused) return error;
  throw error;
}

window.addEventListener("popstate", () => {
  clearTimeout(addressTimer);
  const before = model.state;
  model.state = readState(location.search);
  follow(before);
});

window.addEventListener("hashchange", () => {
  if (!takeSecret()) return;
  model.preview = secret();
  local.forget();
  load();
  loadViewers();
  loadSnapshots();
});

setInterval(() => {
  phone.tick(model);
  panel.tick(model.clock.now());
  if (Date.now() >= refreshAtMs && !document.hidden && !model.loadingHome) load({ quiet: true });
}, TICK_MS);

const language = document.getElementById("language");
language.textContent = LANGUAGE === "en" ? "한국어" : "English";
language.lang = LANGUAGE === "en" ? "ko" : "en";
language.addEventListener("click", () => change({ lang: LANGUAGE === "en" ? "ko" : "en" }));

load();
loadViewers();
loadSnapshots();
