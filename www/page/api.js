// Requests to the edge: builds each one from the state, has the client (clients/typescript) make
// it, measures it, and reports the whole exchange to the panel.

import { Client, SinsangError } from "../built/client.js";
import { rfc3339 } from "./format.js";
import { variantsOf } from "./state.js";

/** Items in one page of the new-product tab. */
export const PAGE_ITEMS = 20;
/** Limit on a request. */
const LIMIT_MS = 30_000;

/**
 * An answer other than a surface: a problem document, an unreadable answer, or none at all
 * (`status` 0).
 */
export class Refused extends Error {
  constructor(status, problem, retryAfterS) {
    super(problem.title ?? `HTTP ${status}`);
    this.name = "Refused";
    this.status = status;
    this.problem = problem;
    this.retryAfterS = retryAfterS;
  }
}

/**
 * The URL of a surface for a state; `preview` allows viewer, time, context, snapshot and variants
 * in it.
 */
export function surfacePath(path, parameters, state, preview, token) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(parameters)) {
    if (value !== "" && value !== null && value !== undefined) query.set(key, value);
  }
  if (preview && state.asOfMs !== null) query.set("as_of", rfc3339(state.asOfMs));
  // A token names its own user.
  if (preview && state.viewer !== "" && token === "") query.set("viewer", state.viewer);
  // Viewers with tastes get their own order, whatever this says.
  if (preview && state.region !== "") query.set("region", state.region);
  if (preview && state.device_class !== "") query.set("device_class", state.device_class);
  if (preview && state.snapshot !== "") query.set("snapshot", state.snapshot);
  if (preview) for (const name of variantsOf(state)) query.append("variant", name);
  const text = query.toString();
  return text === "" ? path : `${path}?${text}`;
}

/**
 * Gets `path` as JSON. `record` is called once with the whole exchange, successful or not, except
 * after an abort. Throws `Refused`, or the abort's own error.
 */
export async function get(path, { preview = null, token = "", signal, record }) {
  const exchange = { path, startedMs: Date.now(), status: 0, headers: [], text: "", bytes: 0, tookMs: 0 };
  // The page shows each answer as it came: it asks once, remembers nothing and names no device.
  const client = new Client({
    base: "",
    token: () => token,
    device: false,
    attempts: 1,
    attemptMs: LIMIT_MS,
    totalMs: LIMIT_MS,
    remembered: 0,
    headers: () => (preview === null ? {} : { "Sinsang-Preview": preview }),
    fetch: (url, init) => exchanged(exchange, url, init),
  });
  const beganMs = performance.now();
  let json;
  let refused = null;
  try {
    ({ data: json } = await client.get(path, {}, { signal }));
  } catch (error) {
    if (!(error instanceof SinsangError)) throw error;
    refused = refusedBy(error);
    if (error.status === 0) exchange.text = refused.problem.detail;
  }
  exchange.tookMs = performance.now() - beganMs;
  record?.(exchange);
  if (refused !== null) throw refused;
  return { json, exchange };
}

/** Makes the client's request, and notes its answer in `exchange`. */
async function exchanged(exchange, url, init) {
  // Bypasses the browser's cache, which would show an earlier answer's headers.
  const response = await fetch(url, { ...init, cache: "no-store", redirect: "error" });
  const body = await response.arrayBuffer();
  exchange.status = response.status;
  exchange.headers = [...response.headers];
  exchange.bytes = body.byteLength;
  exchange.text = new TextDecoder().decode(body);
  return { status: response.status, headers: response.headers, text: async () => exchange.text };
}

function refusedBy({ status, problem, retryAfterMs, reason, message }) {
  const otherwise = status === 0 ? { title: "no answer", detail: String(reason ?? message) } : { title: "the answer is not JSON" };
  return new Refused(status, problem ?? otherwise, retryAfterMs === undefined ? null : Math.round(retryAfterMs / 1000));
}

/** Gets `path` as bytes. Throws `Refused`. */
export async function getBytes(path, { preview, token }) {
  const headers = {};
  if (preview !== null) headers["Sinsang-Preview"] = preview;
  if (token !== "") headers.Authorization = `Bearer ${token}`;
  let response;
  try {
    response = await fetch(path, { headers, cache: "no-store", credentials: "omit", redirect: "error" });
    if (response.ok) return new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    throw new Refused(0, { title: "no answer", detail: String(error) }, null);
  }
  throw new Refused(response.status, await response.json().catch(() => ({})), null);
}
