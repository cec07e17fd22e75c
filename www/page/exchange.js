// The raw answers: each of the page's requests with headers, size, time and body, readable and
// copyable.

import { stand, waterfall } from "./answer.js";
import { element } from "./element.js";
import { bytes, milliseconds } from "./format.js";
import { say } from "./language.js";

const KEPT = 20;
const FIRST_HEADERS = [
  "etag",
  "cache-control",
  "vary",
  "sinsang-rung",
  "sinsang-age",
  "sinsang-snapshot",
  "server-timing",
  "www-authenticate",
  "retry-after",
  "content-type",
  "date",
];

/** The list of exchanges under `root`, newest first. */
export class Exchanges {
  #list;
  #announce;
  #count;
  #watched;

  /** `watched` is the route whose latest answer is open from the start, or `null`. */
  constructor(root, announce, watched) {
    this.#watched = watched;
    this.#announce = announce;
    this.#list = element("ol", { class: "exchanges" });
    this.#count = element("span", { class: "count" });
    root.append(
      element("h2", {}, say("받은 답 "), this.#count),
      element("p", { class: "hint" }, say("이 화면이 보낸 요청과 받은 답을 그대로 보여 줍니다. 최근 것이 위에 있어요.")),
      this.#list,
    );
  }

  /**
   * Adds an exchange (see api.js) and drops the oldest. A reader of a route's answer is shown its
   * newest.
   */
  add(exchange) {
    const item = this.#row(exchange);
    const row = item.firstElementChild;
    const older = [...this.#list.querySelectorAll("details[open]")].find(
      (one) => one.dataset.route === row.dataset.route,
    );
    if (row.dataset.route === this.#watched) {
      row.open = true;
      this.#watched = null;
    } else if (
      older !== undefined &&
      !older.contains(document.activeElement) &&
      !older.contains(getSelection()?.anchorNode ?? null)
    ) {
      older.open = false;
      row.open = true;
    }
    this.#list.prepend(item);
    while (this.#list.children.length > KEPT) this.#list.lastElementChild.remove();
    this.#count.textContent = String(this.#list.children.length);
  }

  #row(exchange) {
    const good = exchange.status >= 200 && exchange.status < 300;
    const body = element("div", { class: "exchange-body" });
    const row = element(
      "details",
      {
        class: "exchange",
        "data-path": exchange.path,
        "data-route": exchange.path.split("?")[0],
        // A body is rendered only when opened: twenty of them cost more than the phone.
        ontoggle: () => {
          if (row.open && body.childElementCount === 0) body.append(...this.#contents(exchange));
        },
      },
      element(
        "summary",
        {},
        element(
          "span",
          { class: good ? "status good" : "status bad" },
          exchange.status === 0 ? say("실패") : String(exchange.status),
        ),
        element("code", {}, decoded(exchange.path)),
        element("span", { class: "cost" }, `${milliseconds(exchange.tookMs)} · ${bytes(exchange.bytes)}`),
      ),
      body,
    );
    return element("li", {}, row);
  }

  #contents(exchange) {
    const text = pretty(exchange.text);
    const all = new Map(exchange.headers);
    const names = [
      ...FIRST_HEADERS.filter((name) => all.has(name)),
      ...[...all.keys()].filter((name) => !FIRST_HEADERS.includes(name)).sort(),
    ];
    return [
      ...(all.has("server-timing") ? [waterfall(exchange), stand(exchange)] : []),
      element(
        "div",
        { class: "headers" },
        element(
          "table",
          {},
          element("caption", { class: "unseen" }, say("헤더")),
          element(
            "tbody",
            {},
            names.map((name) =>
              element("tr", {}, element("th", { scope: "row" }, title(name)), element("td", {}, all.get(name))),
            ),
          ),
        ),
      ),
      element(
        "div",
        { class: "exchange-tools" },
        element(
          "button",
          { type: "button", class: "button small", onclick: () => this.#copy(text, say("답을 복사했어요")) },
          say("답 복사"),
        ),
        element(
          "button",
          {
            type: "button",
            class: "button small",
            onclick: () => this.#copy(new URL(exchange.path, location.origin).href, say("주소를 복사했어요")),
          },
          say("주소 복사"),
        ),
      ),
      element("pre", { tabindex: "0", role: "region", "aria-label": say`${decoded(exchange.path)} 본문` }, coloured(text)),
    ];
  }

  async #copy(text, done) {
    try {
      await navigator.clipboard.writeText(text);
      this.#announce(done);
    } catch {
      this.#announce(say("복사하지 못했어요. 글을 직접 골라 복사해 주세요."));
    }
  }
}

function decoded(path) {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function title(name) {
  return name === "etag" ? "ETag" : name.replace(/(^|-)([a-z])/g, (_, dash, letter) => dash + letter.toUpperCase());
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

const TOKENS = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(true|false|null|-?\d[\d.eE+-]*)\b/g;

/** JSON text as nodes, with names, texts and values marked for the style sheet. */
function coloured(text) {
  const nodes = [];
  let end = 0;
  for (const match of text.matchAll(TOKENS)) {
    if (match.index > end) nodes.push(text.slice(end, match.index));
    const kind = match[1] === undefined ? "value" : match[2] === undefined ? "text" : "name";
    nodes.push(element("span", { class: `json-${kind}` }, match[1] ?? match[3]), match[2] ?? "");
    end = match.index + match[0].length;
  }
  nodes.push(text.slice(end));
  return nodes;
}
