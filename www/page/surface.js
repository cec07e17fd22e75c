// The app's surfaces, declared once for the page: their names, and the signals with an effect on
// each. `tests/it/declaration.rs` holds them to the core's.
import { say } from "./language.js";

/** A surface by its name in the contract: what people call it, and its signals. */
export const SURFACES = {
  new: { name: say("신상품"), signals: ["taste", "channel", "hour", "soon", "on_air", "popularity", "pulse"] },
  live: { name: say("생방송"), signals: ["taste", "channel", "hour", "popularity", "pulse"] },
  tabs: { name: say("상단탭"), signals: ["taste", "position"] },
};
