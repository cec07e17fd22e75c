// The edge's own ranking in this browser: the core as Wasm, with packs from the preview's routes.
// Its order equals the served one.

import { getBytes } from "./api.js";

/** Limit on new products ordered at once. */
export const MAX_ITEMS = 500;
/** Limit on pulses, and on overlays, kept at once. */
const MAX_PULSES = 3;

/**
 * Downloaded snapshots and tastes. `key()` returns the preview secret and the token of the
 * requests: `{preview, token}`.
 */
export class Local {
  #key;
  #module = null;
  #boards = new Map();
  #tastes = new Map();
  #pulses = new Map();
  #overlays = new Map();

  constructor(key) {
    this.#key = key;
  }

  /** Forgets viewers' tastes: they were downloaded with another key. */
  forget() {
    this.#tastes.clear();
  }

  /**
   * A snapshot with a viewer's tastes, ready for synchronous questions. `viewer` is a user id, or
   * "" for the token's user or nobody; `pulse` and `overlay` are the number of the pulse to order by
   * and the revision of the overlay, `null` for none. Throws `Refused`, or the core's own text if a pack
   * is damaged.
   */
  async seat(snapshot, viewer, { pulse = null, overlay = null } = {}) {
    const parts = [this.#board(snapshot), this.#taste(snapshot, viewer), this.#pulse(pulse), this.#overlay(overlay)];
    return new Seat(...(await Promise.all(parts)));
  }

  /** Every product of a snapshot. */
  async products(snapshot) {
    return JSON.parse((await this.#board(snapshot)).products());
  }

  /** The available snapshots, newest first: `{id, built_at}`. */
  async snapshots() {
    const bytes = await getBytes("/preview/snapshots", this.#key());
    return JSON.parse(new TextDecoder().decode(bytes)).snapshots;
  }

  /**
   * Outcomes of recent builds, the oldest first (`crates/pipeline/src/report/build_log.rs`);
   * unreadable lines are dropped.
   */
  async builds() {
    const builds = (await this.#lines("/preview/builds")).filter((build) => Number.isFinite(Date.parse(build?.built_at)));
    return builds.toSorted((a, b) => Date.parse(a.built_at) - Date.parse(b.built_at));
  }

  /** What operators said, the latest first (`crates/publish/src/overlay/log.rs`). */
  async said() {
    return (await this.#lines("/preview/overlay-log")).filter((said) => typeof said?.id === "string").toReversed();
  }

  /** The values of a resource of JSON lines; unreadable lines are dropped. */
  async #lines(path) {
    const text = new TextDecoder().decode(await getBytes(path, { ...this.#key(), token: "" }));
    return text.split("\n").flatMap((line) => {
      try {
        return [JSON.parse(line)];
      } catch {
        return [];
      }
    });
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
    // A new pulse is published each minute.
    for (const known of [...this.#pulses.keys()].slice(0, -MAX_PULSES)) this.#pulses.delete(known);
    return this.#once(this.#pulses, number, () => getBytes(`/preview/pulse?number=${number}`, { ...this.#key(), token: "" }));
  }

  async #overlay(revision) {
    if (revision === null) return undefined;
    for (const known of [...this.#overlays.keys()].slice(0, -MAX_PULSES)) this.#overlays.delete(known);
    return this.#once(this.#overlays, revision, () => getBytes("/preview/overlay", { ...this.#key(), token: "" }));
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

  /** The result of `make`, called once for each key; failures are not kept. */
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

/** One viewer's tastes with one snapshot. */
class Seat {
  #board;
  #tastes;
  #pulse;
  #overlay;

  constructor(board, tastes, pulse, overlay) {
    this.#board = board;
    this.#tastes = tastes;
    this.#pulse = pulse;
    this.#overlay = overlay;
  }

  /** The surfaces for a question (`src/preview.rs`), in the format of /v1/home, with `scores`. */
  arrange(question) {
    this.#board.seat(this.#tastes);
    this.#board.beat(this.#pulse);
    this.#board.amend(this.#overlay);
    return JSON.parse(this.#board.arrange(JSON.stringify(question)));
  }

  /**
   * The tastes that order a question's surfaces: the viewer's own, those of their context
   * (`is_of_context`), or `null`.
   */
  tastes(question) {
    this.#board.seat(this.#tastes);
    return JSON.parse(this.#board.tastes(JSON.stringify(question)));
  }

  /**
   * Whether province and device class make a difference in this snapshot to viewers without tastes.
   */
  tellsContextsApart() {
    return this.#board.tellsContextsApart();
  }

  /** The published weights: `{new, live, tabs}`. */
  weights() {
    return JSON.parse(this.#board.weights());
  }
}

/** The parts of a score, in drawing order. */
export const PARTS = ["taste", "channel", "hour", "soon", "on_air", "popularity", "pulse", "position", "memory", "rules", "stay"];

/** The sum of a score's parts. */
export function total(score) {
  return PARTS.reduce((sum, part) => sum + (score[part] ?? 0), 0);
}

/** The key that identifies an item of a surface across orders. */
export function itemKey(surface, item) {
  if (surface === "tabs") return item.tab_id;
  return surface === "live" ? `${item.product_id}@${item.broadcast.channel.id}` : item.product_id;
}

/**
 * The difference of two orders, given their items' keys: the earlier places by key, and figures of
 * the moves.
 */
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
