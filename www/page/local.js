// The edge's own ranking in this browser: the core as Wasm over packs that the preview's routes give. What it orders is what is served.

import { getBytes } from "./api.js";

/** Most new products that are ordered at once. */
export const MAX_ITEMS = 500;
/** Pulses that are kept at once. */
const MAX_PULSES = 3;

/** Downloaded snapshots and tastes. `key()` gives the preview secret and the token to ask with: `{preview, token}`. */
export class Local {
  #key;
  #module = null;
  #boards = new Map();
  #tastes = new Map();
  #pulses = new Map();

  constructor(key) {
    this.#key = key;
  }

  /** Forgets viewers: what was downloaded was another key's to see. */
  forget() {
    this.#tastes.clear();
  }

  /**
   * A snapshot with a viewer's tastes, ready to be asked without waiting. `viewer` is a user id, "" for whoever the token names or
   * nobody; `pulse` the number of the pulse to order by, or `null` to order without, as the edge does for a chosen time. Throws `Refused`,
   * or the core's own words where a pack is damaged.
   */
  async seat(snapshot, viewer, pulse = null) {
    const [board, tastes, counts] = await Promise.all([this.#board(snapshot), this.#taste(snapshot, viewer), this.#pulse(pulse)]);
    return new Seat(board, tastes, counts);
  }

  /** Every product of a snapshot. */
  async products(snapshot) {
    return JSON.parse((await this.#board(snapshot)).products());
  }

  /** The snapshots that can be looked at, newest first: `{id, built_at}`. */
  async snapshots() {
    const bytes = await getBytes("/preview/snapshots", this.#key());
    return JSON.parse(new TextDecoder().decode(bytes)).snapshots;
  }

  /** What the last builds came to, the oldest first (`crates/pipeline/src/report/build_log.rs`); a line that can't be read is left out. */
  async builds() {
    const text = new TextDecoder().decode(await getBytes("/preview/builds", { ...this.#key(), token: "" }));
    const builds = text.split("\n").flatMap((line) => {
      try {
        const build = JSON.parse(line);
        return Number.isFinite(Date.parse(build?.built_at)) ? [build] : [];
      } catch {
        return [];
      }
    });
    return builds.toSorted((a, b) => Date.parse(a.built_at) - Date.parse(b.built_at));
  }

  async #board(snapshot) {
    return this.#once(this.#boards, snapshot, async () => {
      const [core, bytes] = await Promise.all([
        this.#core(),
        getBytes(`/preview/board?snapshot=${snapshot}`, this.#key()),
      ]);
      return new core.Preview(bytes);
    });
  }

  async #taste(snapshot, viewer) {
    const { preview, token } = this.#key();
    if (viewer === "" && token === "") return undefined;
    return this.#once(this.#tastes, JSON.stringify([snapshot, viewer]), () => {
      const query = new URLSearchParams({ snapshot });
      if (viewer !== "") query.set("viewer", viewer);
      return getBytes(`/preview/tastes?${query}`, { preview, token: viewer === "" ? token : "" });
    });
  }

  async #pulse(number) {
    if (number === null) return undefined;
    // There is another one each minute.
    for (const known of [...this.#pulses.keys()].slice(0, -MAX_PULSES)) this.#pulses.delete(known);
    return this.#once(this.#pulses, number, () => getBytes(`/preview/pulse?number=${number}`, { ...this.#key(), token: "" }));
  }

  async #core() {
    this.#module ??= (async () => {
      const core = await import("/built/core.js");
      await core.default();
      return core;
    })();
    try {
      return await this.#module;
    } catch (error) {
      this.#module = null;
      throw error;
    }
  }

  /** What `make` gives, made once; a failure is not kept. */
  async #once(map, key, make) {
    if (!map.has(key)) map.set(key, make());
    try {
      return await map.get(key);
    } catch (error) {
      map.delete(key);
      throw error;
    }
  }
}

/** One viewer before one snapshot. */
class Seat {
  #board;
  #tastes;
  #pulse;

  constructor(board, tastes, pulse) {
    this.#board = board;
    this.#tastes = tastes;
    this.#pulse = pulse;
  }

  /** The surfaces for a question (`src/preview.rs`), in the shape of /v1/home, with `scores` beside. */
  arrange(question) {
    this.#board.seat(this.#tastes);
    this.#board.beat(this.#pulse);
    return JSON.parse(this.#board.arrange(JSON.stringify(question)));
  }

  /** The tastes that a question's surfaces are ordered by: the viewer's own or, `is_of_context`, those of who comes from where; or `null`. */
  tastes(question) {
    this.#board.seat(this.#tastes);
    return JSON.parse(this.#board.tastes(JSON.stringify(question)));
  }

  /** Whether province and class of device make a difference in this snapshot to who has no tastes. */
  tellsContextsApart() {
    return this.#board.tellsContextsApart();
  }

  /** The published weights: `{new, live, tabs}`. */
  weights() {
    return JSON.parse(this.#board.weights());
  }
}

/** The parts of a score, in the order in which they are drawn. */
export const PARTS = ["taste", "channel", "hour", "soon", "on_air", "popularity", "pulse", "position", "memory", "rules", "stay"];

/** The sum of a score's parts. */
export function total(score) {
  return PARTS.reduce((sum, part) => sum + (score[part] ?? 0), 0);
}

/** What identifies an item of a surface from one order to another. */
export function itemKey(surface, item) {
  if (surface === "tabs") return item.tab_id;
  return surface === "live" ? `${item.product_id}@${item.broadcast.channel.id}` : item.product_id;
}

/** How two orders differ, from their items' keys: the places before by key, and figures of what moved. */
export function difference(before, after) {
  const was = new Map(before.map((key, place) => [key, place]));
  const moves = after.map((key, place) => (was.has(key) ? was.get(key) - place : null));
  const known = moves.filter((move) => move !== null);
  const moved = known.filter((move) => move !== 0);
  const top = Math.min(10, before.length, after.length);
  const first = new Set(before.slice(0, top));
  const kept = new Set(after);
  return {
    moves,
    moved: moved.length,
    entered: moves.length - known.length,
    left: before.filter((key) => !kept.has(key)).length,
    meanMove: known.length === 0 ? 0 : known.reduce((sum, move) => sum + Math.abs(move), 0) / known.length,
    top,
    sharedTop: after.slice(0, top).filter((key) => first.has(key)).length,
  };
}
