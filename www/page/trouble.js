// Failures in plain Korean, with the one thing to do about each.

import { element, shape } from "./element.js";
import { say } from "./language.js";

const PARAMETERS = new Map([
  ["category", say("카테고리")],
  ["channel", say("채널")],
  ["sort", say("정렬")],
  ["limit", say("개수")],
  ["cursor", say("다음 목록")],
  ["as_of", say("시각")],
  ["viewer", say("사용자")],
  ["region", say("시/도")],
  ["device_class", say("기기")],
  ["variant", say("실험")],
  ["snapshot", say("자료")],
]);

/** Words for a `Refused`: `{title, text}`. */
export function words(refused) {
  const { status, problem, retryAfterS } = refused;
  if (status === 0) return { title: say("연결하지 못했어요"), text: say("인터넷 연결을 확인한 뒤 다시 시도해 주세요.") };
  if (status === 400) {
    const name = PARAMETERS.get(problem.parameter) ?? problem.parameter;
    return {
      title: say("조건을 확인해 주세요"),
      text: name === undefined ? say("보낸 조건을 읽을 수 없어요.") : say`‘${name}’ 값을 읽을 수 없어요.`,
    };
  }
  if (status === 401)
    return {
      title: say("토큰을 쓸 수 없어요"),
      text: say("만료되었거나 올바르지 않은 토큰이에요. 새 토큰을 넣거나 지워 주세요."),
    };
  if (status === 403)
    return {
      title: say("미리보기를 열 수 없어요"),
      text: say("미리보기 열쇠가 맞지 않아요. 열쇠를 지우면 공개 화면을 볼 수 있어요."),
    };
  if (status === 404) return { title: say("찾는 화면이 없어요"), text: say("주소를 확인해 주세요.") };
  if (status === 410 && problem.parameter === "snapshot")
    return { title: say("이 자료는 이제 없어요"), text: say("오래되어 지워진 자료예요. 다른 자료를 골라 주세요.") };
  if (status === 410) return { title: say("목록이 새로 바뀌었어요"), text: say("처음부터 다시 불러와 주세요.") };
  if (status === 503) {
    const wait = retryAfterS === null || retryAfterS <= 0 ? say("잠시 뒤") : say`${retryAfterS}초 뒤`;
    return { title: say("아직 보여 줄 상품이 없어요"), text: say`자료를 준비하고 있어요. ${wait} 다시 시도해 주세요.` };
  }
  return { title: say("불러오지 못했어요"), text: say("잠시 뒤 다시 시도해 주세요.") };
}

/**
 * The state shown in place of missing content; each action is `{label, act}`, the likeliest first.
 */
export function trouble(refused, actions) {
  const { title, text } = words(refused);
  const { detail } = refused.problem;
  return element(
    "div",
    { class: "state", role: "alert" },
    sign("M12 7.5v5.5 M12 16.5v.01"),
    element("p", { class: "state-title" }, title),
    element("p", {}, text),
    element("p", { class: "state-actions" }, actions.map(button)),
    typeof detail === "string" && refused.status !== 0
      ? element(
          "details",
          { class: "state-detail" },
          element("summary", {}, say("자세한 이유")),
          element("p", { lang: "en" }, detail),
        )
      : null,
  );
}

/** The state of an empty list, which is not a failure. */
export function nothing(title, text, actions = []) {
  return element(
    "div",
    { class: "state" },
    sign("M8 12h8"),
    element("p", { class: "state-title" }, title),
    text === null ? null : element("p", {}, text),
    actions.length === 0 ? null : element("p", { class: "state-actions" }, actions.map(button)),
  );
}

function button({ label, act }, index) {
  return element("button", { type: "button", class: index === 0 ? "button strong" : "button", onclick: act }, label);
}

function sign(drawing) {
  return shape(
    "svg",
    { class: "sign", viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" },
    shape("circle", { cx: 12, cy: 12, r: 9.5 }),
    shape("path", { d: drawing }),
  );
}
