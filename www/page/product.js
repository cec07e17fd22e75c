// A product as the app shows it: a card in the new-product tab, a card on air, and the sheet with
// all its data.

import { hasAlarm, toggleAlarm } from "./alarm.js";
import { element } from "./element.js";
import { clock, date, discount, hourName, kst, dayName, number, remaining, startTime } from "./format.js";
import { say } from "./language.js";
import { picture } from "./picture.js";

/**
 * A card's broadcast: the one on air, else the next one, else the first; `null` if there is none.
 */
export function leading(product, nowMs) {
  const broadcasts = product.broadcasts ?? (product.broadcast ? [product.broadcast] : []);
  return (
    broadcasts.find((broadcast) => broadcast.on_air) ??
    broadcasts.find((broadcast) => Date.parse(broadcast.ends_at) > nowMs) ??
    broadcasts[0] ??
    null
  );
}

/**
 * A card of the new-product tab, with a heading of `level`. A tap calls `open` with the product.
 */
export function card(product, nowMs, open, level = 3) {
  const broadcast = leading(product, nowMs);
  return element(
    "li",
    {},
    element(
      "article",
      { class: "card", "data-product": product.product_id },
      element("div", { class: "card-picture" }, picture(product)),
      element(
        "div",
        { class: "card-words" },
        badges(product),
        heading(product, "card", open, level),
        note(product),
        price(product.price, product.list_price),
        broadcast === null ? null : element("p", { class: "when" }, when(broadcast, nowMs), channel(broadcast)),
        element("p", { class: "evidence", lang: "ko" }, product.verdict.evidence.text),
        broadcast === null || broadcast.on_air ? null : alarm(product),
      ),
    ),
  );
}

/** The button that sets an alarm for a product's broadcast, in this browser only. */
function alarm(product) {
  const button = element(
    "button",
    {
      type: "button",
      class: "alarm",
      "data-key": `alarm-${product.product_id}`,
      "aria-pressed": String(hasAlarm(product.product_id)),
      "aria-label": say`방송 알림: ${product.title}`,
      onclick: () => {
        button.setAttribute("aria-pressed", String(toggleAlarm(product.product_id)));
        button.textContent = alarmWords(product.product_id);
      },
    },
    alarmWords(product.product_id),
  );
  return button;
}

function alarmWords(id) {
  return hasAlarm(id) ? say("알림 받는 중") : say("방송 알림");
}

/** A card of a product on air, for the strip (`place` "strip") or the live tab ("live"). */
export function liveCard(product, place, open) {
  const { broadcast } = product;
  const startsMs = Date.parse(broadcast.starts_at);
  const endsMs = Date.parse(broadcast.ends_at);
  return element(
    "li",
    {},
    element(
      "article",
      { class: `card on-air ${place}`, "data-product": product.product_id },
      element("div", { class: "card-picture" }, picture(product)),
      element(
        "div",
        { class: "card-words" },
        element(
          "p",
          { class: "badges" },
          // The strip's heading already says that everything in it is on air.
          place === "strip" ? null : liveBadge(),
          channel(broadcast),
          product.verdict.kind === "new" ? firstBadge() : null,
          soldOutBadge(product),
        ),
        heading(product, place, open),
        note(product),
        price(broadcast.price ?? product.price, product.list_price),
      ),
      element(
        "div",
        { class: "running" },
        element("progress", {
          max: Math.max(1, endsMs - startsMs),
          value: 0,
          "aria-label": say("방송 진행"),
          "data-starts": startsMs,
        }),
        element(
          "p",
          {},
          element("span", { class: "rest", "data-ends": endsMs }),
          element("span", { class: "until" }, say`${clock(endsMs)}까지`),
        ),
      ),
    ),
  );
}

/** Advances remaining times and progress bars under `root` to `nowMs`. */
export function tick(root, nowMs) {
  for (const rest of root.querySelectorAll("[data-ends]")) {
    const text = remaining(Number(rest.dataset.ends) - nowMs);
    if (rest.textContent !== text) rest.textContent = text;
  }
  for (const bar of root.querySelectorAll("progress[data-starts]")) {
    bar.value = Math.min(bar.max, Math.max(0, nowMs - Number(bar.dataset.starts)));
  }
}

/**
 * Products in the answer's order, under headings of day and hour; a run of products on air has its
 * own heading.
 */
export function groups(products, nowMs) {
  const days = [];
  for (const product of products) {
    const broadcast = leading(product, nowMs);
    const startsMs = broadcast === null ? null : Date.parse(broadcast.starts_at);
    const day = product.on_air ? "on-air" : startsMs === null ? "none" : String(kst(startsMs).dayNumber);
    const hour = product.on_air || startsMs === null ? "" : hourName(startsMs);
    if (days.at(-1)?.key !== day) {
      const name = product.on_air ? say("방송 중인 신상품") : startsMs === null ? say("시간 미정") : dayName(startsMs, nowMs);
      const exact = product.on_air || startsMs === null || name === date(startsMs) ? "" : date(startsMs);
      days.push({ key: day, name, exact, hours: [] });
    }
    const { hours } = days.at(-1);
    if (hours.at(-1)?.name !== hour) hours.push({ name: hour, products: [] });
    hours.at(-1).products.push(product);
  }
  return days;
}

/** Fills the sheet with all of the answer's data on a product. */
export function details(product, nowMs, close) {
  const broadcasts = product.broadcasts ?? [product.broadcast];
  return [
    element(
      "div",
      { class: "sheet-head" },
      element("h2", { id: "sheet-title", lang: "ko" }, product.title),
      element("button", { type: "button", class: "sheet-close", onclick: close, "aria-label": say("닫기") }, "✕"),
    ),
    element(
      "div",
      { class: "sheet-body" },
      element(
        "div",
        { class: "sheet-lead" },
        element("div", { class: "card-picture" }, picture(product)),
        element(
          "div",
          { class: "card-words" },
          badges(product),
          product.brand === null ? null : element("p", { class: "brand", lang: "ko" }, product.brand),
          price(product.price, product.list_price),
        ),
      ),
      element("h3", {}, verdictName(product.verdict.kind)),
      verdict(product.verdict),
      element("h3", {}, say("방송")),
      element(
        "ul",
        { class: "slots" },
        broadcasts.map((broadcast) =>
          element(
            "li",
            {},
            element(
              "strong",
              {},
              broadcast.on_air ? say("지금 방송 중") : startTime(Date.parse(broadcast.starts_at), nowMs),
            ),
            ` ${broadcast.on_air ? "" : "– "}${clock(Date.parse(broadcast.ends_at))}${broadcast.on_air ? say("까지") : ""}`,
            element(
              "span",
              {},
              broadcast.channel.name,
              broadcast.price === null ? "" : say` · ${number(broadcast.price)}원`,
            ),
          ),
        ),
      ),
      element("h3", {}, say("상품 정보")),
      element(
        "dl",
        { class: "facts" },
        fact(say("카테고리"), product.category),
        fact(say("상품 번호"), product.product_id),
        product.listings.map((listing) => fact(listing.shop, listing.listing_id)),
        fact(say("상품 주소"), product.url),
        fact(say("사진 주소"), product.image),
      ),
    ),
  ];
}

function fact(name, value) {
  return value === null || value === undefined
    ? null
    : element("div", {}, element("dt", {}, name), element("dd", {}, value));
}

function heading(product, place, open, level = 3) {
  return element(
    `h${level}`,
    { class: "card-title" },
    product.brand === null ? null : element("span", { class: "brand", lang: "ko" }, product.brand, " "),
    element(
      "button",
      {
        type: "button",
        class: "card-open",
        lang: "ko",
        "aria-haspopup": "dialog",
        "data-key": `${place}-${product.product_id}-${product.broadcast?.channel.id ?? ""}`,
        onclick: () => open(product),
      },
      product.title,
    ),
  );
}

function price(value, listPrice) {
  if (value === null) return element("p", { class: "price none" }, say("가격 정보 없음"));
  const off = discount(value, listPrice);
  return element(
    "p",
    { class: "price" },
    off > 0 ? element("span", { class: "off" }, element("span", { class: "unseen" }, say("할인 ")), `${off}%`) : null,
    element("strong", {}, number(value), element("small", {}, say("원"))),
    off > 0 ? element("s", {}, element("span", { class: "unseen" }, say("원래 가격 ")), say`${number(listPrice)}원`) : null,
  );
}

function badges(product) {
  const isNew = product.verdict.kind === "new";
  const shown = [product.on_air ? liveBadge() : null, isNew ? firstBadge() : null, soldOutBadge(product)].filter(
    (badge) => badge !== null,
  );
  return shown.length === 0 ? null : element("p", { class: "badges" }, shown);
}

function liveBadge() {
  return element("span", { class: "badge live-badge" }, say("방송 중"));
}

function firstBadge() {
  return element("span", { class: "badge first-badge" }, say("첫 방송"));
}

/** The mark of a product that operators say is sold out. */
function soldOutBadge({ sold_out: isSoldOut }) {
  return isSoldOut === true ? element("span", { class: "badge sold-out-badge" }, say("품절")) : null;
}

/** The operators' text for the card. */
function note({ note: text }) {
  return text === undefined ? null : element("p", { class: "note", lang: "ko" }, text);
}

function when(broadcast, nowMs) {
  if (broadcast.on_air) return element("strong", {}, say`${clock(Date.parse(broadcast.ends_at))}까지`);
  return element(
    "strong",
    {},
    element("time", { datetime: broadcast.starts_at }, startTime(Date.parse(broadcast.starts_at), nowMs)),
  );
}

function channel(broadcast) {
  return element("span", { class: "channel", lang: "ko" }, broadcast.channel.name);
}

function verdict({ kind, evidence }) {
  const { text, earlier, nearest } = evidence;
  return element(
    "div",
    {},
    element("p", { class: kind === "new" ? "evidence" : "evidence doubt", lang: "ko" }, text),
    !earlier ? null : element("p", { class: "earlier", lang: "ko" }, say`그때 상품명: ${earlier.title}`),
    !nearest
      ? null
      : element("p", { class: "earlier" }, say`가장 비슷한 상품: `, element("span", { lang: "ko" }, `${nearest.title} — ${nearest.why}`)),
  );
}

function verdictName(kind) {
  return { new: say("신상품인 이유"), repeat: say("방송한 적이 있어요"), unknown: say("신상품인지 알 수 없어요") }[kind] ?? kind;
}
