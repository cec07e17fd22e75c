// Resources of the preview page alone, on which no API answer depends: an answer's pulse, the
// overlay and its log, the outcomes of recent builds, and the demonstration's users. Only senders
// of the preview secret get them.

const PATH = /^[^?#]*?\/\/[^/]*(\/preview\/(?:pulse|builds|overlay|overlay-log)|\/demo\/[^?#]*)(?:\?([^#]*))?(?:#|$)/;
/** The store's keys of resources that have one. */
const KEYS = { "/preview/builds": "builds", "/preview/overlay": "overlay", "/preview/overlay-log": "overlay/log" };
/** Resources of lines, which are empty rather than missing. */
const LINES = new Set(["/preview/builds", "/preview/overlay-log"]);
const READ_LIMIT_MS = 2_000;
/**
 * Shortest `Retry-After` of a refused client, in seconds; the longest is twice that. As in
 * reply/problem.rs.
 */
const TOO_MANY_WAIT_S = 10;

/**
 * A promise of the answer to `request`; `undefined` if the path isn't one of these. `admit` gives
 * the status: 200, 403 or 429 (gate.rs).
 */
export function preview(request, env, admit) {
  const found = PATH.exec(request.url);
  return found === null ? undefined : answer(request, env, admit, found[1], new URLSearchParams(found[2]));
}

async function answer(request, env, admit, path, query) {
  const status = await admit(request, env);
  if (status === 429) {
    const wait = String(TOO_MANY_WAIT_S + Math.floor(Math.random() * (TOO_MANY_WAIT_S + 1)));
    return problem(429, "too-many-requests", "Too many requests", "wait before the next request", { "Retry-After": wait });
  }
  if (request.method !== "GET" && request.method !== "HEAD") {
    return problem(405, "method-not-allowed", "Method not allowed", "this resource has GET, HEAD", { Allow: "GET, HEAD" });
  }
  if (status !== 200) {
    return problem(403, "preview-only", "Only for previews", "this needs the header Sinsang-Preview with this deployment's secret");
  }
  if (path.startsWith("/demo/")) return demo(request, env);
  const number = query.get("number");
  if (path === "/preview/pulse" && !/^\d{1,10}$/.test(number ?? "")) {
    return problem(400, "invalid-parameter", "Invalid parameter", "expected the number that Sinsang-Pulse says", {}, "number");
  }
  const key = path === "/preview/pulse" ? `pulse/${number}` : KEYS[path];
  let value;
  try {
    value = await read(env, key);
  } catch (error) {
    console.error(`can't read ${key} for a preview: ${error}`);
    return problem(503, "no-data", "No data yet", "the store does not answer; try again", { "Retry-After": "5" });
  }
  if (LINES.has(path)) return reply(value ?? "", "application/x-ndjson; charset=utf-8");
  if (value === null && path === "/preview/overlay") return problem(404, "not-found", "No such resource", "nobody has said anything");
  if (value === null) return problem(410, "pulse-gone", "The pulse is gone", "a pulse is kept for a day: ask for the surface again");
  return reply(value, "application/octet-stream");
}

/**
 * A value of the store as bytes; `null` if it has none. A store that never answers counts as
 * failed.
 */
async function read(env, key) {
  let timer;
  const late = new Promise((_, fail) => (timer = setTimeout(() => fail(new Error("timed out")), Number(env.READ_LIMIT_MS) || READ_LIMIT_MS)));
  try {
    return await Promise.race([env.SNAPSHOTS.get(key, "arrayBuffer"), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A file of the demonstration; deployments have none. */
async function demo(request, env) {
  const file = await env.ASSETS?.fetch(request);
  if (!file?.ok) return problem(404, "not-found", "No such resource", "this is no demonstration");
  const headers = new Headers(file.headers);
  for (const [name, value] of Object.entries(COMMON)) headers.set(name, value);
  return new Response(file.body, { status: file.status, headers });
}

/** Headers of every answer here: never cached, and never sniffed for another type. */
const COMMON = { "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff" };

function reply(body, type) {
  return new Response(body, { headers: { ...COMMON, "Content-Type": type } });
}

function problem(status, kind, title, detail, headers = {}, parameter = undefined) {
  const body = JSON.stringify({ type: `/problems/${kind}`, title, status, detail, parameter });
  return new Response(body, { status, headers: { ...COMMON, "Content-Type": "application/problem+json; charset=utf-8", ...headers } });
}
