// What the page shows, kept in the address: viewer, time, tab, filters, tool and what is tried; and the preview secret, which never
// stays there.

import { DEVICE_CLASSES, REGIONS } from "./context.js";
import { parseTime, rfc3339 } from "./format.js";

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
/** What a parameter may be, where not any text will do. */
const CHOICES = {
  region: [...REGIONS.keys()],
  device_class: [...DEVICE_CLASSES.keys()],
  sort: ["recommended", "soonest"],
  tool: ["answers", "compare", "why", "trial", "speed", "quality"],
  list: ["new", "live", "tabs"],
  against: ["shared", "viewer", "context", "variant", "time", "snapshot"],
  lang: ["ko", "en"],
};
const TEXTS = Object.keys(DEFAULTS).filter((key) => !["viewer", "asOfMs"].includes(key));

/** The state that an address's query (`location.search`) stands for; what is missing or unreadable is the default. */
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
/** What only a preview may choose of the surfaces that are shown, each as it is where nothing is chosen. */
export const PREVIEWED = some(["viewer", "asOfMs", "region", "device_class", "variants", "snapshot"]);
/** The same of all that an answer may refuse. */
export const UNCHOSEN = some([...Object.keys(PREVIEWED), "category", "channel", "sort"]);

/** The variants that are chosen, each as `experiment:variant`. */
export function variantsOf(state) {
  return state.variants.split(",").filter((name) => name !== "");
}

/** The query for a state, with "?" in front; empty where all is default. */
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

/** Moves a secret given as `#preview=…` into this tab's session storage and out of the address bar. True if one was given. */
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
