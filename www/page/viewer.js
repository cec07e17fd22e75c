// The viewer: their leanings, the shard that stores them and its age, and their latest events.

import { contextName } from "./context.js";
import { element, shape } from "./element.js";
import { age, number, parseTime, startTime } from "./format.js";
import { say } from "./language.js";

const LEANS_SHOWN = 8;
const DEEDS = {
  view: say("상품을 열어 봄"),
  click: say("화면에서 누름"),
  alarm: say("알림을 켬"),
  purchase: say("삼"),
  tab_open: say("탭을 엶"),
  live_enter: say("생방송에 들어감"),
};

/**
 * The sections about the viewer of `model` (see main.js). `tastes` come from the core, or are
 * `null`; `tellsApart` says whether province and device class make a difference in this snapshot.
 */
export function viewerSection(tastes, tellsApart, model) {
  return [tastes?.is_of_context === false ? null : unknown(tastes, tellsApart, model.state), tastes === null ? null : leanings(tastes, model), deeds(model)];
}

/** The section about a viewer without tastes. */
function unknown(tastes, tellsApart, state) {
  const from = contextName(state);
  return element(
    "p",
    { class: "group hint" },
    tastes === null
      ? say("취향을 아는 사용자가 아니라 모두에게 같은 순서예요.")
      : say("취향을 아는 사용자가 아니라, 같은 때와 곳에서 온 사람들이 무엇을 좋아했는지로 보여 줘요."),
    " ",
    tellsApart
      ? from === ""
        ? say("시/도와 기기는 고르지 않았어요.")
        : say`고른 곳: ${from}.`
      : say("이 자료는 시/도와 기기를 가리지 않아요."),
  );
}

function leanings(tastes, { status, home, clock }) {
  const channels = new Map((status?.channels ?? []).map(({ id, name }) => [id, name]));
  const tabs = home.tabs.items.toSorted((a, b) => a.position - b.position);
  return element(
    "section",
    { class: "group", "aria-labelledby": "lean-title" },
    element("h3", { id: "lean-title" }, tastes.is_of_context ? say("같은 때와 곳에서 온 사람들의 취향") : say("이 사용자의 취향")),
    element("p", { class: "hint" }, say("0은 남들과 같음, 오른쪽은 더 좋아함, 왼쪽은 덜 좋아함 (−128–127)")),
    leans(say("카테고리"), strongest(tastes.categories.map(({ name, weight }) => [name, weight]))),
    leans(say("채널"), strongest(tastes.channels.map(({ id, weight }) => [channels.get(id) ?? id, weight]))),
    leans(
      say("시간대"),
      tastes.hours.map((weight, index) => [say`${index * 3}–${index * 3 + 3}시`, weight]),
    ),
    leans(
      say("가격대"),
      tastes.prices.map((weight, index) => [
        index === 0 ? say("가장 낮은 가격") : index === tastes.prices.length - 1 ? say("가장 높은 가격") : say`${index + 1}단계`,
        weight,
      ]),
    ),
    tabs.length === 0 ? null : leans(say("탭 점수"), tastes.tabs.map((weight, index) => [say`기본 ${index + 1}번째 탭`, weight]).filter(([, weight]) => weight !== 0)),
    element(
      "dl",
      { class: "facts", id: "taste-facts" },
      fact(say("취향을 배운 때"), say`${startTime(Date.parse(home.snapshot.built_at), clock.now())}, ${age(home.snapshot.age_s)}`),
      tastes.key === null ? null : fact(say("취향 조각"), shardName(tastes.key, status?.counts?.taste_shards)),
      tastes.key === null ? null : fact(say("사용자 키"), tastes.key),
    ),
  );
}

/** The shard of a key among `count`, given by the key's first bits. */
function shardName(key, count) {
  if (!Number.isInteger(count) || count < 1) return "–";
  const bits = Math.log2(count);
  const index = bits === 0 ? 0 : Number(BigInt(`0x${key}`) >> BigInt(64 - bits));
  return say`${number(count)}개 중 ${number(index + 1)}번째`;
}

/**
 * The viewer's latest events, if they are known: those of a demonstration's users, and of viewers
 * listed for the build.
 */
function deeds({ state, token, viewers, clock, home }) {
  if (state.viewer === "" && token === "") return null;
  const known = token === "" ? viewers.find((viewer) => viewer.user_id === state.viewer) : undefined;
  const nowMs = clock.now(state.asOfMs);
  const tabs = new Map(home.tabs.items.map(({ tab_id, label }) => [tab_id, label]));
  const rows = (known?.events ?? []).map(({ at, kind, title, channel, tab_id }) =>
    element(
      "tr",
      {},
      element("td", {}, element("time", { datetime: at }, startTime(parseTime(at) ?? 0, nowMs))),
      element(
        "td",
        {},
        element("strong", {}, DEEDS[kind] ?? kind),
        element("div", { lang: "ko" }, title ?? tabs.get(tab_id) ?? tab_id ?? "", channel === undefined ? null : element("span", {}, channel)),
      ),
    ),
  );
  return element(
    "section",
    { class: "group", id: "deeds", "aria-labelledby": "deeds-title" },
    element("h3", { id: "deeds-title" }, say("최근에 한 일")),
    known?.events === undefined
      ? element("p", { class: "hint" }, say("이 사용자가 한 일은 여기에 없어요. 자료에는 취향만 있고, 한 일은 빌드가 따로 적은 몇 사람 것만 있어요."))
      : rows.length === 0
        ? element("p", { class: "hint" }, say("한 일이 없어요."))
        : element(
            "table",
            { class: "deeds" },
            element("caption", { class: "unseen" }, say("최근에 한 일")),
            element("thead", {}, element("tr", {}, [say("언제"), say("무엇을")].map((name) => element("th", { scope: "col" }, name)))),
            element("tbody", {}, rows),
          ),
  );
}

function fact(name, value) {
  return element("div", {}, element("dt", {}, name), element("dd", {}, value));
}

function strongest(rows) {
  return rows
    .filter(([, weight]) => weight !== 0)
    .toSorted((a, b) => Math.abs(b[1]) - Math.abs(a[1]))
    .slice(0, LEANS_SHOWN)
    .toSorted((a, b) => b[1] - a[1]);
}

/** Named weights as bars from a centre line. */
function leans(name, rows) {
  if (rows.length === 0 || rows.every(([, weight]) => weight === 0)) return null;
  return element(
    "table",
    { class: "leans" },
    element("caption", {}, name),
    element(
      "tbody",
      {},
      rows.map(([label, weight]) =>
        element(
          "tr",
          {},
          element("th", { scope: "row", lang: "ko" }, label),
          element(
            "td",
            {},
            shape(
              "svg",
              { viewBox: "-128 0 256 10", preserveAspectRatio: "none", "aria-hidden": "true" },
              shape("rect", { class: weight < 0 ? "sink" : "lift", x: Math.min(0, weight), y: 1, width: Math.abs(weight), height: 8 }),
              shape("line", { x1: 0, x2: 0, y1: 0, y2: 10 }),
            ),
          ),
          element("td", {}, number(weight)),
        ),
      ),
    ),
  );
}
