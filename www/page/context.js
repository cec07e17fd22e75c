// Context of viewers without tastes: province and device class, as the edge knows them and a
// preview may choose them (`crates/core/src/context.rs`).

import { element } from "./element.js";
import { say } from "./language.js";

/** Korean provinces by the digits of their ISO 3166-2 codes. */
export const REGIONS = new Map([
  ["11", say("서울")],
  ["26", say("부산")],
  ["27", say("대구")],
  ["28", say("인천")],
  ["29", say("광주")],
  ["30", say("대전")],
  ["31", say("울산")],
  ["50", say("세종")],
  ["41", say("경기")],
  ["42", say("강원")],
  ["43", say("충북")],
  ["44", say("충남")],
  ["45", say("전북")],
  ["46", say("전남")],
  ["47", say("경북")],
  ["48", say("경남")],
  ["49", say("제주")],
]);
/** Device classes, by the app's names. */
export const DEVICE_CLASSES = new Map([
  ["phone", say("휴대전화")],
  ["tablet", say("태블릿")],
  ["desktop", say("컴퓨터")],
  ["tv", say("TV")],
]);

/** A context in words, such as "서울 · 휴대전화"; empty if nothing is chosen. */
export function contextName({ region, device_class }) {
  return [REGIONS.get(region), DEVICE_CLASSES.get(device_class)].filter((name) => name !== undefined).join(" · ");
}

/** A viewer without history, in words. */
export function anonymousName(context) {
  const from = contextName(context);
  return from === "" ? say("비회원") : say`비회원 (${from})`;
}

/**
 * A context from the URL of a comparison's other side, `11.phone`; unreadable parts are dropped.
 */
export function readContext(text) {
  const [region, device_class] = text.split(".");
  return {
    region: REGIONS.has(region) ? region : "",
    device_class: DEVICE_CLASSES.has(device_class) ? device_class : "",
  };
}

/** The inverse of `readContext`; empty for no context. */
export function writeContext({ region, device_class }) {
  return region === "" && device_class === "" ? "" : `${region}.${device_class}`;
}

/**
 * Two selects, their ids beginning with `id`. `chosen(context)` is told of a choice.
 * @returns {{root: HTMLElement, show: (context: {region: string, device_class: string}) => void}}
 */
export function contextSwitch(id, chosen) {
  const select = (name, label, choices) => {
    const control = element(
      "select",
      { id: `${id}-${name}`, onchange: () => chosen({ region: region.control.value, device_class: device.control.value }) },
      element("option", { value: "" }, say("모름")),
      [...choices].map(([value, words]) => element("option", { value }, words)),
    );
    return { control, root: element("div", { class: "field" }, element("label", { for: control.id }, label), control) };
  };
  const region = select("region", say("시/도"), REGIONS);
  const device = select("device-class", say("기기"), DEVICE_CLASSES);
  return {
    root: element("div", { class: "context-switch" }, region.root, device.root),
    show: (context) => {
      region.control.value = context.region;
      device.control.value = context.device_class;
    },
  };
}
