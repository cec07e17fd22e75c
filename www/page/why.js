// Why: each item's score as a bar of its named parts, the verdict's evidence, and what the viewer leans to.

import { failure, listSwitch, pulseOf, question, signature } from "./bench.js";
import { element, replace, shape } from "./element.js";
import { number } from "./format.js";
import { say } from "./language.js";
import { PARTS, itemKey, total } from "./local.js";

const LEAST_ITEMS = 20;
const LEANS_SHOWN = 8;

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
  #lean = element("div", {});
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

  /** Shows the reasons for what `model` (see main.js) shows. */
  async show(model) {
    const { state, home, token } = model;
    this.#switch.show(state.list);
    if (home === null) return;
    const items = Math.max(LEAST_ITEMS, model.list?.items.length ?? 0);
    const now = signature(model, items);
    if (now === this.#last) return;
    this.#last = now;
    try {
      const seat = await this.#acts.local.seat(home.snapshot.id, token === "" ? state.viewer : "", pulseOf(model));
      if (now !== this.#last) return;
      const answer = seat.arrange(question(model, { limit: items }));
      this.#showList(state.list, answer, seat.weights()[state.list]);
      this.#showLean(seat.tastes(), model);
    } catch (error) {
      this.#last = null;
      replace(this.#list, element("li", {}, failure(error)));
    }
  }

  #showList(surface, answer, weights) {
    const { items } = answer[surface];
    const scores = answer.scores[surface];
    const reach = extent(scores);
    this.#summary.textContent = say`${answer.personalized ? say("맞춤") : say("공통")} 순서 ${items.length}개 · 점수는 각 항목의 합이에요.`;
    replace(
      this.#list,
      items.map((item, place) => row(surface, item, place, scores[place], reach, weights)),
    );
  }

  #showLean(tastes, { status, home }) {
    if (tastes === null) {
      replace(this.#lean, element("p", { class: "group hint" }, say("취향을 아는 사용자가 아니라 모두에게 같은 순서예요.")));
      return;
    }
    const channels = new Map((status?.channels ?? []).map(({ id, name }) => [id, name]));
    const tabs = home.tabs.items.toSorted((a, b) => a.position - b.position);
    replace(
      this.#lean,
      element(
        "section",
        { class: "group", "aria-labelledby": "lean-title" },
        element("h3", { id: "lean-title" }, say("이 사용자의 취향")),
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
      ),
    );
  }
}

function legend(part) {
  return element("li", { title: PART_MEANINGS[part] }, element("i", { class: `swatch part-${part}` }), PART_NAMES[part]);
}

/** How far bars reach to both sides. */
function extent(scores) {
  const side = (score, sign) =>
    PARTS.reduce((sum, part) => sum + Math.max(0, sign * (score[part] ?? 0)), 0);
  return {
    right: Math.max(1, ...scores.map((score) => side(score, 1))),
    left: Math.max(0, ...scores.map((score) => side(score, -1))),
  };
}

/** A score as a bar of its parts: what lifts to the right of the line, what sinks to its left. */
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
      element("span", { class: "why-total" }, number(total(score))),
      bar(score, reach),
    ),
    body,
  );
  return element("li", {}, details);
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
          // What has no weight of its own to try: memory, rules, staying.
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
  return [table, ...evidence(item.verdict)];
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

function strongest(rows) {
  return rows
    .filter(([, weight]) => weight !== 0)
    .toSorted((a, b) => Math.abs(b[1]) - Math.abs(a[1]))
    .slice(0, LEANS_SHOWN)
    .toSorted((a, b) => b[1] - a[1]);
}

/** Named weights as bars from a line in the middle. */
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
