// Normalises a deployment's CORS variables for the core (cors.rs): CORS_ORIGINS to origins as
// browsers spell them, by the platform's URL parser, and CORS_HEADERS to bare names. Entries that
// can match nothing are logged once an isolate.

const FORM = "each origin by scheme and host, such as https://shop.example";

/**
 * The latest environment, its copy with both variables normalised, and the two normalised
 * variables.
 */
let given;
let mended;
let variables;

/** `env` with both variables normalised. `opens` says whether this Worker accepts `*`. */
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

/** Separators are commas, semicolons and white space; no entry contains any. */
const entries = (text) => text.split(/[\s,;]+/).map((entry) => entry.replace(/^["']+|["']+$/g, "")).filter((entry) => entry !== "");

/** The origins in `text`, and a line on each invalid entry. */
export function originsOf(text, opens) {
  const list = [];
  const flaws = [];
  for (const entry of entries(text)) {
    if (entry === "*") {
      if (opens) list.push(entry);
      else flaws.push("'*' in CORS_ORIGINS does not let pages send events: list their origins");
      continue;
    }
    const origin = originOf(entry);
    if (origin !== undefined && origin.isWhole) list.push(origin.name);
    else flaws.push(`'${entry}' in CORS_ORIGINS is not a page's origin and is ignored: write ${origin?.name ?? FORM}`);
  }
  return { list: [...new Set(list)], flaws };
}

/** The header names in `text`, and a line on each invalid entry. */
export function headersOf(text) {
  const isName = (entry) => /^[\w-]{1,64}$/.test(entry);
  const flaws = entries(text).filter((entry) => !isName(entry));
  const line = (entry) => `'${entry}' in CORS_HEADERS is not a header name and is ignored: list full names, such as traceparent`;
  return { list: entries(text).filter(isName), flaws: flaws.map(line) };
}

/**
 * The origin that `entry` means, as browsers spell it, and whether the entry is exactly an origin;
 * `undefined` if it means none.
 */
function originOf(entry) {
  const hasScheme = /^[a-z][a-z\d+.-]*:\/\//i.test(entry);
  const text = hasScheme ? entry : `https://${entry.replace(/^\/+/, "")}`;
  let url;
  try {
    url = new URL(text);
  } catch {
    return undefined;
  }
  // The standard gives schemes of apps and extensions (capacitor://localhost, say) no origin; web
  // views send it all the same.
  const name = url.origin === "null" ? `${url.protocol}//${url.host.toLowerCase()}` : url.origin;
  if (!/^[a-z][a-z\d+.-]*:\/\/(?:[a-z\d._-]+|\[[\da-f:.]+\])(?::\d+)?$/.test(name) || url.hostname === "null") return undefined;
  const isWhole = hasScheme && /^\/*$/.test(url.pathname) && url.username + url.password + url.search + url.hash === "";
  return { name, isWhole };
}
