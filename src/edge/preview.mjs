// What only the preview page asks for and no answer of the API hangs on: the pulse that an answer was ordered by, what the last builds came to,
// and the demonstration's users. All of it for whoever sends the preview secret, and for nobody else.

const PATH = /^[^?#]*?\/\/[^/]*(\/preview\/(?:pulse|builds)|\/demo\/[^?#]*)(?:\?([^#]*))?(?:#|$)/;
const READ_LIMIT_MS = 2_000;
/** The least that whoever comes too fast is told to wait, in seconds, and at the most twice that; as reply/problem.rs has it. */
const TOO_MANY_WAIT_S = 10;

/** The answer to `request` where it is for here, a promise; otherwise `undefined`. `admit` gives its status: 200, 403 or 429 (gate.rs). */
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
  for (const [name, value] of Object.entries(COMMON)) headers.set(name, value);
  return new Response(file.body, { status: file.status, headers });
}

/** What every answer here says of itself: it is nobody else's, and it is what it says it is. */
const COMMON = { "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff" };

function reply(body, type) {
  return new Response(body, { headers: { ...COMMON, "Content-Type": type } });
}

function problem(status, kind, title, detail, headers = {}, parameter = undefined) {
  const body = JSON.stringify({ type: `/problems/${kind}`, title, status, detail, parameter });
  return new Response(body, { status, headers: { ...COMMON, "Content-Type": "application/problem+json; charset=utf-8", ...headers } });
}
