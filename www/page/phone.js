// The phone: draws tabs, the on-air strip, the new-product tab and the states between from the
// answers.

import { element, replace, shape } from "./element.js";
import { contextName } from "./context.js";
import { Filters } from "./filter.js";
import { clock, date, number } from "./format.js";
import { say } from "./language.js";
import { card, details, groups, liveCard, tick } from "./product.js";
import { nothing, trouble } from "./trouble.js";

const NO_TABS = [];
const byId = (id) => document.getElementById(id);

/**
 * The surface behind a tab of the app: "new", "live", or `null` for one of the app's own screens.
 */
export function surfaceOf(tab) {
  for (const name of ["new", "live"]) {
    if (tab.tab_id === name || tab.target === name || tab.target.replace(/\/$/, "").endsWith(`/${name}`)) return name;
  }
  if (tab.label.startsWith("신상")) return "new";
  return tab.label.startsWith("생방송") ? "live" : null;
}

/**
 * The phone's screen. `acts` are a person's actions: `tab`, `change`, `more`, `clear`, `ways`;
 * `nowMs` is the edge's time.
 */
export class Phone {
  #acts;
  #filters;
  #openProduct;
  #drawn = new Map();
  #shownTab = null;
  /** The inputs of the drawn list: its first product, sort, minute and length. */
  #listed = null;

  constructor(acts) {
    this.#acts = acts;
    this.#filters = new Filters(byId("filters"), acts.change);
    this.#openProduct = (product) => this.#openSheet(product);
    byId("strip-all").addEventListener("click", () => acts.tab("live"));
    byId("tabs").addEventListener("keydown", (event) => this.#moveTab(event));
    // The next page is requested before its place is reached; the button remains for people who
    // don't scroll.
    new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting) && byId("new-more").querySelector('[data-key="more"]') !== null)
          acts.more();
      },
      { root: byId("surface"), rootMargin: "0px 0px 400px" },
    ).observe(byId("new-more"));
    const sheet = byId("sheet");
    sheet.addEventListener("click", (event) => {
      if (event.target === sheet) sheet.close();
    });
  }

  /** Draws all of `model` (see main.js). */
  show(model) {
    const { state, home, homeRefused } = model;
    this.tick(model);
    byId("phone-trial").hidden = !model.trial;
    this.#showViewer(model);
    const tabs = home?.tabs.items ?? NO_TABS;
    const current = currentTab(tabs, state.tab);
    this.#showTabs(tabs, current);
    const surface = current === null ? "new" : surfaceOf(current);

    const lost = home === null && homeRefused !== null;
    byId("strip").hidden = surface !== "new" || lost;
    byId("new").hidden = surface !== "new" || lost;
    byId("live").hidden = surface !== "live" || lost;
    byId("elsewhere").hidden = surface !== null && !lost;
    byId("surface").setAttribute("aria-busy", String(model.loadingHome || model.loadingList));
    if (lost) {
      replace(byId("elsewhere"), trouble(homeRefused, this.#acts.ways(homeRefused)));
      return;
    }
    if (surface === null) {
      replace(
        byId("elsewhere"),
        nothing(say("이 화면은 앱에서 제공됩니다"), say`‘${current.label}’ 탭은 앱에서 볼 수 있어요.`),
      );
      return;
    }
    this.#showLive(model);
    this.#filters.show(state, model.status);
    this.#showNew(model);
    this.tick(model);
  }

  /** Advances the clock, the remaining times and the progress bars. */
  tick(model) {
    const nowMs = model.clock.now(model.state.asOfMs);
    for (const [id, text] of [
      ["phone-clock", clock(nowMs)],
      ["phone-date", date(nowMs)],
    ]) {
      if (byId(id).textContent !== text) byId(id).textContent = text;
    }
    tick(byId("surface"), nowMs);
  }

  #showViewer({ state, home, token, preview, status, snapshots }) {
    const kind = byId("phone-clock-kind");
    const chosen = preview !== null && state.asOfMs !== null;
    const kinds = [
      chosen ? say("고른 시각") : status?.clock === "shifted" ? say("데모 시각") : null,
      preview !== null && state.snapshot !== "" ? say("고른 자료") : null,
      state.snapshot === "" && snapshots.some(({ id, share }) => share > 0 && id === home?.snapshot.id) ? say("시험 중인 자료") : null,
    ].filter((name) => name !== null);
    kind.hidden = kinds.length === 0;
    kind.textContent = kinds.join(" · ");
    const from = preview === null ? "" : contextName(state);
    const named = token !== "" ? say("토큰 사용자") : preview !== null && state.viewer !== "" ? state.viewer : from || say("비회원");
    replace(
      byId("phone-viewer"),
      element("strong", { title: named }, named),
      home === null
        ? null
        : element(
            "span",
            { class: home.personalized ? "order personal" : "order" },
            home.personalized ? say("맞춤 순서") : from === "" ? say("공통 순서") : say("비회원 순서"),
          ),
    );
  }

  #showTabs(tabs, current) {
    if (!this.#changed("tabs", tabs, current)) return;
    const bar = byId("tabs");
    replace(
      bar,
      tabs.map((tab) => {
        const selected = tab === current;
        return element(
          "button",
          {
            type: "button",
            role: "tab",
            id: `tab-${tab.tab_id}`,
            "data-key": `tab-${tab.tab_id}`,
            "data-tab": tab.tab_id,
            "aria-selected": String(selected),
            "aria-controls": "surface",
            tabindex: selected ? "0" : "-1",
            class: tab.pinned ? "tab pinned" : "tab",
            onclick: () => this.#acts.tab(tab.tab_id),
          },
          tab.pinned ? pin() : null,
          element("span", { lang: "ko" }, tab.label),
          tab.pinned ? element("span", { class: "unseen" }, say(" (고정)")) : null,
        );
      }),
    );
    bar.hidden = tabs.length === 0;
    const panel = byId("surface");
    if (current === null) panel.removeAttribute("aria-labelledby");
    else panel.setAttribute("aria-labelledby", `tab-${current.tab_id}`);
    // Only a newly chosen tab is scrolled into view: a person may have moved the bar.
    if (current?.tab_id === this.#shownTab) return;
    this.#shownTab = current?.tab_id ?? null;
    const chosen = bar.querySelector('[aria-selected="true"]');
    if (chosen !== null) bar.scrollLeft = chosen.offsetLeft - (bar.clientWidth - chosen.clientWidth) / 2;
  }

  #moveTab(event) {
    const tabs = [...byId("tabs").children];
    const at = tabs.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    const tab = tabs[(to + tabs.length) % tabs.length];
    tab.focus();
    this.#acts.tab(tab.dataset.tab);
  }

  #showLive({ home, clock: edgeClock, state }) {
    if (!this.#changed("live", home?.live)) return;
    const items = home?.live.items ?? null;
    byId("strip-count").textContent = items === null ? "" : number(items.length);
    byId("live-count").textContent = items === null ? "" : number(items.length);
    byId("strip-all").hidden =
      items === null || items.length === 0 || !home.tabs.items.some((tab) => surfaceOf(tab) === "live");
    const empty = () => [
      element("li", { class: "whole" }, nothing(say("지금은 방송이 없어요"), say("다음 방송을 기다려 주세요."))),
    ];
    for (const [place, root] of [
      ["strip", byId("strip-items")],
      ["live", byId("live-items")],
    ]) {
      if (items === null) replace(root, skeletons(place, 3));
      else replace(root, items.length === 0 ? empty() : items.map((item) => liveCard(item, place, this.#openProduct)));
      tick(root, edgeClock.now(state.asOfMs));
    }
  }

  #showNew({ state, list, listRefused, moreRefused, loadingMore, clock: edgeClock }) {
    const nowMs = edgeClock.now(state.asOfMs);
    const minute = Math.floor(nowMs / 60_000);
    if (!this.#changed("new", list, listRefused, moreRefused, loadingMore, state.sort, minute)) return;
    const root = byId("new-items");
    const more = byId("new-more");
    byId("new-count").textContent = list === null ? "" : number(list.total);
    if (list === null) {
      replace(more);
      if (listRefused === null) replace(root, element("ul", { class: "cards" }, skeletons("card", 4)));
      else replace(root, trouble(listRefused, this.#acts.ways(listRefused)));
      return;
    }
    if (list.items.length === 0) {
      const narrowed = state.category !== "" || state.channel !== "";
      replace(more);
      replace(
        root,
        narrowed
          ? nothing(say("조건에 맞는 상품이 없어요"), say("다른 카테고리나 채널을 골라 보세요."), [
              { label: say("조건 지우기"), act: this.#acts.clear },
            ])
          : nothing(say("새로 나온 상품이 없어요"), say("새 편성이 나오면 여기에 보여 드려요.")),
      );
      return;
    }
    this.#showCards(root, list.items, state.sort, nowMs, minute);
    replace(
      more,
      moreRefused === null ? null : trouble(moreRefused, this.#acts.ways(moreRefused, true)),
      moreRefused === null && list.next_cursor !== null
        ? element(
            "button",
            {
              type: "button",
              class: "button wide",
              "data-key": "more",
              "aria-disabled": loadingMore ? "true" : null,
              onclick: this.#acts.more,
            },
            loadingMore ? say("불러오는 중…") : say("더 보기"),
            element("span", { class: "count" }, `${number(list.items.length)} / ${number(list.total)}`),
          )
        : null,
      list.next_cursor === null && list.items.length > 5 ? element("p", { class: "end" }, say("모두 보셨어요")) : null,
    );
  }

  /** Draws the list; if it only grew, the drawn part stays and the rest is appended. */
  #showCards(root, items, sort, nowMs, minute) {
    const had = this.#listed;
    const grew =
      had !== null &&
      had.first === items[0] &&
      had.last === items[had.count - 1] &&
      had.sort === sort &&
      had.minute === minute &&
      root.querySelector(".cards") !== null;
    const fresh = grew ? items.slice(had.count) : items;
    this.#listed = { first: items[0], last: items.at(-1), sort, minute, count: items.length };
    const drawn = (products, level) => products.map((product) => card(product, nowMs, this.#openProduct, level));
    if (sort !== "soonest") {
      if (grew) root.querySelector(".cards").append(...drawn(fresh, 3));
      else replace(root, element("ul", { class: "cards" }, drawn(fresh, 3)));
      return;
    }
    const days = groups(fresh, nowMs);
    if (grew) this.#continueDay(root.lastElementChild, days, drawn);
    const sections = days.map((day) =>
      element(
        "section",
        { class: "day", "data-day": day.key },
        element("h3", { class: "day-name" }, day.name, day.exact === "" ? null : element("span", {}, day.exact)),
        day.hours.map((hour) => hourOf(hour, drawn)),
      ),
    );
    if (grew) root.append(...sections);
    else replace(root, sections);
  }

  /** Appends to the screen's last day its further items, and removes them from `days`. */
  #continueDay(section, days, drawn) {
    if (days[0]?.key !== section.dataset.day) return;
    const { hours } = days.shift();
    const last = section.lastElementChild;
    if (hours[0]?.name === last.dataset.hour) last.append(...drawn(hours.shift().products, last.dataset.hour === "" ? 4 : 5));
    section.append(...hours.flatMap((hour) => hourOf(hour, drawn)));
  }

  /**
   * Whether a part's inputs have changed since it was drawn: a redrawn part loses a tap under way.
   */
  #changed(part, ...from) {
    const last = this.#drawn.get(part);
    if (last !== undefined && last.every((value, index) => value === from[index])) return false;
    this.#drawn.set(part, from);
    return true;
  }

  #openSheet(product) {
    const sheet = byId("sheet");
    const frame = document.querySelector(".phone-screen").getBoundingClientRect();
    // Styles set by script are not inline styles: a strict content policy allows them.
    sheet.style.setProperty("--sheet-left", `${Math.max(0, frame.left)}px`);
    sheet.style.setProperty("--sheet-width", `${frame.width}px`);
    sheet.style.setProperty("--sheet-bottom", `${Math.max(0, window.innerHeight - frame.bottom)}px`);
    sheet.replaceChildren(...details(product, this.#acts.nowMs(), () => sheet.close()));
    sheet.showModal();
  }
}

function hourOf({ name, products }, drawn) {
  return [
    ...(name === "" ? [] : [element("h4", { class: "hour-name" }, name)]),
    element("ul", { class: "cards", "data-hour": name }, drawn(products, name === "" ? 4 : 5)),
  ];
}

function pin() {
  return shape(
    "svg",
    { class: "pin", viewBox: "0 0 12 12", "aria-hidden": "true", focusable: "false" },
    shape("path", { d: "M4 1h4l-.5 3.5 2 2.5h-7l2-2.5zM6 7v4" }),
  );
}

function currentTab(tabs, wanted) {
  return (
    tabs.find((tab) => tab.tab_id === wanted) ??
    tabs.find((tab) => surfaceOf(tab) === wanted) ??
    tabs.find((tab) => surfaceOf(tab) === "new") ??
    null
  );
}

function skeletons(place, count) {
  return Array.from({ length: count }, () =>
    element(
      "li",
      { class: "skeleton", "aria-hidden": "true" },
      element(
        "div",
        { class: `card ${place}` },
        element("div", { class: "card-picture" }),
        element("div", { class: "card-words" }, element("i"), element("i"), element("i")),
      ),
    ),
  );
}
