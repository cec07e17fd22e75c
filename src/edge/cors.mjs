// What a deployment says of other origins' pages, as the core compares it (cors.rs): CORS_ORIGINS with origins as browsers spell them, by the
// platform's own parser of addresses, and CORS_HEADERS with names alone. The log is told once an isolate of what can match nothing.

const FORM = "each origin by scheme and host, such as https://shop.example";

/** The environment that came last, the same with both variables mended, and these. */
let given;
let mended;
let variables;

/** `env` with both variables mended. `opens` tells whether `*` opens anything in this Worker. */
export function settings(env, opens) {
  if (env !== given) {
    given = env;
    variables ??= read(env, opens);
    mended = env.CORS_ORIGINS || env.CORS_HEADERS ? Object.assign(Object.create(env), variables) : env;
  }
  return mended;
}

function read(env, opens) {
  const origins = originsOf(env.CORS_ORIGINS ?? "", opens);
  const headers = headersOf(env.CORS_HEADERS ?? "");
  for (const line of [...origins.flaws, ...headers.flaws]) console.error(`configuration: ${line}`);
  return { CORS_ORIGINS: origins.list.join(","), CORS_HEADERS: headers.list.join(", ") };
}

/** Commas separate; spaces and lines do too, for nothing that is listed has any. */
const entries = (text) => text.split(/[\s,;]+/).map((entry) => entry.replace(/^["']+|["']+$/g, "")).filter((entry) => entry !== "");

/** The origins that `text` lists, and a line on each entry that is none. */
export function originsOf(text, opens) {
  const list = [];
  const flaws = [];
  for (const entry of entries(text)) {
    if (entry === "*") {
      if (opens) list.push(entry);
      else flaws.push("'*' in CORS_ORIGINS lets no page send events: write the origins of those that do");
      continue;
    }
    const origin = originOf(entry);
    if (origin !== undefined && origin.isWhole) list.push(origin.name);
    else flaws.push(`'${entry}' in CORS_ORIGINS is no page's origin and is left out: write ${origin?.name ?? FORM}`);
  }
  return { list: [...new Set(list)], flaws };
}

/** The headers that `text` names, and a line on each entry that names none. */
export function headersOf(text) {
  const isName = (entry) => /^[\w-]{1,64}$/.test(entry);
  const flaws = entries(text).filter((entry) => !isName(entry));
  const line = (entry) => `'${entry}' in CORS_HEADERS names no header and is left out: write each name, such as traceparent`;
  return { list: entries(text).filter(isName), flaws: flaws.map(line) };
}

/** The origin that `entry` means, as browsers spell it, and whether it names that and nothing more; `undefined` where it means none. */
function originOf(entry) {
  const hasScheme = /^[a-z][a-z\d+.-]*:\/\//i.test(entry);
  const text = hasScheme ? entry : `https://${entry.replace(/^\/+/, "")}`;
  let url;
  try {
    url = new URL(text);
  } catch {
    return undefined;
  }
  // Schemes of apps and extensions, such as capacitor://localhost, have no origin by the standard; web views send it so all the same.
  const name = url.origin === "null" ? `${url.protocol}//${url.host.toLowerCase()}` : url.origin;
  if (!/^[a-z][a-z\d+.-]*:\/\/(?:[a-z\d._-]+|\[[\da-f:.]+\])(?::\d+)?$/.test(name) || url.hostname === "null") return undefined;
  const isWhole = hasScheme && /^\/*$/.test(url.pathname) && url.username + url.password + url.search + url.hash === "";
  return { name, isWhole };
}
