// What operators said between builds (`docs/overlay.md`): who, when, why, and whether it still
// stands.

import { element, replace } from "./element.js";
import { startTime } from "./format.js";
import { say } from "./language.js";

const SHOWN = 20;
const DEEDS = {
  hide: say("숨김"),
  sold_out: say("품절"),
  price: say("가격 변경"),
  note: say("안내 문구"),
  cancel: say("방송 취소"),
  move: say("시간 변경"),
  prolong: say("종료 시각 변경"),
  hand_over: say("상품 교체"),
  pin: say("고정"),
  boost: say("올림"),
  bury: say("내림"),
};

/** Draws what operators said, the latest first, in `root`; nothing if they said nothing. */
export function drawSaid(root, said, nowMs) {
  if (said.length === 0) return replace(root);
  return replace(
    root,
    element(
      "section",
      { class: "group", id: "said" },
      element("h3", {}, say("운영자가 바꾼 것")),
      element("ul", { class: "claims" }, said.slice(0, SHOWN).map((one) => line(one, nowMs))),
    ),
  );
}

function line(one, nowMs) {
  const fromMs = Date.parse(one.from);
  const untilMs = Date.parse(one.until);
  const what = [one.text, one.price === undefined ? undefined : say`${one.price.toLocaleString("ko")}원`, one.to_starts_at && startTime(Date.parse(one.to_starts_at), nowMs)];
  return element(
    "li",
    { "data-said": one.id },
    element("strong", {}, `${DEEDS[one.do] ?? one.do} · ${state(one, fromMs, untilMs, nowMs)}`),
    element("span", { lang: "ko" }, [one.title, ...what].filter((part) => part !== undefined && part !== "").join(" · ")),
    element(
      "span",
      {},
      say`${startTime(fromMs, nowMs)}부터 ${startTime(untilMs, nowMs)}까지, ${one.by}: ${one.why}`,
    ),
  );
}

function state({ removed }, fromMs, untilMs, nowMs) {
  if (removed !== undefined) return say`${removed.by}: 철회`;
  if (nowMs >= untilMs) return say("끝남");
  return nowMs < fromMs ? say("예정") : say("적용 중");
}
