// A small server for developing the page and for states that need a failing server: it serves www/
// under its own _headers and answers the API's routes in their formats with invented products. It
// does not use our ranking.

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";

const WWW = fileURLToPath(new URL("../../www/", import.meta.url));
const HOUR_MS = 3600_000;
const DAY_MS = 24 * HOUR_MS;
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".json": "application/json",
};

export const SECRET = "mock-secret";

const SHOPS = [
  "GS샵",
  "CJ온스타일",
  "현대홈쇼핑",
  "롯데홈쇼핑",
  "NS홈쇼핑",
  "홈앤쇼핑",
  "공영홈쇼핑",
  "KT알파",
  "SK스토아",
];
const CHANNELS = SHOPS.flatMap((shop, index) => [
  { id: `shop${index}-live`, name: `${shop} LIVE`, shop },
  { id: `shop${index}-t`, name: `${shop} 마이샵`, shop },
]);
const GOODS = [
  [
    "뷰티",
    [
      "콜라겐 앰플 30병",
      "탄력 크림 50ml 6개",
      "[방송에서만] ★26SS★ 선쿠션 SPF50+ 본품 3개 + 리필 3개 + 퍼프 6개 + 여행용 파우치 증정 역대 최대 구성",
    ],
  ],
  ["패션의류", ["캐시미어 라운드 니트 3종", "여성 기모 밴딩 팬츠", "남성 경량 다운 재킷"]],
  ["식품", ["완도 활전복 2kg", "한우 사골 곰탕 12팩", "손질 갑오징어 10팩", "유기농 아까시꽃꿀 2.4kg"]],
  ["주방용품", ["통주물 냄비 5종 세트", "무선 전기 포트 1.7L", "세라믹 프라이팬"]],
  ["가전/디지털", ["65인치 4K UHD 스마트 TV 스탠드형", "10인용 IH 압력밥솥", "무선 청소기"]],
  ["침구", ["호텔식 구스 이불 Q", "사계절 차렵이불 세트"]],
  ["건강식품", ["rTG 오메가3 6개월분", "관절 보궁 12박스", "침향환 60환"]],
  ["여행", ["북해도 4일 노쇼핑", "다낭·호이안 5일"]],
  ["생활용품", ["초고농축 세탁세제 9개", "3겹 화장지 90롤"]],
  ["잡화", ["소가죽 숄더백", "14K 골드 목걸이"]],
];
const BRANDS = ["모란", "하루담", "바른숲", "라온홈", "에스텔라", "도담", null];
const TABS = [
  ["new", "신상품", true, "/new"],
  ["live", "생방송", true, "/live"],
  ["schedule", "편성표", false, "/schedule"],
  ["best", "베스트", false, "/best"],
  ["food", "식품관", false, "/food"],
  ["beauty", "뷰티", false, "/beauty"],
  ["travel", "여행", false, "/travel"],
  ["event", "이벤트", false, "/event"],
];
/** The parameters of each route in the API's document: the page sends all of them. */
const DOCUMENT = JSON.parse(await readFile(path.join(WWW, "openapi.json"), "utf8"));
const PARAMETERS = Object.fromEntries(
  Object.entries(DOCUMENT.paths)
    .filter(([, { get }]) => get)
    .map(([route, { get }]) => [route, (get.parameters ?? []).map(({ $ref }) => DOCUMENT.components.parameters[$ref.split("/").at(-1)]).filter((one) => one.in === "query")]),
);
export const VIEWERS = [
  { user_id: "u000001", label: "뷰티를 자주 보는 50대" },
  { user_id: "u000002", label: "식품과 건강을 저녁에 보는 60대" },
];

const EVIDENCE = {
  new: { reason: "first_broadcast", text: "180일 기록에서 첫 방송", review_count: null, earlier: null },
  repeat: {
    reason: "aired_before",
    text: "2026-11-03 20:40 CJ온스타일에서 방송됨",
    review_count: 12,
    earlier: {
      shop: "CJ온스타일",
      listing_id: "456",
      channel: "CJ온스타일",
      starts_at: "2026-11-03T20:40:00+09:00",
      title: "[역대최대] 지난번 방송의 상품명",
    },
  },
  unknown: {
    reason: "reviews_before_records",
    text: "기록 이전 방송 가능성: 상품평 230개",
    review_count: 230,
    earlier: null,
  },
};

const digest = (text, length) => createHash("sha256").update(text).digest("hex").slice(0, length);
const weight = (...parts) => Number.parseInt(digest(parts.join("|"), 8), 16) / 0xffffffff;
const pick = (list, ...parts) => list[Math.floor(weight(...parts) * list.length) % list.length];
const iso = (atMs) => `${new Date(atMs + 9 * HOUR_MS).toISOString().slice(0, 19)}+09:00`;

function catalogue(fromMs, days, everyTitle) {
  const products = [];
  for (let slot = 0; slot < days * 24; slot += 1) {
    CHANNELS.forEach((channel, index) => {
      const startsMs = fromMs + slot * HOUR_MS + (index % 3) * 20 * 60_000;
      const seed = `${slot}-${channel.id}`;
      const [category, titles] = pick(GOODS, seed, "category");
      const title = pick(titles, seed, "title");
      const kind = weight(seed, "kind") < 0.08 ? "new" : weight(seed, "kind") < 0.2 ? "unknown" : "repeat";
      const price = weight(seed, "none") < 0.06 ? null : Math.round(10 + weight(seed, "price") * 290) * 1000 - 100;
      const listing_id = String(10_000_000 + Math.floor(weight(seed, "listing") * 9e7));
      const broadcast = {
        shop: channel.shop,
        listing_id,
        channel: { id: channel.id, name: channel.name },
        starts_at: iso(startsMs),
        ends_at: iso(startsMs + HOUR_MS),
        price,
        on_air: false,
      };
      products.push({
        startsMs,
        endsMs: startsMs + HOUR_MS,
        broadcast,
        product: {
          product_id: digest(seed, 16),
          title: everyTitle ?? `${title}${weight(seed, "mark") < 0.3 ? " 앵콜" : ""}`,
          brand: pick(BRANDS, seed, "brand"),
          category: weight(seed, "no category") < 0.05 ? null : category,
          price,
          list_price:
            price !== null && weight(seed, "off") < 0.6
              ? Math.round((price * (1.1 + weight(seed, "rate") * 0.6)) / 1000) * 1000
              : null,
          image: `https://images.example/${listing_id}.jpg`,
          url: `https://shop.example/item/${listing_id}`,
          listings: [{ shop: channel.shop, listing_id }],
          verdict: {
            kind,
            evidence: { ...EVIDENCE[kind], history_days: 180, shop_history_days: 180 },
          },
        },
      });
    });
  }
  return products;
}

const problem = (status, type, title, more = {}, headers = {}) => ({
  status,
  headers: { "Content-Type": "application/problem+json", "Cache-Control": "no-store", ...headers },
  body: { type: `/problems/${type}`, title, status, ...more },
});

/**
 * Starts the server on a free port (or `port`). `options.fault(request)` may return
 * `{status, type, headers}` or "hang up" to fail a request; `options.shiftMs` shifts its clock like
 * a demo's; with `options.empty` it has nothing new and nothing on air; `options.title` is every
 * product's title.
 */
export async function startMock(options = {}) {
  const clockMs = () => Date.now() + (options.shiftMs ?? 0);
  const builtMs = clockMs() - 5 * 60_000;
  const fromMs = Math.floor(builtMs / DAY_MS) * DAY_MS - DAY_MS;
  const days = 6;
  const all = options.empty ? [] : catalogue(fromMs, days, options.title);
  const snapshotId = digest(String(fromMs), 16);
  const secret = options.secret ?? SECRET;

  function answer(request, url) {
    const described = PARAMETERS[url.pathname] ?? [];
    const taken = described.map(({ name }) => name);
    const stranger = [...url.searchParams.keys()].find((name) => !taken.includes(name));
    if (PARAMETERS[url.pathname] !== undefined && stranger !== undefined) {
      return problem(400, "invalid-parameter", "A parameter is not valid", {
        detail: `unknown parameter, expected one of ${taken.join(", ")}`,
        parameter: stranger,
      });
    }
    const parameter = (name) => url.searchParams.get(name);
    const preview = request.headers["sinsang-preview"];
    const asked = described.find((one) => one["x-preview-only"] && parameter(one.name) !== null);
    if (asked !== undefined && preview !== secret)
      return problem(403, "preview-only", "Only for previews", { detail: `${asked.name} needs the preview secret`, parameter: asked.name });
    const token = request.headers.authorization;
    if (token !== undefined && token !== "Bearer good.token.here") {
      return problem(
        401,
        "invalid-token",
        "The token is not valid",
        { detail: "signature does not match" },
        { "WWW-Authenticate": 'Bearer error="invalid_token", error_description="signature does not match"' },
      );
    }
    const viewer = token !== undefined ? "token" : (parameter("viewer") ?? "");
    const nowMs = parameter("as_of") === null ? clockMs() : Date.parse(parameter("as_of"));
    if (!Number.isFinite(nowMs))
      return problem(400, "invalid-parameter", "A parameter is not valid", {
        detail: "as_of is not RFC 3339",
        parameter: "as_of",
      });
    const limit = Number(parameter("limit") ?? 20);
    if (!(limit >= 1 && limit <= 100))
      return problem(400, "invalid-parameter", "A parameter is not valid", {
        detail: "limit must be from 1 to 100",
        parameter: "limit",
      });
    const category = parameter("category");
    const channel = parameter("channel");
    if (channel !== null && !CHANNELS.some((one) => one.id === channel)) {
      return problem(400, "invalid-parameter", "A parameter is not valid", {
        detail: `no channel ${channel}`,
        parameter: "channel",
      });
    }

    const snapshot = {
      id: snapshotId,
      built_at: iso(builtMs),
      age_s: Math.max(0, Math.round((nowMs - builtMs) / 1000)),
      rung: "isolate",
    };
    const personalized = viewer !== "";
    const order = (key) => weight(key, viewer);
    const onAir = ({ startsMs, endsMs }) => startsMs <= nowMs && nowMs < endsMs;
    const tabs = () => {
      const free = TABS.filter(([, , pinned]) => !pinned).sort((a, b) =>
        personalized ? order(a[0]) - order(b[0]) : 0,
      );
      return TABS.map((tab) => (tab[2] ? tab : free.shift())).map(([tab_id, label, pinned, target], position) => ({
        tab_id,
        label,
        position,
        pinned,
        target,
      }));
    };
    const live = () =>
      all
        .filter(onAir)
        .sort((a, b) => order(a.product.product_id) - order(b.product.product_id))
        .slice(0, 18)
        .map(({ product, broadcast }) => ({ ...product, on_air: true, broadcast: { ...broadcast, on_air: true } }));
    const fresh = (sort, cursor, only) => {
      const sorted = all
        .filter(({ product, endsMs }) => product.verdict.kind === "new" && endsMs > nowMs)
        .filter(
          ({ product, broadcast }) =>
            (only.category === null || product.category === only.category) &&
            (only.channel === null || broadcast.channel.id === only.channel),
        )
        .sort(
          (a, b) =>
            (sort === "soonest" ? a.startsMs - b.startsMs : 0) ||
            order(a.product.product_id) - order(b.product.product_id),
        );
      const from = cursor === null ? 0 : Number(Buffer.from(cursor, "base64url").toString());
      const items = sorted.slice(from, from + limit).map((one) => ({
        ...one.product,
        on_air: onAir(one),
        broadcasts: [{ ...one.broadcast, on_air: onAir(one) }],
      }));
      const next = from + limit < sorted.length ? Buffer.from(String(from + limit)).toString("base64url") : null;
      return { total: sorted.length, items, next_cursor: next };
    };

    const body = {
      "/healthz": () => ({ status: "ok" }),
      "/v1/status": () => ({
        now: iso(nowMs),
        clock: options.shiftMs ? "shifted" : "real",
        rung: "isolate",
        snapshot,
        window: { from: iso(fromMs), to: iso(fromMs + days * DAY_MS) },
        counts: {
          products: all.length,
          new: all.filter(({ product }) => product.verdict.kind === "new").length,
          unknown: all.filter(({ product }) => product.verdict.kind === "unknown").length,
          repeat: all.filter(({ product }) => product.verdict.kind === "repeat").length,
          broadcasts: all.length,
          channels: CHANNELS.length,
          tabs: TABS.length,
          users: VIEWERS.length,
          taste_shards: 4,
        },
        channels: CHANNELS,
        categories: GOODS.map(([name]) => name),
        overlay: { revision: 0, standing: 0, age_s: 4, refused: null },
        trial: null,
        pulse: null,
        store: { breaker: "closed", failures: 0, second_reads: 0, late_packs: 0 },
        cache: { breaker: "closed", failures: 0 },
        refused: null,
        memory: { snapshot_bytes: 3_342_722, taste_bytes: 58_289, wasm_bytes: 6_553_600 },
      }),
      "/v1/tabs": () => ({ surface: "tabs", personalized, snapshot, items: tabs() }),
      "/v1/live": () => ({ surface: "live", personalized, snapshot, items: live() }),
      "/v1/new": () => ({
        surface: "new",
        personalized,
        snapshot,
        ...fresh(parameter("sort") ?? "recommended", parameter("cursor"), { category, channel }),
      }),
      "/v1/home": () => ({
        personalized,
        snapshot,
        tabs: { items: tabs() },
        live: { items: live() },
        new: fresh("recommended", null, { category: null, channel: null }),
      }),
    }[url.pathname];
    if (body === undefined) return problem(404, "not-found", "No such route");
    return {
      status: 200,
      headers: {
        "Content-Type": "application/json",
        "Cache-Control": personalized || asked !== undefined ? "private, no-store" : "public, max-age=30",
        ETag: `W/"${snapshotId}-${Math.floor(nowMs / 60_000)}"`,
        Vary: "Authorization, Sinsang-Preview",
        "Server-Timing": "read;dur=0.2, rank;dur=0.6, total;dur=1.1",
        "Sinsang-Rung": "isolate",
        "Sinsang-Age": String(snapshot.age_s),
        "Sinsang-Snapshot": snapshotId,
      },
      body: body(),
    };
  }

  const pageHeaders = await readHeaders();
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, "http://mock");
    const fault = options.fault?.(request, url);
    if (fault === "hang up") {
      request.socket.destroy();
      return;
    }
    if (fault !== undefined && fault !== null) {
      send(
        response,
        problem(
          fault.status,
          fault.type,
          fault.title ?? "Made to fail",
          fault.more ?? { detail: "made to fail by the test" },
          fault.headers,
        ),
      );
      return;
    }
    if (url.pathname.startsWith("/v1/") || url.pathname === "/healthz") {
      send(response, answer(request, url));
      return;
    }
    if (url.pathname === "/demo/viewers.json") {
      send(response, { status: 200, headers: { "Content-Type": "application/json" }, body: { viewers: VIEWERS } });
      return;
    }
    if (url.pathname === "/preview/snapshots") {
      const known = request.headers["sinsang-preview"] === secret;
      const body = { snapshots: [{ id: snapshotId, built_at: iso(builtMs) }] };
      send(response, known ? { status: 200, headers: { "Content-Type": "application/json" }, body } : problem(403, "preview-only", "Only for previews"));
      return;
    }
    const file = path.join(WWW, path.normalize(url.pathname === "/" ? "/index.html" : url.pathname));
    try {
      if (!file.startsWith(WWW)) throw new Error("outside");
      const bytes = await readFile(file);
      response.writeHead(200, {
        "Content-Type": TYPES[path.extname(file)] ?? "application/octet-stream",
        ...pageHeaders,
      });
      response.end(bytes);
    } catch {
      send(response, problem(404, "not-found", "No such route"));
    }
  });
  await new Promise((resolve) => server.listen(options.port ?? 0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    secret,
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(resolve);
      }),
  };
}

function send(response, { status, headers, body }) {
  response.writeHead(status, headers);
  response.end(JSON.stringify(body));
}

/** The headers of www/_headers for every file. */
async function readHeaders() {
  const text = await readFile(path.join(WWW, "_headers"), "utf8");
  const headers = {};
  let every = false;
  for (const line of text.split("\n")) {
    if (/^\S/.test(line)) every = line.trim() === "/*";
    const [, name, value] = /^\s+([\w-]+):\s*(.+)$/.exec(line) ?? [];
    if (every && name !== undefined) headers[name] = value;
  }
  return headers;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const mock = await startMock({ port: Number(process.env.PORT ?? 8790) });
  console.log(`${mock.url}/#preview=${mock.secret}`);
}
