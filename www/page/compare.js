// Comparison: two orders of a surface side by side, with lines and figures for the moves.

import { anonymousName, contextSwitch, readContext, writeContext } from "./context.js";
import { failure, listSwitch, momentOf, question, signature } from "./bench.js";
import { element, replace, shape } from "./element.js";
import { datetimeLocal, number, parseTime, rfc3339, snapshotName, startTime } from "./format.js";
import { say } from "./language.js";
import { MAX_ITEMS, difference, itemKey } from "./local.js";

const SHOWN = 20;
/** Height of a row in CSS pixels; the lines are drawn from it. */
const ROW = 56;
const LINES = 40;

const AGAINST = [
  ["shared", say("공통 순서와")],
  ["viewer", say("다른 사용자와")],
  ["context", say("다른 지역·기기의 비회원과")],
  ["variant", say("실험의 다른 안과")],
  ["time", say("다른 시각과")],
  ["snapshot", say("다른 자료와")],
];

/** The comparison in `root`. */
export class Compare {
  #acts;
  #switch;
  #against;
  #viewer;
  #context;
  #variant;
  #time;
  #snapshot;
  #fields;
  #summary = element("p", { class: "figures", role: "status" });
  #board = element("div", { class: "compare" });
  #snapshots = [];
  #last = null;

  constructor(root, acts) {
    this.#acts = acts;
    this.#switch = listSwitch(acts.change);
    this.#against = element(
      "select",
      { id: "against", onchange: (event) => acts.change({ against: event.target.value, other: "" }) },
      AGAINST.map(([value, label]) => element("option", { value }, label)),
    );
    this.#viewer = element("input", {
      id: "other-viewer",
      type: "text",
      list: "viewer-names",
      autocomplete: "off",
      spellcheck: "false",
      onchange: (event) => acts.change({ other: event.target.value.trim() }),
    });
    this.#context = contextSwitch("other", (context) => acts.change({ other: writeContext(context) }));
    this.#variant = element("select", {
      id: "other-variant",
      onchange: (event) => acts.change({ other: event.target.value }),
    });
    this.#time = element("input", {
      id: "other-time",
      type: "datetime-local",
      onchange: (event) => {
        const atMs = parseTime(event.target.value);
        if (atMs !== null) acts.change({ other: rfc3339(atMs) });
      },
    });
    this.#snapshot = element("select", {
      id: "other-snapshot",
      onchange: (event) => acts.change({ other: event.target.value }),
    });
    this.#fields = {
      viewer: field(say("다른 사용자 ID"), this.#viewer),
      context: this.#context.root,
      variant: field(say("다른 안"), this.#variant),
      time: field(say("다른 시각 (한국 시간)"), this.#time),
      snapshot: field(say("다른 자료"), this.#snapshot),
    };
    root.append(
      element("h2", {}, say("나란히 보기")),
      this.#switch.root,
      element("div", { class: "group" }, field(say("무엇과"), this.#against), Object.values(this.#fields)),
      this.#summary,
      this.#board,
    );
  }

  /** Shows the comparison in the state of `model` (see main.js). */
  async show(model) {
    const { state, home, token } = model;
    this.#switch.show(state.list);
    this.#against.value = state.against;
    for (const [name, node] of Object.entries(this.#fields)) node.hidden = name !== state.against;
    if (state.against === "viewer") this.#viewer.value = state.other;
    const context = readContext(state.against === "context" ? state.other : "");
    this.#context.show(context);
    const nowMs = model.clock.now(state.asOfMs);
    const otherMs = parseTime(state.other) ?? Math.floor(nowMs / 60_000) * 60_000 + 3 * 3600_000;
    if (state.against === "time" && document.activeElement !== this.#time) this.#time.value = datetimeLocal(otherMs);
    if (home === null) return;
    const now = signature(model, state.against, state.other);
    if (now === this.#last) return;
    this.#last = now;
    const viewer = token === "" ? state.viewer : "";
    const { id } = home.snapshot;
    const anonymous = anonymousName(state);
    const own = viewer === "" ? (token === "" ? anonymous : say("토큰 사용자")) : viewer;
    const seat = (snapshot, who, moment = momentOf(model)) => this.#acts.local.seat(snapshot, who, moment);
    const variants = Object.entries(home.experiments ?? {}).map((pair) => pair.join(":"));
    const offered = (model.status?.experiments ?? []).flatMap((one) => one.variants.map((variant) => `${one.id}:${variant}`));
    if (state.against === "variant") this.#showVariants(offered, state.other);
    const chosen = offered.includes(state.other) ? state.other : (offered[0] ?? "");
    const sides = {
      shared: () => [
        [say("공통 순서"), seat(id, viewer), { is_shared: true, region: "", device_class: "", variants: [], audiences: null }],
        [own, seat(id, viewer), {}],
      ],
      viewer: () => [
        [own, seat(id, viewer), {}],
        [state.other || anonymous, seat(id, state.other), { is_shared: state.other === "" }],
      ],
      context: () => [
        [own, seat(id, viewer), {}],
        [anonymousName(context), seat(id, ""), { is_shared: true, ...context }],
      ],
      variant: () => [
        [variants.join(", ") || say("실험 없이"), seat(id, viewer), {}],
        [chosen || say("실험 없이"), seat(id, viewer), { variants: swapped(variants, chosen) }],
      ],
      time: () => [
        [startTime(nowMs, nowMs), seat(id, viewer), {}],
        [startTime(otherMs, nowMs), seat(id, viewer, { ...momentOf(model), pulse: null }), { now_ms: otherMs, ...(state.snapshot === "" ? {} : { checked_at_ms: otherMs }) }],
      ],
      snapshot: () => {
        const other = this.#snapshots.find((one) => one.id === state.other) ?? this.#snapshots.find((one) => one.id !== id) ?? home.snapshot;
        // An older snapshot is judged at the chosen time.
        return [
          [snapshotName(home.snapshot), seat(id, viewer), {}],
          [snapshotName(other), seat(state.other || other.id, viewer), { checked_at_ms: Math.floor(nowMs) }],
        ];
      },
    }[state.against];
    try {
      if (state.against === "snapshot") await this.#showSnapshots(id, state.other);
      const both = await Promise.all(
        sides().map(async ([name, seated, more]) => {
          const answer = (await seated).arrange(question(model, { limit: MAX_ITEMS, ...more }));
          return { name, items: answer[state.list].items };
        }),
      );
      if (now === this.#last) this.#showBoth(state.list, both);
    } catch (error) {
      this.#last = null;
      replace(this.#board, failure(error));
    }
  }

  #showVariants(offered, chosen) {
    replace(
      this.#variant,
      offered.length === 0
        ? element("option", { value: "" }, say("실험이 없어요"))
        : offered.map((name) => element("option", { value: name }, name)),
    );
    if (chosen !== "") this.#variant.value = chosen;
  }

  async #showSnapshots(own, chosen) {
    this.#snapshots = await this.#acts.local.snapshots();
    const offered = this.#snapshots.filter(({ id }) => id !== own);
    replace(
      this.#snapshot,
      offered.length === 0
        ? element("option", { value: "" }, say("이전 자료가 없어요"))
        : offered.map((one) => element("option", { value: one.id }, snapshotName(one))),
    );
    if (chosen !== "") this.#snapshot.value = chosen;
  }

  #showBoth(surface, [left, right]) {
    const keys = ({ items }) => items.map((item) => itemKey(surface, item));
    const before = keys(left);
    const after = keys(right).slice(0, SHOWN);
    // Distinguishes items from further down from those that were absent.
    const change = difference(before, after);
    replace(this.#summary, figures(change));
    const rows = Math.max(Math.min(before.length, SHOWN), after.length);
    const lines = after.flatMap((key, place) => {
      const from = before.indexOf(key);
      if (from < 0 || from >= SHOWN) return [];
      const [y1, y2] = [from * ROW + ROW / 2, place * ROW + ROW / 2];
      const name = from === place ? "same" : from > place ? "up" : "down";
      const middle = LINES / 2;
      return [shape("path", { class: name, d: `M0 ${y1}C${middle} ${y1} ${middle} ${y2} ${LINES} ${y2}` })];
    });
    replace(
      this.#board,
      column(surface, left, null),
      shape(
        "svg",
        { class: "compare-lines", width: LINES, height: rows * ROW, viewBox: `0 0 ${LINES} ${rows * ROW}`, "aria-hidden": "true" },
        lines,
      ),
      column(surface, right, change.moves),
    );
  }
}

/** `variants` with `chosen` in place of its experiment's. */
function swapped(variants, chosen) {
  const of = (name) => name.split(":")[0];
  return [...variants.filter((name) => of(name) !== of(chosen)), ...(chosen === "" ? [] : [chosen])];
}

/** A difference in words. */
export function figures({ moves, moved, entered, meanMove, top, sharedTop }) {
  return [
    element("strong", {}, say`${number(moves.length)}개 중 ${number(moved)}개가 움직였어요`),
    say` · 평균 ${meanMove.toFixed(1)}칸`,
    entered === 0 ? "" : say` · 새로 들어온 ${number(entered)}개`,
    top === 0 ? "" : say` · 첫 ${number(top)}개 중 ${number(sharedTop)}개가 같아요`,
  ];
}

/** An item's move: with a sign, since colour alone is not accessible. */
export function move(by) {
  if (by === null) return element("span", { class: "move in" }, say("새로"));
  if (by === 0) return element("span", { class: "move" }, "–", element("span", { class: "unseen" }, say("그대로")));
  return element(
    "span",
    { class: by > 0 ? "move up" : "move down" },
    element("span", { "aria-hidden": "true" }, by > 0 ? "▲" : "▼"),
    String(Math.abs(by)),
    element("span", { class: "unseen" }, by > 0 ? say("칸 위로") : say("칸 아래로")),
  );
}

/** One side; `moves` are those of its items, or `null` on the side before the moves. */
function column(surface, { name, items }, moves) {
  return element(
    "section",
    { class: "compare-side" },
    element("h3", {}, element("span", {}, name)),
    element(
      "ol",
      {},
      items.slice(0, SHOWN).map((item, place) =>
        element(
          "li",
          { "data-item": itemKey(surface, item) },
          element("span", { class: "place" }, String(place + 1)),
          element("span", { class: "compare-title", lang: "ko", title: item.title ?? item.label }, item.title ?? item.label),
          moves === null ? null : move(moves[place]),
        ),
      ),
    ),
  );
}

function field(label, control) {
  return element("div", { class: "field" }, element("label", { for: control.id }, label), control);
}
