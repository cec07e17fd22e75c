// The page's state in the URL: viewer, time, tab, filters, tool and trial; and the preview secret,
// which never stays there.

import { DEVICE_CLASSES, REGIONS } from "./context.js";
import { parseTime, rfc3339 } from "./format.js";
import { SURFACES } from "./surface.js";

const SECRET_KEY = "sinsang-preview";
const DEFAULTS = Object.freeze({
  viewer: "",
  asOfMs: null,
  region: "",
  device_class: "",
  tab: "new",
  category: "",
  channel: "",
  sort: "recommended",
  tool: "answers",
  list: "new",
  against: "shared",
  other: "",
  variants: "",
  snapshot: "",
  weights: "",
  pins: "",
  blocks: "",
  lang: "ko",
});
/** The allowed values of parameters that don't take any text. */
const CHOICES = {
  region: [...REGIONS.keys()],
  device_class: [...DEVICE_CLASSES.keys()],
  sort: ["recommended", "soonest"],
  tool: ["answers", "compare", "why", "trial", "speed", "quality"],
  list: Object.keys(SURFACES),
  against: ["shared", "viewer", "context", "variant", "time", "snapshot"],
  lang: ["ko", "en"],
};
const TEXTS = Object.keys(DEFAULTS).filter((key) => !["viewer", "asOfMs"].includes(key));

/** The state of a URL's query (`location.search`); missing or unreadable parts take the default. */
export function readState(search) {
  const query = new URLSearchParams(search);
  return {
    viewer: query.get("viewer")?.trim() ?? DEFAULTS.viewer,
    asOfMs: parseTime(query.get("as_of")),
    ...Object.fromEntries(
      TEXTS.map((key) => {
        const value = query.get(key) ?? "";
        const known = value !== "" && (CHOICES[key]?.includes(value) ?? true);
        return [key, known ? value : DEFAULTS[key]];
      }),
    ),
  };
}

const some = (keys) => Object.freeze(Object.fromEntries(keys.map((key) => [key, DEFAULTS[key]])));
/** The default values of the parameters that only a preview may choose. */
export const PREVIEWED = some(["viewer", "asOfMs", "region", "device_class", "variants", "snapshot"]);
/** The default values of all parameters that an answer may refuse. */
export const UNCHOSEN = some([...Object.keys(PREVIEWED), "category", "channel", "sort"]);

/** The chosen variants, each as `experiment:variant`. */
export function variantsOf(state) {
  return state.variants.split(",").filter((name) => name !== "");
}

/** The query for a state, beginning with "?"; empty for the default state. */
export function writeState(state) {
  const query = new URLSearchParams();
  if (state.viewer !== DEFAULTS.viewer) query.set("viewer", state.viewer);
  if (state.asOfMs !== null) query.set("as_of", rfc3339(state.asOfMs));
  for (const key of TEXTS) {
    if (state[key] !== DEFAULTS[key]) query.set(key, state[key]);
  }
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}

/**
 * Moves a secret given as `#preview=…` into this tab's session storage and out of the address bar.
 * True if there was one.
 */
export function takeSecret() {
  const secret = new URLSearchParams(location.hash.slice(1)).get("preview");
  if (secret === null) return false;
  if (secret === "") sessionStorage.removeItem(SECRET_KEY);
  else sessionStorage.setItem(SECRET_KEY, secret);
  history.replaceState(history.state, "", location.pathname + location.search);
  return true;
}

/** The preview secret of this tab, or `null`. */
export function secret() {
  return sessionStorage.getItem(SECRET_KEY);
}

/** Forgets the preview secret. */
export function forgetSecret() {
  sessionStorage.removeItem(SECRET_KEY);
}
