// Quality of the live snapshot: verdicts by channel, titles' claims of newness against the
// verdicts, and builds' outcomes over time.

import { failure, momentOf } from "./bench.js";
import { element, replace } from "./element.js";
import { date, number } from "./format.js";
import { drawSaid } from "./said.js";
import { drawHistory } from "./history.js";
import { say } from "./language.js";

const KINDS = [
  ["new", say("신상품")],
  ["repeat", say("다시 방송")],
  ["unknown", say("알 수 없음")],
];
/** Words with which titles claim newness. */
const CLAIM = /신상|최초|론칭|런칭|첫\s?방송|\bNEW\b/i;
const CLAIMS_SHOWN = 12;

/** The page of quality in `root`. */
export class Quality {
  #acts;
  #head = element("div", { class: "quality" });
  #body = element("div", { class: "quality" });
  #history = element("div", { class: "quality" });
  #said = element("div", { class: "quality" });
  #saidOf = null;
  #shown = null;

  constructor(root, acts) {
    this.#acts = acts;
    root.append(element("h2", {}, say("자료의 품질")), this.#head, this.#said, this.#history, this.#body);
  }

  /** Shows the snapshot of `model` (see main.js). */
  async show(model) {
    const { home, status } = model;
    if (home === null) return;
    const said = JSON.stringify([home.snapshot.id, momentOf(model).overlay]);
    if (this.#saidOf !== said) {
      this.#saidOf = said;
      try {
        drawSaid(this.#said, await this.#acts.local.said(), model.clock.now(null));
      } catch (error) {
        this.#saidOf = null;
        replace(this.#said, failure(error));
      }
    }
    if (this.#shown === home.snapshot.id) return;
    this.#shown = home.snapshot.id;
    try {
      const products = await this.#acts.local.products(home.snapshot.id);
      if (this.#shown === home.snapshot.id) this.#draw(products, home.snapshot, status);
    } catch (error) {
      this.#shown = null;
      replace(this.#body, failure(error));
    }
    try {
      const builds = await this.#acts.local.builds();
      if (this.#shown === home.snapshot.id) await drawHistory(this.#history, builds);
    } catch (error) {
      this.#shown = null;
      replace(this.#history, failure(error));
    }
  }

  #draw(products, snapshot, status) {
    const names = new Map((status?.channels ?? []).map(({ id, name }) => [id, name]));
    const claims = products.filter(({ title }) => CLAIM.test(title));
    const untrue = claims.filter(({ verdict }) => verdict.kind !== "new");
    const silent = products.filter(({ title, verdict }) => verdict.kind === "new" && !CLAIM.test(title));
    const isNew = count(products, "new");
    const channels = [...byChannel(products)]
      .map(([id, own]) => ({ name: names.get(id) ?? id, own }))
      .toSorted((a, b) => b.own.length - a.own.length || a.name.localeCompare(b.name, "ko"));
    replace(
      this.#head,
      element(
        "p",
        { class: "hint" },
        say`${date(Date.parse(snapshot.built_at))}에 만든 자료 ${snapshot.id}, 편성된 상품 ${number(products.length)}개`,
      ),
      element("section", { class: "group" }, element("h3", {}, say("판정")), verdicts(say("모두"), products)),
    );
    replace(
      this.#body,
      element(
        "section",
        { class: "group", id: "claims" },
        element("h3", {}, say("상품명이 새것이라고 하지만")),
        element(
          "p",
          {},
          say`‘신상, 최초, 런칭, NEW’라고 쓴 ${number(claims.length)}개 중 ${number(untrue.length)}개는 신상품이 아니거나 알 수 없어요. `,
          say`신상품 ${number(isNew)}개 중 ${number(silent.length)}개는 그렇게 쓰지 않았어요.`,
        ),
        element(
          "ul",
          { class: "claims" },
          untrue.slice(0, CLAIMS_SHOWN).map((product) =>
            element(
              "li",
              { lang: "ko" },
              product.title,
              element("span", {}, product.verdict.evidence.text),
            ),
          ),
        ),
      ),
      element(
        "section",
        { class: "group", id: "by-channel" },
        element("h3", {}, say("채널별 판정")),
        element(
          "ul",
          { class: "legend" },
          KINDS.map(([kind, name]) => element("li", {}, element("i", { class: `swatch kind-${kind}` }), name)),
        ),
        channels.map(({ name, own }) => verdicts(name, own)),
      ),
    );
  }
}

function count(products, wanted) {
  return products.filter(({ verdict }) => verdict.kind === wanted).length;
}

function byChannel(products) {
  const channels = new Map();
  for (const product of products) {
    for (const id of product.channels) channels.set(id, [...(channels.get(id) ?? []), product]);
  }
  return channels;
}

/** Counts of verdicts as a bar with numbers. */
function verdicts(name, products) {
  const counts = KINDS.map(([kind, label]) => [kind, label, count(products, kind)]);
  const bar = element(
    "div",
    { class: "shares", "aria-hidden": "true" },
    counts.filter(([, , many]) => many > 0).map(([kind, , many]) => element("i", { class: `kind-${kind}`, "data-share": many })),
  );
  for (const piece of bar.children) piece.style.setProperty("flex-grow", piece.dataset.share);
  return element(
    "div",
    { class: "verdicts" },
    element("strong", { lang: "ko" }, name),
    element("span", {}, counts.map(([, label, many]) => `${label} ${number(many)}`).join(" · ")),
    bar,
  );
}
