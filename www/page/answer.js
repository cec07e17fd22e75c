// The origin of an answer: its time by step, its rung on the edge's ladder, and the age of its
// data.

import { element, shape } from "./element.js";
import { age, milliseconds } from "./format.js";
import { say } from "./language.js";
import { rungName } from "./rung.js";

/**
 * The time of an exchange (see api.js) by the steps of its `Server-Timing`, in order, and the
 * remainder.
 */
export function waterfall({ headers, tookMs }) {
  const steps = serverTiming(headers.find(([key]) => key === "server-timing")?.[1] ?? "");
  const inside = steps.reduce((sum, { ms }) => sum + ms, 0);
  const whole = Math.max(tookMs, inside, 0.1);
  let at = 0;
  const rows = [
    ...steps.map(({ name, ms, about }) => {
      const row = [about === "" ? name : `${name} · ${about}`, at, ms];
      at += ms;
      return row;
    }),
    [say("그 밖의 서버, 길, 브라우저"), at, Math.max(0, tookMs - inside)],
  ];
  return element(
    "table",
    { class: "waterfall" },
    element("caption", { class: "unseen" }, say("시간이 쓰인 곳")),
    element(
      "tbody",
      {},
      rows.map(([name, from, ms]) =>
        element(
          "tr",
          {},
          element("th", { scope: "row" }, name),
          element(
            "td",
            {},
            shape(
              "svg",
              { viewBox: `0 0 ${whole} 10`, preserveAspectRatio: "none", "aria-hidden": "true" },
              shape("rect", { x: from, y: 1, width: Math.max(ms, whole / 200), height: 8 }),
            ),
          ),
          element("td", {}, milliseconds(ms)),
        ),
      ),
    ),
  );
}

/**
 * The rung and age of an exchange's answer, after the facts in `more`; missing ones are omitted.
 */
export function stand({ headers }, ...more) {
  const header = (name) => headers.find(([key]) => key === name)?.[1];
  const [rung, ageS] = ["sinsang-rung", "sinsang-age"].map(header);
  return element(
    "dl",
    { class: "facts" },
    more,
    rung === undefined ? null : fact(say("가져온 곳"), rungName(rung)),
    ageS === undefined ? null : fact(say("자료 나이"), age(Number(ageS))),
  );
}

/** The entries of a `Server-Timing` header: name, duration in milliseconds, description. */
export function serverTiming(header) {
  return header
    .split(/,(?=(?:[^"]*"[^"]*")*[^"]*$)/)
    .map((entry) => ({
      name: /^\s*([\w-]+)/.exec(entry)?.[1] ?? "",
      ms: Number(/;\s*dur="?([\d.]+)/.exec(entry)?.[1] ?? 0),
      about: /;\s*desc="?([^";]+)/.exec(entry)?.[1] ?? "",
    }))
    .filter(({ name }) => name !== "");
}

/** A name and a value for a list of facts. */
export function fact(name, value) {
  return element("div", {}, element("dt", {}, name), element("dd", {}, value));
}
