// Outcomes of recent builds as plots and tables: verdicts, unknowns and rejects by shop, false
// claims, and the quality of past orders.

import { lines } from "./chart.js";
import { element, replace } from "./element.js";
import { clock, date, number } from "./format.js";
import { say } from "./language.js";

/** Number of builds in the table of figures. */
const ROWS = 12;
const TABLES = { broadcasts: say("편성"), events: say("행동"), tabs: say("탭") };
/** Reasons for unknown verdicts. */
const REASONS = {
  short_history: say("기록이 짧은 홈쇼핑"),
  reviews_before_records: say("기록보다 앞선 상품평"),
  collection_before_records: say("기록보다 앞선 모음"),
  title_says_nothing: say("상품을 알 수 없는 제목"),
  near_miss: say("비슷한 상품이 방송됨"),
  corrected: say("담당자 확인"),
};

/** Functions that read a number from a build's record. */
const sum = (counts) => Object.values(counts ?? {}).reduce((whole, count) => whole + count, 0);
const claims = (build, field) => Object.values(build.shops ?? {}).reduce((whole, shop) => whole + (shop[field] ?? 0), 0);
const rejects = (build) => (build.tables ?? []).reduce((whole, { shops, reasons }) => whole + Math.max(sum(shops), faults(reasons)), 0);
/** Rows later than the build's time are rejected too, but are no damage. */
const faults = (reasons) => sum(Object.fromEntries(Object.entries(reasons ?? {}).filter(([reason]) => !reason.endsWith("in the future"))));

/** The charts over builds: each with its subject and lines. */
const CHARTS = [
  {
    id: "verdict-history",
    title: say("판정"),
    lines: [
      [say("신상품"), "--violet", (build) => build.verdicts?.new],
      [say("다시 방송"), "--green", (build) => build.verdicts?.repeat],
      [say("알 수 없음"), "--ink-2", (build) => build.verdicts?.unknown],
    ],
  },
  {
    id: "claim-history",
    title: say("새것이라고 쓴 상품"),
    lines: [
      [say("새것이라고 쓴 상품"), "--ink-2", (build) => claims(build, "claims")],
      [say("이미 방송한 것"), "--red", (build) => claims(build, "claims_aired")],
      [say("알 수 없는 것"), "--part-soon", (build) => claims(build, "claims_unknown"), [6, 4]],
    ],
  },
  {
    id: "reject-history",
    title: say("못 쓴 줄"),
    lines: Object.entries(TABLES).map(([table, name], index) => [
      name,
      ["--part-channel", "--part-soon", "--ink-2"][index],
      (build) => faults(build.tables?.find((one) => one.table === table)?.reasons),
    ]),
  },
  {
    id: "ranking-history",
    title: say("순위가 맞힌 정도"),
    about: say("앞선 자료의 순서에서, 그 뒤 사용자들이 누르거나 산 상품이 몇 번째였는지: 1 ÷ 자리의 평균. 클수록 앞에 있었어요."),
    lines: [
      [say("신상품, 각자의 순서"), "--violet", (build) => ranked(build, "new", "reciprocal")],
      [say("신상품, 공통 순서"), "--violet", (build) => ranked(build, "new", "shared_reciprocal"), [6, 4]],
      [say("생방송, 각자의 순서"), "--red", (build) => ranked(build, "live", "reciprocal")],
      [say("생방송, 공통 순서"), "--red", (build) => ranked(build, "live", "shared_reciprocal"), [6, 4]],
    ],
    empty: say("앞선 자료가 있고 그 뒤에 사용자들이 한 일이 있는 빌드부터 보여요."),
  },
];

function ranked(build, surface, field) {
  const ranks = build.ranking?.[surface];
  return ranks === undefined || ranks.deeds === 0 ? null : ranks[field];
}

/** The history of `builds`, the oldest first, below `root`. */
export async function drawHistory(root, builds) {
  const last = builds.at(-1);
  if (last === undefined) {
    replace(root, section("history", say("빌드의 흐름"), element("p", { class: "hint" }, say("지난 빌드의 기록이 아직 없어요. sinsang build 가 적고 sinsang publish 가 올려요."))));
    return;
  }
  const before = builds.at(-2);
  const boxes = CHARTS.map((chart) => [chart, element("div", { class: "chart", role: "img" })]);
  replace(
    root,
    section(
      "history",
      say("빌드의 흐름"),
      element("p", { class: "hint" }, say`빌드 ${number(builds.length)}번, ${moment(builds[0])}부터 ${moment(last)}까지`),
      builds.length === 1 ? element("p", { class: "hint", id: "one-build" }, say("빌드가 하나뿐이에요. 흐름은 다음 빌드부터 보여요.")) : null,
      boxes.map(([chart, box]) => chartBox(chart, box, builds)),
      numbers(builds),
    ),
    shops(last, before),
    reasons(last, before),
  );
  const times = builds.map((build) => Date.parse(build.built_at));
  for (const [chart, box] of boxes) {
    if (box.isConnected && builds.length > 1)
      await lines(box, times, chart.lines.map(([, colour, of, dash]) => ({ values: builds.map((build) => of(build) ?? null), colour, dash })));
  }
}

function chartBox({ id, title, about, lines: all, empty }, box, builds) {
  const known = all.filter(([, , of]) => builds.some((build) => (of(build) ?? null) !== null));
  const last = (of) => builds.map(of).findLast((value) => (value ?? null) !== null);
  box.setAttribute("aria-label", `${title}: ${known.map(([name, , of]) => `${name} ${short(last(of))}`).join(", ")}`);
  return element(
    "div",
    { class: "history-chart", id },
    element("h4", {}, title),
    about === undefined ? null : element("p", { class: "hint" }, about),
    known.length === 0
      ? element("p", { class: "hint" }, empty ?? say("아직 없어요."))
      : [
          element(
            "ul",
            { class: "legend" },
            known.map(([name, colour, of, dash]) =>
              element("li", {}, swatch(colour, dash !== undefined), name, " ", element("strong", {}, short(last(of)))),
            ),
          ),
          builds.length > 1 ? box : null,
        ],
  );
}

function swatch(colour, isDashed) {
  const line = element("i", { class: isDashed ? "line-swatch dashed" : "line-swatch", "aria-hidden": "true" });
  line.style.setProperty("color", `var(${colour})`);
  return line;
}

/** The same figures as a table: charts are not accessible to everybody. */
function numbers(builds) {
  const columns = CHARTS.flatMap(({ lines: all, title }) => all.map(([name, , of]) => [title === name ? name : `${title}: ${name}`, of]));
  return element(
    "details",
    { class: "numbers" },
    element("summary", {}, say("숫자로 보기")),
    element(
      "div",
      { class: "wide", tabindex: "0", role: "region", "aria-label": say("지난 빌드의 숫자") },
      element(
        "table",
        {},
        element(
          "thead",
          {},
          element("tr", {}, element("th", { scope: "col" }, say("빌드")), columns.map(([name]) => element("th", { scope: "col" }, name))),
        ),
        element(
          "tbody",
          {},
          builds
            .slice(-ROWS)
            .toReversed()
            .map((build) =>
              element("tr", {}, element("th", { scope: "row" }, moment(build)), columns.map(([, of]) => element("td", {}, short(of(build))))),
            ),
        ),
      ),
    ),
  );
}

/** The last build by shop, and the changes since the one before. */
function shops(last, before) {
  const damaged = new Map();
  for (const table of last.tables ?? [])
    for (const [shop, rows] of Object.entries(table.shops ?? {})) damaged.set(shop, (damaged.get(shop) ?? 0) + rows);
  const names = [...new Set([...Object.keys(last.shops ?? {}), ...damaged.keys()])];
  const of = (name) => last.shops?.[name] ?? {};
  const total = (name) => (of(name).new ?? 0) + (of(name).repeat ?? 0) + (of(name).unknown ?? 0);
  const share = (name) => (total(name) === 0 ? 0 : (of(name).unknown ?? 0) / total(name));
  const rows = names
    .toSorted((a, b) => share(b) - share(a) || a.localeCompare(b, "ko"))
    .map((name) => {
      const was = before?.shops?.[name];
      return element(
        "tr",
        {},
        element("th", { scope: "row", lang: "ko" }, name === "" ? say("이름이 없는 줄") : name),
        element("td", {}, number(of(name).new ?? 0)),
        element("td", {}, number(of(name).unknown ?? 0), element("span", {}, `${Math.round(share(name) * 100)}%`, change(of(name).unknown ?? 0, was?.unknown))),
        element("td", {}, number(of(name).claims_aired ?? 0), element("span", {}, `/ ${number(of(name).claims ?? 0)}`)),
        element("td", {}, number(damaged.get(name) ?? 0)),
      );
    });
  return section(
    "shops",
    say("홈쇼핑별"),
    element("p", { class: "hint" }, say("알 수 없는 상품의 비율이 높은 차례예요. 새것이라고 쓴 상품은 ‘이미 방송한 것 / 모두’예요.")),
    element(
      "table",
      { class: "shops" },
      element("caption", { class: "unseen" }, say("홈쇼핑별")),
      element(
        "thead",
        {},
        element("tr", {}, [say("홈쇼핑"), say("신상품"), say("알 수 없음"), say("거짓 새것"), say("못 쓴 줄")].map((name) => element("th", { scope: "col" }, name))),
      ),
      element("tbody", {}, rows),
    ),
    element(
      "p",
      { class: "hint" },
      Object.entries(last.unknown ?? {})
        .toSorted((a, b) => b[1] - a[1])
        .map(([reason, count]) => `${REASONS[reason] ?? reason} ${number(count)}`)
        .join(" · "),
    ),
  );
}

/** Rejected rows, by table and reason. */
function reasons(last, before) {
  const tables = (last.tables ?? []).filter(({ reasons: all }) => sum(all) > 0);
  const was = (table, reason) => before?.tables?.find((one) => one.table === table)?.reasons?.[reason];
  return section(
    "rejects",
    say("못 쓴 줄"),
    element("p", { class: "hint" }, say`마지막 빌드에서 못 쓴 줄 ${number(rejects(last))}개. 줄마다의 이유는 빌드가 남긴 rejects.ndjson 에 있어요.`),
    tables.length === 0
      ? element("p", { class: "hint", id: "no-rejects" }, say("못 쓴 줄이 없어요."))
      : element(
          "table",
          { class: "shops" },
          element("caption", { class: "unseen" }, say("못 쓴 줄의 이유")),
          element("thead", {}, element("tr", {}, [say("표"), say("이유"), say("줄")].map((name) => element("th", { scope: "col" }, name)))),
          element(
            "tbody",
            {},
            tables.flatMap(({ table, reasons: all }) =>
              Object.entries(all)
                .toSorted((a, b) => b[1] - a[1])
                .map(([reason, rows]) =>
                  element(
                    "tr",
                    {},
                    element("th", { scope: "row" }, TABLES[table] ?? table),
                    element("td", { lang: "en" }, reason),
                    element("td", {}, number(rows), before === undefined ? null : element("span", {}, change(rows, was(table, reason)))),
                  ),
                ),
            ),
          ),
        ),
  );
}

/** The change of a number since the build before, in a form that needs no colour. */
function change(now, before) {
  const by = now - (before ?? now);
  return by === 0 ? "" : ` ${by > 0 ? "▲" : "▼"}${number(Math.abs(by))}`;
}

function section(id, title, ...children) {
  return element("section", { class: "group", id, "aria-labelledby": `${id}-title` }, element("h3", { id: `${id}-title` }, title), children);
}

function short(value) {
  if (value === null || value === undefined) return "–";
  return Number.isInteger(value) ? number(value) : value.toFixed(3);
}

function moment({ built_at: at }) {
  return `${date(Date.parse(at))} ${clock(Date.parse(at))}`;
}
