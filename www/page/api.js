// Requests to the edge: builds each one from the state, measures it, and reports the whole exchange
// to the panel.

import { rfc3339 } from "./format.js";
import { variantsOf } from "./state.js";

/** Items in one page of the new-product tab. */
export const PAGE_ITEMS = 20;

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
  const headers = { Accept: "application/json, application/problem+json" };
  if (preview !== null) headers["Sinsang-Preview"] = preview;
  if (token !== "") headers.Authorization = `Bearer ${token}`;
  const exchange = { path, startedMs: Date.now(), status: 0, headers: [], text: "", bytes: 0, tookMs: 0 };
  const beganMs = performance.now();
  let response;
  try {
    // Bypasses the browser's cache, which would show an earlier answer's headers.
    response = await fetch(path, { headers, signal, cache: "no-store", credentials: "omit", redirect: "error" });
    exchange.status = response.status;
    exchange.headers = [...response.headers];
    const body = await response.arrayBuffer();
    exchange.bytes = body.byteLength;
    exchange.text = new TextDecoder().decode(body);
  } catch (error) {
    if (signal?.aborted) throw error;
    exchange.tookMs = performance.now() - beganMs;
    exchange.text = String(error);
    exchange.status = 0;
    record?.(exchange);
    throw new Refused(0, { title: "no answer", detail: String(error) }, null);
  }
  exchange.tookMs = performance.now() - beganMs;
  record?.(exchange);

  let json;
  try {
    json = JSON.parse(exchange.text);
  } catch {
    throw new Refused(response.status, { title: "the answer is not JSON" }, null);
  }
  if (!response.ok) {
    const retryAfterS = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
    throw new Refused(response.status, json ?? {}, Number.isFinite(retryAfterS) ? retryAfterS : null);
  }
  return { json, exchange };
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
