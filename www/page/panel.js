// The controls beside the phone: who looks, when, with which token; and what data the answers stand on.

import { element, replace } from "./element.js";
import { age, clock, date, datetimeLocal, number, parseTime, startTime } from "./format.js";

const HOUR_MS = 3600_000;
const STEP_MS = 600_000;
const JUMPS = [
  ["−1일", -24 * HOUR_MS],
  ["−1시간", -HOUR_MS],
  ["+1시간", HOUR_MS],
  ["+1일", 24 * HOUR_MS],
];
const RUNGS = new Map([
  ["isolate", "메모리 (가장 빠름)"],
  ["kv", "저장소 (KV)"],
  ["stale", "지난 자료 (저장소 장애)"],
  ["cache", "데이터 센터 캐시 (저장소 장애)"],
  ["bundle", "배포에 담긴 자료 (저장소 장애)"],
]);

/** The controls in `root`. `acts`: `change(part, replaceAddress)`, `token(text)`, `reload()`, `forget()`. */
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
    placeholder: "예: u000123",
  });
  #time = element("input", { id: "time", type: "datetime-local", onchange: () => this.#typedTime() });
  #timeNow = element(
    "button",
    { type: "button", class: "button", onclick: () => this.#acts.change({ asOfMs: null }) },
    "지금",
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
  #facts = element("dl", { class: "facts" });
  #reload = element(
    "button",
    { type: "button", class: "button small", onclick: () => this.#acts.reload() },
    "다시 불러오기",
  );
  #window = null;
  #nowMs = 0;
  #asOfMs = null;
  #offered = null;

  constructor(root, acts) {
    this.#acts = acts;
    this.#who.append(
      element("legend", {}, "누가 보나요"),
      element("label", { for: "viewer" }, "사용자"),
      this.#viewerSelect,
      element("label", { for: "viewer-text" }, "사용자 ID 직접 입력"),
      element(
        "form",
        { class: "line", onsubmit: (event) => this.#typedViewer(event) },
        this.#viewerText,
        element("button", { type: "submit", class: "button" }, "보기"),
      ),
    );
    this.#when.append(
      element("legend", {}, "언제 보나요"),
      element("div", { class: "line time-head" }, this.#timeWords, this.#timeNow),
      element("label", { for: "time" }, "시각 (한국 시간)"),
      this.#time,
      element(
        "div",
        { class: "jumps", role: "group", "aria-label": "시각 옮기기" },
        JUMPS.map(([label, byMs]) =>
          element("button", { type: "button", class: "button", onclick: () => this.#jump(byMs) }, label),
        ),
      ),
      element("label", { for: "time-slider" }, "편성 기간에서 고르기"),
      this.#slider,
      this.#sliderEnds,
    );
    root.append(
      element("h2", {}, "미리보기 설정"),
      this.#closed,
      this.#who,
      this.#when,
      element(
        "details",
        { class: "group token" },
        element("summary", {}, "토큰으로 보기"),
        element("label", { for: "token" }, "앱 토큰 (JWT)"),
        this.#token,
        element(
          "div",
          { class: "line" },
          element(
            "button",
            { type: "button", class: "button", onclick: () => this.#acts.token(this.#token.value.trim()) },
            "이 토큰으로 보기",
          ),
          element("button", { type: "button", class: "button", onclick: () => this.#acts.token("") }, "지우기"),
        ),
        element("p", { class: "hint" }, "토큰은 이 창에서만 쓰이고 저장되지 않아요."),
      ),
      element(
        "section",
        { class: "group", "aria-labelledby": "facts-title" },
        element("div", { class: "section-head" }, element("h3", { id: "facts-title" }, "보여 주는 자료"), this.#reload),
        this.#facts,
      ),
    );
  }

  /** Shows the controls for `model` (see main.js). */
  show(model) {
    const { state, preview, token, status, viewers } = model;
    this.#nowMs = model.clock.now(null);
    this.#asOfMs = preview === null ? null : state.asOfMs;
    this.#showClosed(model);
    this.#who.disabled = preview === null || token !== "";
    this.#when.disabled = preview === null;
    this.#showViewers(preview === null ? "" : state.viewer, viewers);
    if (token === "" || this.#token.value === "") this.#token.value = token;

    const shownMs = this.#asOfMs ?? this.#nowMs;
    if (document.activeElement !== this.#time || parseTime(this.#time.value) !== null)
      this.#time.value = datetimeLocal(shownMs);
    this.#timeNow.setAttribute("aria-pressed", String(this.#asOfMs === null));
    this.#showSlider(status?.window ?? null, shownMs);
    this.#showWords();
    this.#showFacts(model);
  }

  /** Keeps the shown time running while no time is chosen. */
  tick(nowMs) {
    this.#nowMs = nowMs;
    if (this.#asOfMs !== null) return;
    const shown = datetimeLocal(nowMs);
    if (this.#time.value !== shown && document.activeElement !== this.#time) this.#time.value = shown;
    this.#showWords();
  }

  #showClosed({ preview, state, token }) {
    const asked = state.viewer !== "" || state.asOfMs !== null;
    replace(
      this.#closed,
      preview === null
        ? [
            element("p", {}, element("strong", {}, "공개 화면만 보고 있어요.")),
            element(
              "p",
              {},
              asked
                ? "이 링크는 사용자나 시각을 골라 둔 것이라 미리보기 열쇠가 있어야 그대로 보입니다. "
                : "사용자와 시각을 고르려면 미리보기 열쇠가 필요해요. ",
              "주소 끝에 ",
              element("code", {}, "#preview=열쇠"),
              " 를 붙여 여세요.",
            ),
          ]
        : token !== ""
          ? element("p", {}, "토큰의 사용자로 보고 있어요. 다른 사용자를 고르려면 토큰을 지우세요.")
          : null,
    );
    this.#closed.hidden = this.#closed.childElementCount === 0;
  }

  #showViewers(viewer, viewers) {
    const known = viewers.some((one) => one.user_id === viewer);
    const offered = JSON.stringify([viewers, known ? "" : viewer]);
    if (offered !== this.#offered) {
      this.#viewerSelect.replaceChildren(
        element("option", { value: "" }, "비회원"),
        ...viewers.map((one) => element("option", { value: one.user_id }, `${one.label} (${one.user_id})`)),
        ...(known || viewer === "" ? [] : [element("option", { value: viewer }, `직접 입력: ${viewer}`)]),
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
      this.#asOfMs === null ? `지금 · ${clock(this.#nowMs)}` : `${startTime(this.#asOfMs, this.#nowMs)}에 멈춤`;
    if (this.#timeWords.textContent !== text) this.#timeWords.textContent = text;
  }

  #showFacts({ home, homeHeaders, status }) {
    const header = (name) => homeHeaders?.find(([key]) => key === name)?.[1] ?? null;
    const rung = header("sinsang-rung");
    const counts = status?.counts ?? null;
    const count = (value) => (value === null || value === undefined ? null : number(value));
    const rows = [
      ["순서", home === null ? null : home.personalized ? "맞춤 (이 사용자의 취향)" : "공통 (모두에게 같음)"],
      ["시계", status === null ? null : status.clock === "shifted" ? "데모 시각 (실제와 다름)" : "실제 시각"],
      ["자료 나이", home === null ? null : `${age(home.snapshot.age_s)} 만듦`],
      ["자료 번호", home?.snapshot.id ?? null],
      ["가져온 곳", rung === null ? null : (RUNGS.get(rung) ?? rung)],
      ["상품", count(counts?.products)],
      ["신상품", count(counts?.new)],
      ["다시 방송", count(counts?.repeat)],
      ["알 수 없음", count(counts?.unknown)],
      ["방송", count(counts?.broadcasts)],
      ["취향을 아는 사용자", count(counts?.users)],
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
    // While a year is being typed, its first digits are a year too.
    if (atMs !== null && this.#time.validity.valid) this.#acts.change({ asOfMs: atMs });
  }

  #jump(byMs) {
    const fromMs = this.#asOfMs ?? Math.floor(this.#nowMs / 60_000) * 60_000;
    this.#acts.change({ asOfMs: fromMs + byMs });
  }

  #slid(underway) {
    if (this.#window === null) return;
    const asOfMs = this.#window.fromMs + Number(this.#slider.value) * STEP_MS;
    this.#acts.change({ asOfMs }, underway);
  }
}
