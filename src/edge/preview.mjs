// What only the preview page asks for and no answer of the API hangs on: the pulse that an answer was ordered by, what the last builds came to,
// and the demonstration's users. All of it for whoever sends the preview secret, and for nobody else.

const PATH = /^[^?#]*?\/\/[^/]*(\/preview\/(?:pulse|builds)|\/demo\/[^?#]*)(?:\?([^#]*))?(?:#|$)/;
const READ_LIMIT_MS = 2_000;
/** How long a secret may be that is looked at. */
const MAX_SECRET_LENGTH = 256;
const encoder = new TextEncoder();

/** The answer to `request` where it is for here, a promise; otherwise `undefined`. */
export function preview(request, env) {
  const found = PATH.exec(request.url);
  return found === null ? undefined : answer(request, env, found[1], new URLSearchParams(found[2]));
}

async function answer(request, env, path, query) {
  if (request.method !== "GET" && request.method !== "HEAD") {
    return problem(405, "method-not-allowed", "Method not allowed", "this resource has GET, HEAD", { Allow: "GET, HEAD" });
  }
  if (!(await mayPreview(request.headers.get("sinsang-preview"), env.PREVIEW_SECRET))) {
    return problem(403, "preview-only", "Only for previews", "this needs the header Sinsang-Preview with this deployment's secret");
  }
  if (path.startsWith("/demo/")) return demo(request, env);
  const number = query.get("number");
  if (path === "/preview/pulse" && !/^\d{1,10}$/.test(number ?? "")) {
    return problem(400, "invalid-parameter", "Invalid parameter", "expected the number that Sinsang-Pulse says", {}, "number");
  }
  const key = path === "/preview/pulse" ? `pulse/${number}` : "builds";
  let value;
  try {
    value = await read(env, key);
  } catch (error) {
    console.error(`reading ${key} for a preview: ${error}`);
    return problem(503, "no-data", "No data", "the store does not answer; try again", { "Retry-After": "5" });
  }
  if (path === "/preview/builds") return reply(value ?? "", "application/x-ndjson; charset=utf-8");
  if (value === null) return problem(410, "pulse-gone", "The pulse is gone", "a pulse is kept for a day: ask for the surface again");
  return reply(value, "application/octet-stream");
}

/** Bytes of the store; `null` where it has none. A store that never answers is one that fails. */
async function read(env, key) {
  let timer;
  const late = new Promise((_, fail) => (timer = setTimeout(() => fail(new Error("no answer")), Number(env.READ_LIMIT_MS) || READ_LIMIT_MS)));
  try {
    return await Promise.race([env.SNAPSHOTS.get(key, "arrayBuffer"), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A file of the demonstration's, which a deployment has none of. */
async function demo(request, env) {
  const file = await env.ASSETS?.fetch(request);
  if (!file?.ok) return problem(404, "not-found", "No such resource", "this is no demonstration");
  const headers = new Headers(file.headers);
  headers.set("Cache-Control", "no-store");
  return new Response(file.body, { status: file.status, headers });
}

/** Hashes are compared, in constant time, so that how long it takes tells nothing of the secret; as `src/request.rs` does. */
async function mayPreview(given, secret) {
  if (typeof secret !== "string" || secret === "" || given === null || given.length > MAX_SECRET_LENGTH) return false;
  const hash = (text) => crypto.subtle.digest("SHA-256", encoder.encode(text));
  const [one, other] = await Promise.all([hash(given), hash(secret)]);
  return crypto.subtle.timingSafeEqual(one, other);
}

function reply(body, type) {
  return new Response(body, { headers: { "Content-Type": type, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff" } });
}

function problem(status, kind, title, detail, headers = {}, parameter = undefined) {
  const body = JSON.stringify({ type: `/problems/${kind}`, title, status, detail, parameter });
  return new Response(body, { status, headers: { "Content-Type": "application/problem+json; charset=utf-8", "Cache-Control": "no-store", ...headers } });
}
