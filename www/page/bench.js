// The tools beside the phone, one at a time: answers, comparison, reasons, trial, speed, quality.
// Each is loaded on first use.

import { element, replace } from "./element.js";
import { Refused } from "./api.js";
import { say } from "./language.js";
import { SURFACES } from "./surface.js";
import { nothing, words } from "./trouble.js";

const TOOLS = [
  ["answers", say("받은 답")],
  ["compare", say("나란히")],
  ["why", say("왜")],
  ["trial", say("만약")],
  ["speed", say("속도")],
  ["quality", say("품질")],
];
/** Tools that rank in the browser, from packs that only a preview may download. */
const CLOSED = new Set(["compare", "why", "trial", "quality"]);
const LOADERS = {
  compare: () => import("./compare.js").then(({ Compare }) => Compare),
  why: () => import("./why.js").then(({ Why }) => Why),
  trial: () => import("./trial.js").then(({ Trial }) => Trial),
  speed: () => import("./speed.js").then(({ Speed }) => Speed),
  quality: () => import("./quality.js").then(({ Quality }) => Quality),
};

/**
 * The tabs and panels in `root`. `acts`: `change(part, underway)`, `announce(text)`, `local`,
 * `ask(path)`, `shownTrial(answer)`.
 */
export class Bench {
  #acts;
  #tools = new Map();
  #panels = new Map();
  #tabs = element("div", { class: "bench-tabs", role: "tablist", "aria-label": say("도구") });
  #shown = null;
  #turn = 0;

  constructor(root, acts) {
    this.#acts = acts;
    this.#tabs.addEventListener("keydown", (event) => this.#move(event));
    root.append(this.#tabs);
    for (const [name, label] of TOOLS) {
      this.#tabs.append(
        element(
          "button",
          {
            type: "button",
            role: "tab",
            id: `bench-${name}`,
            "data-tool": name,
            "aria-controls": `tool-${name}`,
            onclick: () => acts.change({ tool: name }),
          },
          label,
        ),
      );
      const panel = element("div", {
        id: `tool-${name}`,
        class: "tool",
        role: "tabpanel",
        "aria-labelledby": `bench-${name}`,
        hidden: true,
      });
      this.#panels.set(name, panel);
      root.append(panel);
    }
  }

  /** The panel with the list of answers. */
  get answers() {
    return this.#panels.get("answers");
  }

  /** Shows the tool that the state of `model` (see main.js) names. */
  async show(model) {
    const { tool } = model.state;
    for (const tab of this.#tabs.children) {
      const chosen = tab.dataset.tool === tool;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
      this.#panels.get(tab.dataset.tool).hidden = !chosen;
    }
    if (this.#shown !== tool) this.#tools.get(this.#shown)?.leave?.();
    this.#shown = tool;
    if (tool === "answers") return;
    const panel = this.#panels.get(tool);
    const turn = (this.#turn += 1);
    if (CLOSED.has(tool) && model.preview === null) {
      this.#tools.delete(tool);
      replace(panel, nothing(say("미리보기 열쇠가 필요해요"), say("주소 끝에 #preview=열쇠 를 붙여 여세요.")));
      return;
    }
    if (!this.#tools.has(tool)) {
      replace(panel, element("p", { class: "hint", role: "status" }, say("준비하는 중…")));
      const Tool = await LOADERS[tool]();
      // Another tool was chosen while this one was loading.
      if (turn !== this.#turn) return;
      panel.replaceChildren();
      this.#tools.set(tool, new Tool(panel, this.#acts));
    }
    await this.#tools.get(tool).show(model);
  }

  #move(event) {
    const tabs = [...this.#tabs.children];
    const at = tabs.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    const tab = tabs[(to + tabs.length) % tabs.length];
    tab.focus();
    this.#acts.change({ tool: tab.dataset.tool });
  }
}

/** A tool's message on a failure. */
export function failure(error) {
  const { title, text } = error instanceof Refused ? words(error) : { title: say("계산하지 못했어요"), text: String(error) };
  return element("div", { class: "group", role: "alert" }, element("strong", {}, title), element("p", {}, text));
}

/** The core's question for the view of `model`: its time, filters and sort. */
export function question({ state, clock, home, homeHeaders }, more = {}) {
  return {
    now_ms: Math.floor(clock.now(state.asOfMs) / 1000) * 1000,
    // For a chosen snapshot, the age is judged at the chosen time; for the live one, at the
    // present.
    checked_at_ms: Math.floor(clock.now(state.snapshot === "" ? null : state.asOfMs)),
    is_soonest: state.sort === "soonest",
    category: state.category === "" ? null : state.category,
    channel: state.channel === "" ? null : state.channel,
    region: state.region,
    device_class: state.device_class,
    // The served variants: those chosen here, or those that the edge assigned.
    variants: Object.entries(home?.experiments ?? {}).map(([experiment, variant]) => `${experiment}:${variant}`),
    audiences: audiencesOf(homeHeaders),
    ...more,
  };
}

/** The audiences that the viewer of an answer is in, as one number. */
export function audiencesOf(headers) {
  return Number(headerOf(headers, "sinsang-audiences") ?? 0);
}

/** The value of a header, `null` without one. */
export function headerOf(headers, wanted) {
  return headers?.find(([name]) => name === wanted)?.[1] ?? null;
}

/**
 * What the edge's order of `model` stands on besides the snapshot: the number of its pulse, `null`
 * without one, as for a chosen time; and the revision of the overlay, `null` without one.
 */
export function momentOf({ homeHeaders }) {
  const number = (wanted) => {
    const value = headerOf(homeHeaders, wanted);
    return value === null ? null : Number(value);
  };
  return { pulse: number("sinsang-pulse"), overlay: number("sinsang-overlay") };
}

/** The inputs of an order as text: while it is unchanged, nothing has to be recomputed. */
export function signature(model, ...more) {
  const { state, home, token, preview } = model;
  const { viewer, asOfMs, region, device_class, category, channel, sort, list } = state;
  const { snapshot, live, experiments, new: fresh } = home ?? {};
  // The slots on air stand for the running time.
  const onAir = live?.items.map(({ broadcast }) => broadcast.starts_at + broadcast.channel.id);
  return JSON.stringify([viewer, asOfMs, region, device_class, category, channel, sort, list, snapshot?.id, experiments, onAir, fresh?.total, momentOf(model), audiencesOf(model.homeHeaders), token, preview, more]);
}

/** Radio buttons that choose one of the three surfaces for a tool. */
export function listSwitch(change) {
  const choices = Object.entries(SURFACES).map(([surface, { name }]) => [surface, name]);
  const root = element(
    "fieldset",
    { class: "switch" },
    element("legend", { class: "unseen" }, say("화면")),
    choices.map(([value, label]) =>
      element(
        "label",
        {},
        element("input", { type: "radio", name: "list", value, onchange: () => change({ list: value }) }),
        element("span", {}, label),
      ),
    ),
  );
  return {
    root,
    show: (list) => {
      for (const radio of root.querySelectorAll("input")) radio.checked = radio.value === list;
    },
  };
}
