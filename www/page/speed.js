// Speed and freshness: the last answer's time by part, its rung and age, and a hundred requests
// measured from here.

import { fact, stand, waterfall } from "./answer.js";
import { histogram } from "./chart.js";
import { element, replace } from "./element.js";
import { bytes, milliseconds, number } from "./format.js";
import { say } from "./language.js";
import { rungName } from "./rung.js";

const REQUESTS = 100;
const BINS = 24;

/** The measurements in `root`. */
export class Speed {
  #acts;
  #last = element("section", { class: "group", "aria-labelledby": "last-title" });
  #button;
  #progress = element("progress", { max: REQUESTS, value: 0, hidden: true, "aria-label": say("요청") });
  #figures = element("div", {});
  #chart = element("div", { class: "chart", role: "img", "aria-label": say("응답 시간의 분포") });
  #abort = null;
  #path = null;
  #plot = null;

  constructor(root, acts) {
    this.#acts = acts;
    this.#button = element("button", { type: "button", class: "button strong", onclick: () => this.#measure() }, say("100번 요청해 보기"));
    root.append(
      element("h2", {}, say("얼마나 빠르고 새로운가요")),
      this.#last,
      element(
        "section",
        { class: "group", "aria-labelledby": "hundred-title" },
        element("h3", { id: "hundred-title" }, say("응답 시간의 분포")),
        element("p", { class: "hint" }, say("지금 화면의 요청을 하나씩 100번 보내고, 이 브라우저에서 받기까지의 시간을 재요.")),
        this.#button,
        this.#progress,
        this.#figures,
        this.#chart,
      ),
    );
  }

  /** Stops the measurement. */
  leave() {
    this.#abort?.abort();
  }

  /** Shows the last answer of `model` (see main.js). */
  async show({ exchange, homePath }) {
    this.#path = homePath;
    if (exchange === null) return;
    const snapshot = exchange.headers.find(([key]) => key === "sinsang-snapshot")?.[1] ?? "–";
    const cost = [fact(say("받기까지"), milliseconds(exchange.tookMs)), fact(say("크기"), bytes(exchange.bytes)), fact(say("자료 번호"), snapshot)];
    replace(this.#last, element("h3", { id: "last-title" }, say("마지막 답")), waterfall(exchange), stand(exchange, cost));
  }

  async #measure() {
    if (this.#abort !== null) {
      this.#abort.abort();
      return;
    }
    const abort = new AbortController();
    this.#abort = abort;
    this.#button.textContent = say("멈추기");
    this.#progress.hidden = false;
    const times = [];
    const rungs = new Map();
    let failed = 0;
    let heaviest = 0;
    for (let turn = 0; turn < REQUESTS && !abort.signal.aborted; turn += 1) {
      try {
        const { exchange } = await this.#acts.ask(this.#path, abort.signal);
        times.push(exchange.tookMs);
        heaviest = Math.max(heaviest, exchange.bytes);
        const rung = exchange.headers.find(([key]) => key === "sinsang-rung")?.[1] ?? "–";
        rungs.set(rung, (rungs.get(rung) ?? 0) + 1);
      } catch {
        // A stop is not a failure.
        if (!abort.signal.aborted) failed += 1;
      }
      this.#progress.value = turn + 1;
    }
    this.#abort = null;
    this.#button.textContent = say("100번 요청해 보기");
    this.#progress.hidden = true;
    if (times.length > 0) await this.#showTimes(times.toSorted((a, b) => a - b), rungs, failed, heaviest);
    else if (failed > 0) this.#showFailure(failed);
  }

  #showFailure(failed) {
    this.#plot?.destroy();
    this.#plot = null;
    replace(this.#figures, element("dl", { class: "facts", id: "hundred" }, fact(say("요청"), number(0)), fact(say("실패"), number(failed))));
    this.#acts.announce(say("불러오지 못했어요"));
  }

  async #showTimes(times, rungs, failed, heaviest) {
    const at = (share) => times[Math.min(times.length - 1, Math.ceil(share * times.length) - 1)];
    replace(
      this.#figures,
      element(
        "dl",
        { class: "facts", id: "hundred" },
        fact(say("요청"), number(times.length)),
        fact(say("실패"), number(failed)),
        fact(say("가운데 (p50)"), milliseconds(at(0.5))),
        fact("p95", milliseconds(at(0.95))),
        fact("p99", milliseconds(at(0.99))),
        fact(say("가장 느림"), milliseconds(times.at(-1))),
        fact(say("가장 큰 답"), bytes(heaviest)),
        fact(say("가져온 곳"), [...rungs].map(([rung, count]) => `${rungName(rung)} ${count}`).join(", ")),
      ),
    );
    this.#acts.announce(say`가운데 값 ${milliseconds(at(0.5))}`);
    const most = Math.max(times.at(-1), 1);
    const width = most / BINS;
    const counts = Array.from({ length: BINS }, () => 0);
    for (const ms of times) counts[Math.min(BINS - 1, Math.floor(ms / width))] += 1;
    this.#plot?.destroy();
    this.#plot = await histogram(this.#chart, counts.map((_, bin) => (bin + 0.5) * width), counts, "ms");
  }
}
