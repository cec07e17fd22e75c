// The controls beside the phone (viewer, time, token) and the sources of the answers' data.

import { audiencesOf, headerOf } from "./bench.js";
import { contextName, contextSwitch } from "./context.js";
import { element, replace } from "./element.js";
import { age, clock, date, datetimeLocal, number, parseTime, snapshotName, startTime } from "./format.js";
import { say } from "./language.js";
import { rungName } from "./rung.js";
import { PREVIEWED, variantsOf } from "./state.js";

const HOUR_MS = 3600_000;
/** The variants that measure a rule (`crates/pipeline/src/read/rules/measure.rs`). */
const RULED = { with: say("적용"), without: say("미적용") };
const STEP_MS = 600_000;
const JUMPS = [
  [say("−1일"), -24 * HOUR_MS],
  [say("−1시간"), -HOUR_MS],
  [say("+1시간"), HOUR_MS],
  [say("+1일"), 24 * HOUR_MS],
];

/**
 * The controls in `root`. `acts`: `change(part, replaceAddress)`, `token(text)`, `reload()`,
 * `forget()`.
 */
export class Panel {
  #acts;
  #viewerSelect = element("select", {
    id: "viewer",
    onchange: (event) => this.#acts.change({ viewer: event.target.value }),
  });
  #viewerText = element("input", {
    id: "viewer-text",
    type: "text",
    autocomplete: "off",
    spellcheck: "false",
    placeholder: say("예: u000123"),
    list: "viewer-names",
  });
  #viewerNames = element("datalist", { id: "viewer-names" });
  #time = element("input", { id: "time", type: "datetime-local", onchange: () => this.#typedTime() });
  #timeNow = element(
    "button",
    { type: "button", class: "button", onclick: () => this.#acts.change({ asOfMs: null }) },
    say("지금"),
  );
  #slider = element("input", {
    id: "time-slider",
    type: "range",
    min: "0",
    max: "1",
    step: "1",
    oninput: () => this.#slid(true),
    onchange: () => this.#slid(false),
  });
  #sliderEnds = element("div", { class: "slider-ends", "aria-hidden": "true" });
  #timeWords = element("output", { class: "time-words", for: "time time-slider" });
  #token = element("textarea", {
    id: "token",
    rows: "3",
    autocomplete: "off",
    spellcheck: "false",
    placeholder: "eyJ…",
  });
  #closed = element("div", { class: "closed" });
  #who = element("fieldset", { class: "group" });
  #when = element("fieldset", { class: "group" });
  #context = contextSwitch("context", (context) => this.#acts.change(context));
  #snapshot = element("select", {
    id: "snapshot",
    onchange: (event) => this.#acts.change({ snapshot: event.target.value }),
  });
  #offeredSnapshots = null;
  #what = element("fieldset", { class: "group" });
  #experiments = element("div", { class: "experiments" });
  #offeredExperiments = null;
  #facts = element("dl", { class: "facts" });
  #reload = element(
    "button",
    { type: "button", class: "button small", onclick: () => this.#acts.reload() },
    say("다시 불러오기"),
  );
  #window = null;
  #nowMs = 0;
  #asOfMs = null;
  #offered = null;
  /** The phone's broadcasts, whose starts and ends are the nearby boundaries. */
  #broadcasts = [];

  constructor(root, acts) {
    this.#acts = acts;
    this.#who.append(
      element("legend", {}, say("누가 보나요")),
      element("label", { for: "viewer" }, say("사용자")),
      this.#viewerSelect,
      this.#viewerNames,
      element("label", { for: "viewer-text" }, say("사용자 찾기 · 직접 입력")),
      element(
        "form",
        { class: "line", onsubmit: (event) => this.#typedViewer(event) },
        this.#viewerText,
        element("button", { type: "submit", class: "button" }, say("보기")),
      ),
      this.#context.root,
    );
    this.#what.append(
      element("legend", {}, say("무엇으로 보나요")),
      element("label", { for: "snapshot" }, say("자료")),
      this.#snapshot,
      this.#experiments,
    );
    this.#when.append(
      element("legend", {}, say("언제 보나요")),
      element("div", { class: "line time-head" }, this.#timeWords, this.#timeNow),
      element("label", { for: "time" }, say("시각 (한국 시간)")),
      this.#time,
      element(
        "div",
        { class: "jumps", role: "group", "aria-label": say("시각 옮기기") },
        JUMPS.map(([label, byMs]) =>
          element("button", { type: "button", class: "button", onclick: () => this.#jump(byMs) }, label),
        ),
      ),
      element(
        "div",
        { class: "jumps two", role: "group", "aria-label": say("방송 경계로 옮기기") },
        element("button", { type: "button", class: "button", onclick: () => this.#boundary(-1) }, say("◀ 앞 경계")),
        element("button", { type: "button", class: "button", onclick: () => this.#boundary(1) }, say("뒤 경계 ▶")),
      ),
      element("label", { for: "time-slider" }, say("편성 기간에서 고르기")),
      this.#slider,
      this.#sliderEnds,
    );
    root.append(
      element("h2", {}, say("미리보기 설정")),
      this.#closed,
      this.#who,
      this.#when,
      this.#what,
      element(
        "details",
        { class: "group token" },
        element("summary", {}, say("토큰으로 보기")),
        element("label", { for: "token" }, say("앱 토큰 (JWT)")),
        this.#token,
        element(
          "div",
          { class: "line" },
          element(
            "button",
            { type: "button", class: "button", onclick: () => this.#acts.token(this.#token.value.trim()) },
            say("이 토큰으로 보기"),
          ),
          element("button", { type: "button", class: "button", onclick: () => this.#acts.token("") }, say("지우기")),
        ),
        element("p", { class: "hint" }, say("토큰은 이 창에서만 쓰이고 저장되지 않아요.")),
      ),
      element(
        "section",
        { class: "group", "aria-labelledby": "facts-title" },
        element("div", { class: "section-head" }, element("h3", { id: "facts-title" }, say("보여 주는 자료")), this.#reload),
        this.#facts,
      ),
    );
  }

  /** Shows the controls for `model` (see main.js). */
  show(model) {
    const { state, preview, token, status, viewers } = model;
    this.#nowMs = model.clock.now(null);
    this.#asOfMs = preview === null ? null : state.asOfMs;
    this.#broadcasts = [
      ...(model.home?.live.items ?? []).map((item) => item.broadcast),
      ...(model.home?.new.items ?? []).flatMap((item) => item.broadcasts),
    ];
    this.#showClosed(model);
    this.#who.disabled = preview === null;
    // A token names its own user.
    for (const control of this.#who.querySelectorAll("#viewer, .line > *")) control.disabled = token !== "";
    // Viewers with tastes get their own order in any context.
    this.#context.root.hidden = model.home?.personalized === true;
    this.#context.show(state);
    this.#when.disabled = preview === null;
    this.#what.disabled = preview === null;
    this.#showViewers(preview === null ? "" : state.viewer, viewers);
    this.#showSnapshots(preview === null ? "" : state.snapshot, model.snapshots);
    this.#showExperiments(state, status?.experiments ?? []);
    if (token === "" || this.#token.value === "") this.#token.value = token;

    const shownMs = this.#asOfMs ?? this.#nowMs;
    if (document.activeElement !== this.#time || parseTime(this.#time.value) !== null)
      this.#time.value = datetimeLocal(shownMs);
    this.#timeNow.setAttribute("aria-pressed", String(this.#asOfMs === null));
    this.#showSlider(status?.window ?? null, shownMs);
    this.#showWords();
    this.#showFacts(model);
  }

  /** Advances the displayed time while no time is chosen. */
  tick(nowMs) {
    this.#nowMs = nowMs;
    if (this.#asOfMs !== null) return;
    const shown = datetimeLocal(nowMs);
    if (this.#time.value !== shown && document.activeElement !== this.#time) this.#time.value = shown;
    this.#showWords();
  }

  #showClosed({ preview, state, token }) {
    const asked = Object.entries(PREVIEWED).some(([key, none]) => state[key] !== none);
    replace(
      this.#closed,
      preview === null
        ? [
            element("p", {}, element("strong", {}, say("공개 화면만 보고 있어요."))),
            element(
              "p",
              {},
              asked
                ? say("이 링크는 사용자나 시각 같은 것을 골라 둔 것이라 미리보기 열쇠가 있어야 그대로 보입니다. ")
                : say("사용자와 시각을 고르려면 미리보기 열쇠가 필요해요. "),
              say("주소 끝에 "),
              element("code", {}, say("#preview=열쇠")),
              say(" 를 붙여 여세요."),
            ),
          ]
        : token !== ""
          ? element("p", {}, say("토큰의 사용자로 보고 있어요. 다른 사용자를 고르려면 토큰을 지우세요."))
          : null,
    );
    this.#closed.hidden = this.#closed.childElementCount === 0;
  }

  /**
   * A choice of variants for each experiment of the snapshot; only one in each layer can be chosen.
   */
  #showExperiments(state, experiments) {
    const offered = JSON.stringify([experiments, state.variants]);
    if (offered === this.#offeredExperiments) return;
    this.#offeredExperiments = offered;
    const chosen = variantsOf(state);
    const layerOf = (name) => experiments.find((one) => name.startsWith(`${one.id}:`))?.layer;
    const choose = (one, variant) => {
      const others = chosen.filter((name) => layerOf(name) !== undefined && layerOf(name) !== one.layer);
      this.#acts.change({ variants: [...others, ...(variant === "" ? [] : [`${one.id}:${variant}`])].join(",") });
    };
    replace(
      this.#experiments,
      experiments.flatMap((one) => {
        const id = `experiment-${one.id}`;
        const select = element(
          "select",
          { id, onchange: (event) => choose(one, event.target.value) },
          element("option", { value: "" }, say("배정된 대로")),
          one.variants.map((variant) => element("option", { value: variant }, one.rule === undefined ? variant : (RULED[variant] ?? variant))),
        );
        select.value = one.variants.find((variant) => chosen.includes(`${one.id}:${variant}`)) ?? "";
        return [element("label", { for: id }, one.rule === undefined ? say`실험 ${one.id}` : say`규칙 ${one.rule}`), select];
      }),
    );
  }

  #showSnapshots(chosen, snapshots) {
    const known = chosen === "" || snapshots.some(({ id }) => id === chosen);
    const offered = JSON.stringify([snapshots, known ? "" : chosen]);
    if (offered !== this.#offeredSnapshots) {
      this.#snapshot.replaceChildren(
        element("option", { value: "" }, say("지금 나가는 자료")),
        ...snapshots.slice(1).map((one) => element("option", { value: one.id }, snapshotName(one))),
        ...(known ? [] : [element("option", { value: chosen }, chosen)]),
      );
      this.#offeredSnapshots = offered;
    }
    // Choosing the live snapshot by name means no choice.
    this.#snapshot.value = chosen === snapshots[0]?.id ? "" : chosen;
  }

  #showViewers(viewer, viewers) {
    const known = viewers.some((one) => one.user_id === viewer);
    const offered = JSON.stringify([viewers, known ? "" : viewer]);
    if (offered !== this.#offered) {
      this.#viewerSelect.replaceChildren(
        element("option", { value: "" }, say("비회원")),
        ...viewers.map((one) => element("option", { value: one.user_id }, `${one.label} (${one.user_id})`)),
        ...(known || viewer === "" ? [] : [element("option", { value: viewer }, say`직접 입력: ${viewer}`)]),
      );
      this.#viewerNames.replaceChildren(
        ...viewers.map((one) => element("option", { value: one.user_id, label: one.label })),
      );
      this.#offered = offered;
    }
    this.#viewerSelect.value = viewer;
  }

  #showSlider(span, shownMs) {
    this.#slider.disabled = span === null;
    if (span === null) {
      this.#window = null;
      replace(this.#sliderEnds);
      return;
    }
    const fromMs = Math.ceil(Date.parse(span.from) / STEP_MS) * STEP_MS;
    const toMs = Math.max(fromMs + STEP_MS, Math.floor(Date.parse(span.to) / STEP_MS) * STEP_MS);
    if (this.#window?.fromMs !== fromMs || this.#window?.toMs !== toMs) {
      this.#window = { fromMs, toMs };
      this.#slider.max = String((toMs - fromMs) / STEP_MS);
      this.#time.min = datetimeLocal(fromMs - 366 * 24 * HOUR_MS);
      this.#time.max = datetimeLocal(toMs + 366 * 24 * HOUR_MS);
      replace(this.#sliderEnds, element("span", {}, date(fromMs)), element("span", {}, date(toMs)));
    }
    this.#slider.value = String(Math.round((shownMs - fromMs) / STEP_MS));
    this.#slider.setAttribute("aria-valuetext", startTime(shownMs, this.#nowMs));
  }

  #showWords() {
    const text =
      this.#asOfMs === null ? say`지금 · ${clock(this.#nowMs)}` : say`${startTime(this.#asOfMs, this.#nowMs)}에 멈춤`;
    if (this.#timeWords.textContent !== text) this.#timeWords.textContent = text;
  }

  #showFacts({ state, preview, home, homeHeaders, status }) {
    const rung = headerOf(homeHeaders, "sinsang-rung");
    const counts = status?.counts ?? null;
    const count = (value) => (value === null || value === undefined ? null : number(value));
    const rows = [
      [say("순서"), home === null ? null : orderName(home, preview === null ? "" : contextName(state))],
      [say("실험"), home?.experiments === undefined ? null : Object.entries(home.experiments).map((pair) => pair.join(" = ")).join(", ")],
      [say("대상"), audienceNames(status?.audiences ?? [], audiencesOf(homeHeaders))],
      [say("시계"), status === null ? null : status.clock === "shifted" ? say("데모 시각 (실제와 다름)") : say("실제 시각")],
      [say("자료 나이"), home === null ? null : say`${age(home.snapshot.age_s)} 만듦`],
      [say("자료 번호"), home?.snapshot.id ?? null],
      [say("가져온 곳"), rung === null ? null : rungName(rung)],
      [say("상품"), count(counts?.products)],
      [say("신상품"), count(counts?.new)],
      [say("다시 방송"), count(counts?.repeat)],
      [say("알 수 없음"), count(counts?.unknown)],
      [say("방송"), count(counts?.broadcasts)],
      [say("취향을 아는 사용자"), count(counts?.users)],
    ];
    replace(
      this.#facts,
      rows
        .filter(([, value]) => value !== null)
        .map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))),
    );
  }

  #typedViewer(event) {
    event.preventDefault();
    const viewer = this.#viewerText.value.trim();
    if (viewer === "") return;
    this.#viewerText.value = "";
    this.#acts.change({ viewer });
  }

  #typedTime() {
    const atMs = parseTime(this.#time.value);
    // While a year is being typed, its first digits are a valid year too.
    if (atMs !== null && this.#time.validity.valid) this.#acts.change({ asOfMs: atMs });
  }

  #jump(byMs) {
    const fromMs = this.#asOfMs ?? Math.floor(this.#nowMs / 60_000) * 60_000;
    this.#acts.change({ asOfMs: fromMs + byMs });
  }

  /**
   * Goes to the next start or end of a slot, or to the last second before the slots on air began.
   */
  #boundary(direction) {
    const atMs = this.#asOfMs ?? this.#nowMs;
    const times = this.#broadcasts.flatMap(({ starts_at, ends_at }) => [Date.parse(starts_at), Date.parse(ends_at)]);
    const begun = times.filter((time) => time <= atMs);
    const coming = times.filter((time) => time > atMs);
    if (direction > 0 && coming.length > 0) this.#acts.change({ asOfMs: Math.min(...coming) });
    if (direction < 0 && begun.length > 0) {
      const last = Math.max(...begun);
      this.#acts.change({ asOfMs: last === atMs ? last - 1000 : last });
    }
  }

  #slid(underway) {
    if (this.#window === null) return;
    const asOfMs = this.#window.fromMs + Number(this.#slider.value) * STEP_MS;
    this.#acts.change({ asOfMs }, underway);
  }
}

/** The basis of `home`'s order, in words; `from` is the chosen context, in words. */
function orderName({ personalized }, from) {
  if (personalized) return say("맞춤 (이 사용자의 취향)");
  return from === "" ? say("공통 (모두에게 같음)") : say`비회원 (${from}에서 온 사람에게 같음)`;
}

/** The names of audiences, of which `bits` has some by their index; `null` for none. */
function audienceNames(names, bits) {
  return names.filter((_, index) => (bits >>> index) & 1).join(", ") || null;
}
