// Reasons: each item's score as a bar of its named parts, the verdict's evidence, and the viewer.

import { failure, listSwitch, momentOf, question, signature } from "./bench.js";
import { element, replace, shape } from "./element.js";
import { number } from "./format.js";
import { say } from "./language.js";
import { PARTS, itemKey, total } from "./local.js";
import { viewerSection } from "./viewer.js";

const LEAST_ITEMS = 20;

export const PART_NAMES = {
  taste: say("취향"),
  channel: say("채널"),
  hour: say("시간대"),
  soon: say("방송 임박"),
  on_air: say("방송 중"),
  popularity: say("인기"),
  pulse: say("지금 찾음"),
  position: say("기본 자리"),
  memory: say("최근 기억"),
  rules: say("운영 규칙"),
  stay: say("머무름"),
};
const PART_MEANINGS = {
  taste: say("이 사용자의 취향과 상품이 얼마나 맞는지"),
  channel: say("이 사용자가 그 채널을 얼마나 보는지"),
  hour: say("이 사용자가 그 시간대에 얼마나 보는지"),
  soon: say("방송이 얼마나 가까운지"),
  on_air: say("지금 방송 중인지"),
  popularity: say("모두가 얼마나 찾는지"),
  pulse: say("지난 몇 시간 사람들이 얼마나 보고, 알림을 켜고, 샀는지. 시각을 고르면 없어요"),
  position: say("모두에게 같은 순서에서의 자리"),
  memory: say("이 사용자가 최근에 보고 지나쳤는지"),
  rules: say("운영 규칙이 올리거나 내렸는지"),
  stay: say("방송 중인 지 얼마나 되었는지: 새로 시작한 방송은 그만큼 더 나아야 앞질러요"),
};

/** The reasons in `root`. */
export class Why {
  #acts;
  #switch;
  #list = element("ol", { class: "why-list" });
  #lean = element("div", { class: "tool" });
  #summary = element("p", { class: "hint", role: "status" });
  #last = null;

  constructor(root, acts) {
    this.#acts = acts;
    this.#switch = listSwitch(acts.change);
    root.append(
      element("h2", {}, say("왜 이 순서인가요")),
      this.#switch.root,
      this.#summary,
      element("ul", { class: "legend" }, PARTS.map(legend)),
      this.#list,
      this.#lean,
    );
  }

  /** Shows the reasons for the items of `model` (see main.js). */
  async show(model) {
    const { state, home, token } = model;
    this.#switch.show(state.list);
    if (home === null) return;
    const items = Math.max(LEAST_ITEMS, model.list?.items.length ?? 0);
    const now = signature(model, items);
    if (now === this.#last) return;
    this.#last = now;
    try {
      const seat = await this.#acts.local.seat(home.snapshot.id, token === "" ? state.viewer : "", momentOf(model));
      if (now !== this.#last) return;
      const asked = question(model, { limit: items, is_explained: true });
      const answer = seat.arrange(asked);
      const tastes = seat.tastes(asked);
      const order = answer.personalized ? say("맞춤") : tastes === null ? say("공통") : say("비회원");
      this.#showList(state.list, answer, order, seat.weights()[state.list]);
      if (state.list === "new") this.#summary.append(" ", say("점수 차례와 다른 자리는 같은 카테고리·브랜드·채널이 몰리지 않게 섞은 것이에요."));
      replace(this.#lean, viewerSection(tastes, seat.tellsContextsApart(), model));
    } catch (error) {
      this.#last = null;
      replace(this.#list, element("li", {}, failure(error)));
    }
  }

  #showList(surface, answer, order, weights) {
    const { items } = answer[surface];
    const scores = answer.scores[surface];
    const reach = extent(scores);
    this.#summary.textContent = say`${order} 순서 ${items.length}개 · 점수는 각 항목의 합이에요.`;
    replace(
      this.#list,
      items.map((item, place) => row(surface, item, place, scores[place], reach, weights)),
    );
  }
}

function legend(part) {
  return element("li", { title: PART_MEANINGS[part] }, element("i", { class: `swatch part-${part}` }), PART_NAMES[part]);
}

/** The maximum length of bars to either side. */
function extent(scores) {
  const side = (score, sign) =>
    PARTS.reduce((sum, part) => sum + Math.max(0, sign * (score[part] ?? 0)), 0);
  return {
    right: Math.max(1, ...scores.map((score) => side(score, 1))),
    left: Math.max(0, ...scores.map((score) => side(score, -1))),
  };
}

/**
 * A score as a bar of its parts: positive parts to the right of the line, negative ones to its
 * left.
 */
export function bar(score, { left, right }) {
  const width = left + right;
  const at = (value) => ((value + left) / width) * 100;
  let up = 0;
  let down = 0;
  const pieces = PARTS.filter((part) => (score[part] ?? 0) !== 0).map((part) => {
    const value = score[part];
    const from = value > 0 ? up : down + value;
    if (value > 0) up += value;
    else down += value;
    return shape("rect", { x: at(from), y: 0, width: (Math.abs(value) / width) * 100, height: 10, class: `part-${part}` });
  });
  return shape(
    "svg",
    { class: "score-bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
    pieces,
    shape("line", { x1: at(0), x2: at(0), y1: 0, y2: 10 }),
  );
}

function row(surface, item, place, score, reach, weights) {
  const parts = PARTS.filter((part) =>
    part in weights ? weights[part] !== 0 && !(surface !== "tabs" && part === "position") : (score[part] ?? 0) !== 0,
  );
  const body = element("div", { class: "why-body" });
  const details = element(
    "details",
    {
      "data-item": itemKey(surface, item),
      ontoggle: () => {
        if (details.open && body.childElementCount === 0) body.append(...reasons(surface, item, score, weights, parts));
      },
    },
    element(
      "summary",
      {},
      element("span", { class: "place" }, String(place + 1)),
      element("span", { class: "why-title", lang: "ko" }, surface === "tabs" ? item.label : item.title),
      marks(item.why),
      element("span", { class: "why-total" }, number(total(score))),
      bar(score, reach),
    ),
    body,
  );
  return element("li", {}, details);
}

/** Reasons for an item's place other than its score: rules, and exploration. */
function marks(why) {
  const named = [
    ...(why?.rules ?? []).map(({ deed }) => (deed.startsWith("pin") ? say("고정") : say("규칙"))),
    ...(why?.explored ? [say("탐색")] : []),
  ];
  return named.length === 0 ? null : element("span", { class: "marks" }, [...new Set(named)].map((name) => element("span", { class: "mark" }, name)));
}

/** The same reasons in sentences. */
function ruled(why) {
  return [
    ...(why?.rules ?? []).map(({ name, deed }) => element("p", { class: "rule" }, say("운영 규칙 "), element("span", { lang: "ko" }, `‘${name}’`), ": ", ruleDeed(deed))),
    why?.explored ? element("p", { class: "rule" }, say("탐색: 아직 본 사람이 적은 상품에 주는 자리예요.")) : null,
  ].filter((node) => node !== null);
}

function ruleDeed(deed) {
  if (deed.startsWith("pin")) return say("이 자리에 고정");
  return deed === "hide" ? say("숨김") : say`${deed}점`;
}

function reasons(surface, item, score, weights, parts) {
  const table = element(
    "table",
    { class: "parts" },
    element("caption", { class: "unseen" }, say("점수의 항목")),
    element(
      "thead",
      {},
      element("tr", {}, [say("항목"), say("세기"), say("신호"), say("점수")].map((name) => element("th", { scope: "col" }, name))),
    ),
    element(
      "tbody",
      {},
      parts.map((part) =>
        element(
          "tr",
          {},
          element("th", { scope: "row" }, element("i", { class: `swatch part-${part}` }), PART_NAMES[part]),
          // Parts without a weight to try: memory, rules, staying.
          element("td", {}, part in weights ? number(weights[part]) : "–"),
          element("td", {}, part in weights ? number(Math.round((score[part] ?? 0) / weights[part])) : "–"),
          element("td", {}, number(score[part] ?? 0)),
        ),
      ),
    ),
  );
  if (surface === "tabs") {
    return [item.pinned ? element("p", { class: "rule" }, say("고정된 탭이라 점수와 상관없이 이 자리에 있어요.")) : null, table].filter(Boolean);
  }
  const sentence = item.why?.text === undefined ? null : element("p", { class: "sentence", lang: "ko" }, item.why.text);
  return [...(sentence === null ? [] : [sentence]), ...ruled(item.why), table, ...evidence(item.verdict)];
}

/** A verdict's evidence in sentences. */
function evidence({ kind, evidence: { text, history_days, shop_history_days, review_count, earlier, nearest } }) {
  const name = { new: say("신상품"), repeat: say("다시 방송"), unknown: say("알 수 없음") }[kind] ?? kind;
  const facts = [
    history_days === undefined ? null : say`기록 ${number(history_days)}일`,
    shop_history_days === undefined || shop_history_days === null ? null : say`이 홈쇼핑의 기록 ${number(shop_history_days)}일`,
    review_count === null || review_count === undefined ? null : say`상품평 ${number(review_count)}개`,
  ].filter((fact) => fact !== null);
  return [
    element(
      "p",
      { class: "verdict-line" },
      element("strong", {}, say`판정: ${name}`),
      " ",
      element("span", { lang: "ko" }, text),
    ),
    facts.length === 0 ? null : element("p", { class: "hint" }, facts.join(" · ")),
    earlier === null || earlier === undefined
      ? null
      : element(
          "p",
          { class: "hint" },
          say`그때 방송: ${earlier.starts_at.slice(0, 16).replace("T", " ")} `,
          element("span", { lang: "ko" }, `${earlier.channel} · ${earlier.title}`),
        ),
    nearest === undefined
      ? null
      : element("p", { class: "hint nearest" }, say`가장 비슷한 상품: `, element("span", { lang: "ko" }, `${nearest.title} — ${nearest.why}`)),
  ].filter((node) => node !== null);
}
