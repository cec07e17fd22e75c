// What if: the ranking's weights by sliders, new products pinned or hidden by hand. The order
// changes at once, here and on the phone; differences from the live order are shown, and can be
// copied as a change of the rules file.

import { failure, listSwitch, momentOf, question, signature } from "./bench.js";
import { figures, move } from "./compare.js";
import { element, replace } from "./element.js";
import { say } from "./language.js";
import { MAX_ITEMS, difference, itemKey } from "./local.js";
import { SURFACES } from "./surface.js";
import { bar, PART_NAMES } from "./why.js";
import { PARTS } from "./local.js";

/** Characters of a title in a directive's name. */
const MAX_NAME = 60;
/** Number of items that can be moved by hand. */
const HANDLED = 20;

/** The trial in `root`. */
export class Trial {
  #acts;
  #switch;
  #sliders = element("div", { class: "group sliders" });
  #summary = element("p", { class: "figures", role: "status" });
  #cost = element("p", { class: "hint" });
  #list = element("ol", { class: "trial-list" });
  #rules = element("pre", { class: "rules", tabindex: "0", role: "region", "aria-label": say("규칙 파일에 옮길 글") });
  #undo;
  #model = null;
  #seat = null;
  /** The order without the trial, and the signature of its inputs. */
  #live = null;
  #liveBase = null;
  #last = null;
  #built = null;
  #sortable = null;
  #Sortable = null;
  /** The Sortable that makes the phone's cards draggable, its list in `el`; `null` for none. */
  #grip = null;
  /** The drop target that hides a card or a row; it stands under the phone's list. */
  #bin = element("div", { class: "bin", "aria-hidden": "true" }, element("span", {}, say("그림을 끌어 옮기고, 여기에 놓으면 숨겨요")));
  #intoBin = null;
  /** The `data-key` of the button that gets the focus once the pressed one is gone. */
  #focusNext = null;
  #watch = new MutationObserver(() => this.#gripPhone());

  constructor(root, acts) {
    this.#acts = acts;
    this.#switch = listSwitch(acts.change);
    this.#undo = element(
      "button",
      { type: "button", class: "button small", onclick: () => acts.change({ weights: "", pins: "", blocks: "" }) },
      say("처음으로"),
    );
    root.append(
      element("h2", {}, say("만약 이렇게 바꾸면")),
      element("p", { class: "hint" }, say("서버와 같은 순위 코드가 이 브라우저에서 돌아요. 바꾼 것은 이 화면에서만 보여요.")),
      this.#switch.root,
      this.#sliders,
      this.#summary,
      this.#list,
      element(
        "section",
        { class: "group", "aria-labelledby": "rules-title" },
        element(
          "div",
          { class: "section-head" },
          element("h3", { id: "rules-title" }, say("규칙 파일의 변경")),
          element("button", { type: "button", class: "button small", onclick: () => this.#copy() }, say("복사")),
        ),
        this.#rules,
      ),
      this.#cost,
    );
    this.#makeSortable();
  }

  async #makeSortable() {
    this.#Sortable = (await import("/built/sortable.js")).default;
    this.#sortable = this.#draggable(this.#list, ".handle");
    this.#intoBin = new this.#Sortable(this.#bin, {
      group: { name: "trial", put: true, pull: false },
      draggable: "li",
      sort: false,
      onAdd: ({ item }) => {
        item.remove();
        this.#block(idOf(item));
      },
    });
    this.#watch.observe(document.getElementById("new-items"), { childList: true });
    this.#gripPhone();
  }

  #draggable(list, handle) {
    return new this.#Sortable(list, {
      handle,
      group: { name: "trial", put: false, pull: true },
      animation: 0,
      onEnd: ({ item, from, to, newIndex, oldIndex }) => {
        if (to === from && newIndex !== oldIndex) this.#pin(idOf(item), newIndex);
      },
    });
  }

  /** Makes the phone's cards draggable by their pictures, if they show the trial's order. */
  #gripPhone() {
    const state = this.#model?.state;
    const takes = state?.list === "new" && state.tool === "trial";
    const cards = takes ? document.querySelector("#new-items > .cards:has(article)") : null;
    if ((this.#grip?.el ?? null) === cards || this.#Sortable === null) return;
    this.#letGo();
    if (cards === null) return;
    this.#grip = this.#draggable(cards, ".card-picture");
    cards.classList.add("draggable");
    document.querySelector(".phone-screen").append(this.#bin);
  }

  #letGo() {
    this.#grip?.el.classList.remove("draggable");
    this.#grip?.destroy();
    this.#grip = null;
    this.#bin.remove();
  }

  /** Removes the trial from the phone. */
  leave() {
    this.#last = null;
    this.#letGo();
    this.#watch.disconnect();
    this.#model = null;
    this.#acts.shownTrial(null);
  }

  /** Shows the trial in the state of `model` (see main.js). */
  async show(model) {
    const { state, home, token } = model;
    if (this.#model === null && this.#Sortable !== null) this.#watch.observe(document.getElementById("new-items"), { childList: true });
    this.#model = model;
    this.#gripPhone();
    this.#switch.show(state.list);
    if (home === null) return;
    const base = signature(model);
    const now = base + state.weights + state.pins + state.blocks;
    if (now === this.#last) return;
    this.#last = now;
    try {
      const seat = await this.#acts.local.seat(home.snapshot.id, token === "" ? state.viewer : "", momentOf(model));
      if (now !== this.#last) return;
      this.#seat = seat;
      if (base !== this.#liveBase) this.#live = seat.arrange(question(model, { limit: MAX_ITEMS }));
      this.#liveBase = base;
      this.#draw();
    } catch (error) {
      this.#last = null;
      replace(this.#list, element("li", {}, failure(error)));
    }
  }

  #draw() {
    const { state } = this.#model;
    const published = this.#seat.weights();
    const weights = tried(published, state.weights);
    const pins = readPins(state.pins);
    const blocks = readBlocks(state.blocks);
    const beganMs = performance.now();
    const answer = this.#seat.arrange(question(this.#model, { limit: MAX_ITEMS, weights, pins, blocks }));
    const rankedMs = performance.now() - beganMs;
    this.#showSliders(state.list, published, weights);
    const surface = state.list;
    const keys = (one) => one[surface].items.map((item) => itemKey(surface, item));
    const before = keys(this.#live);
    const after = keys(answer);
    const change = difference(before, after);
    const isTried = state.weights !== "" || state.pins !== "" || state.blocks !== "";
    this.#undo.disabled = !isTried;
    replace(this.#summary, isTried ? figures(change) : say("아직 바꾼 것이 없어요. 지금 나가는 순서예요."));
    this.#showList(surface, answer, change, pins, blocks);
    this.#rules.textContent = rulesText(published, weights, pins, blocks, this.#live.new.items);
    this.#acts.shownTrial(isTried ? answer : null);
    const drawnMs = performance.now() - beganMs;
    this.#cost.textContent = say`${after.length}개 순서 계산 ${rankedMs.toFixed(1)} ms, 화면까지 ${drawnMs.toFixed(1)} ms`;
    this.#cost.dataset.ms = drawnMs.toFixed(1);
    this.#cost.dataset.items = String(after.length);
  }

  #showSliders(surface, published, weights) {
    if (this.#built !== surface) {
      this.#built = surface;
      replace(
        this.#sliders,
        element(
          "div",
          { class: "section-head" },
          element("h3", {}, say`${SURFACES[surface].name}의 세기`),
          this.#undo,
        ),
        SURFACES[surface].signals.map((part) => slider(surface, part, published[surface][part], (value, underway) => this.#weigh(part, value, underway))),
      );
    }
    for (const part of SURFACES[surface].signals) {
      const value = weights[surface][part];
      for (const input of this.#sliders.querySelectorAll(`[data-part="${part}"]`)) {
        if (Number(input.value) !== value) input.value = String(value);
      }
      const row = this.#sliders.querySelector(`[data-row="${part}"]`);
      row.classList.toggle("tried", value !== published[surface][part]);
    }
  }

  #weigh(part, value, underway) {
    if (!Number.isInteger(value) || this.#seat === null) return;
    const surface = this.#model.state.list;
    const published = this.#seat.weights();
    const all = readWeights(this.#model.state.weights);
    all.set(`${surface}.${part}`, value);
    if (published[surface][part] === value) all.delete(`${surface}.${part}`);
    this.#acts.change({ weights: [...all].map(([name, weight]) => `${name}:${weight}`).join(",") }, underway);
  }

  #showList(surface, answer, { moves }, pins, blocks) {
    const items = answer[surface].items.slice(0, HANDLED);
    const scores = answer.scores[surface];
    const reach = {
      right: Math.max(1, ...scores.slice(0, HANDLED).map((score) => side(score, 1))),
      left: Math.max(0, ...scores.slice(0, HANDLED).map((score) => side(score, -1))),
    };
    const titles = new Map(this.#live.new.items.map((item) => [item.product_id, item.title]));
    replace(
      this.#list,
      items.map((item, place) => this.#row(surface, item, place, scores[place], reach, moves[place], pins)),
      surface !== "new"
        ? []
        : blocks.map((id) =>
            element(
              "li",
              { class: "blocked" },
              element("span", { class: "compare-title", lang: "ko" }, titles.get(id) ?? id),
              this.#act(`unblock-${id}`, say("다시 보이기"), titles.get(id) ?? id, () => this.#unblock(id)),
            ),
          ),
    );
    this.#sortable?.option("disabled", surface !== "new");
    const next = this.#focusNext;
    this.#focusNext = null;
    if (next !== null && document.activeElement === document.body) this.#list.querySelector(`[data-key="${next}"]`)?.focus();
  }

  #row(surface, item, place, score, reach, moved, pins) {
    const key = itemKey(surface, item);
    const name = item.title ?? item.label;
    const pinned = surface === "new" && pins.some((pin) => pin.product_id === key);
    return element(
      "li",
      { "data-item": key, class: pinned ? "pinned" : null },
      surface === "new" ? element("span", { class: "handle", "aria-hidden": "true", title: say("끌어서 옮기기") }, "⠿") : null,
      element("span", { class: "place" }, String(place + 1)),
      element("span", { class: "compare-title", lang: "ko", title: name }, name),
      move(moved),
      bar(score, reach),
      surface !== "new"
        ? null
        : element(
            "span",
            { class: "row-tools" },
            this.#act(`up-${key}`, "▲", name, () => this.#pin(key, Math.max(0, place - 1)), say("위로")),
            this.#act(`down-${key}`, "▼", name, () => this.#pin(key, place + 1), say("아래로")),
            pinned
              ? this.#act(`free-${key}`, say("고정 풀기"), name, () => this.#unpin(key))
              : this.#act(`pin-${key}`, say("고정"), name, () => this.#pin(key, place)),
            this.#act(`block-${key}`, say("숨기기"), name, () => this.#block(key)),
          ),
    );
  }

  #act(key, label, about, act, spoken = label) {
    return element(
      "button",
      { type: "button", class: "small-act", "data-key": key, "aria-label": `${spoken}: ${about}`, onclick: act },
      label,
    );
  }

  #pin(id, place) {
    this.#focusNext = `free-${id}`;
    const pins = readPins(this.#model.state.pins).filter((pin) => pin.product_id !== id);
    this.#acts.change({ pins: writePins([...pins, { product_id: id, place }]) });
  }

  #unpin(id) {
    this.#focusNext = `pin-${id}`;
    this.#acts.change({ pins: writePins(readPins(this.#model.state.pins).filter((pin) => pin.product_id !== id)) });
  }

  #block(id) {
    this.#focusNext = `unblock-${id}`;
    const { pins, blocks } = this.#model.state;
    this.#acts.change({
      blocks: [...readBlocks(blocks), id].join(","),
      pins: writePins(readPins(pins).filter((pin) => pin.product_id !== id)),
    });
  }

  #unblock(id) {
    this.#focusNext = `block-${id}`;
    this.#acts.change({ blocks: readBlocks(this.#model.state.blocks).filter((one) => one !== id).join(",") });
  }

  async #copy() {
    try {
      await navigator.clipboard.writeText(this.#rules.textContent);
      this.#acts.announce(say("규칙을 복사했어요"));
    } catch {
      this.#acts.announce(say("복사하지 못했어요. 글을 직접 골라 복사해 주세요."));
    }
  }
}

/** The product of a row of the list or a card of the phone. */
function idOf(item) {
  return item.dataset.item ?? item.querySelector("article").dataset.product;
}

function side(score, sign) {
  return PARTS.reduce((sum, part) => sum + Math.max(0, sign * (score[part] ?? 0)), 0);
}

function slider(surface, part, published, change) {
  const id = `weight-${part}`;
  const most = Math.max(100, Math.abs(published) * 3);
  const act = (underway) => (event) => change(Number(event.target.value), underway);
  return element(
    "div",
    { class: "slider", "data-row": part },
    element("label", { for: id }, element("i", { class: `swatch part-${part}` }), PART_NAMES[part]),
    element("input", {
      id,
      type: "range",
      min: -most,
      max: most,
      step: 1,
      value: published,
      "data-part": part,
      oninput: act(true),
      onchange: act(false),
    }),
    element("input", {
      type: "number",
      class: "weight",
      min: -1_000_000,
      max: 1_000_000,
      step: 1,
      value: published,
      "data-part": part,
      "aria-label": say`${PART_NAMES[part]} 숫자로`,
      onchange: act(false),
    }),
    element("span", { class: "hint" }, say`지금 ${published}`),
  );
}

/** Parses `new.soon:40,live.taste:0` into a map; unreadable parts are dropped. */
export function readWeights(text) {
  const all = new Map();
  for (const part of text.split(",")) {
    const found = /^([a-z]+)\.([a-z_]+):(-?\d{1,7})$/.exec(part);
    if (found !== null && SURFACES[found[1]]?.signals.includes(found[2])) all.set(`${found[1]}.${found[2]}`, Number(found[3]));
  }
  return all;
}

function tried(published, text) {
  const weights = structuredClone(published);
  for (const [name, value] of readWeights(text)) {
    const [surface, part] = name.split(".");
    weights[surface][part] = value;
  }
  return weights;
}

/** Parses `0123456789abcdef:2,…`; places count from 0. */
export function readPins(text) {
  return text.split(",").flatMap((part) => {
    const found = /^([0-9a-f]{16}):(\d{1,3})$/.exec(part);
    return found === null ? [] : [{ product_id: found[1], place: Number(found[2]) }];
  });
}

function writePins(pins) {
  return pins.map(({ product_id, place }) => `${product_id}:${place}`).join(",");
}

export function readBlocks(text) {
  return text.split(",").filter((id) => /^[0-9a-f]{16}$/.test(id));
}

/**
 * The change as text for `rules.toml` (docs/rules.md): the weights of a surface, and a directive
 * for each pinned or hidden product.
 */
export function rulesText(published, weights, pins, blocks, items) {
  const lines = [];
  for (const surface of Object.keys(SURFACES)) {
    const changed = SURFACES[surface].signals.filter((part) => weights[surface][part] !== published[surface][part]);
    if (changed.length === 0) continue;
    lines.push(`[ranking.${surface}]`);
    // A signal missing from the file's table would count nothing, so all are written.
    for (const part of SURFACES[surface].signals) {
      const remark = changed.includes(part) ? `  # ${published[surface][part]}` : "";
      lines.push(`${part} = ${weights[surface][part]}${remark}`);
    }
    lines.push("");
  }
  const titles = new Map(items.map((item) => [item.product_id, item.title]));
  const directive = (act, id, more) =>
    lines.push("[[directive]]", `name = ${quoted(titles.get(id) ?? id)}`, `do = "${act}"`, ...more, `product = ["${id}"]`, "");
  for (const { product_id, place } of pins) directive("pin", product_id, [`place = ${place + 1}`]);
  for (const id of blocks) directive("hide", id, []);
  return lines.length === 0 ? say("# 바뀐 것이 없어요") : lines.join("\n").trim();
}

/** A TOML basic string. */
function quoted(text) {
  return JSON.stringify([...text].slice(0, MAX_NAME).join("")).replaceAll("\u007f", "\\u007f");
}
