// The page's estimate of the edge's clock: the browser's own clock may be wrong, and a demo's clock
// is shifted.

/** Follows the edge's clock by the offset in its answers; stands still at a chosen time. */
export class EdgeClock {
  #offsetMs = 0;
  #known = false;

  /**
   * Learns from an answer's Date header (whole seconds, real time); a status answer, which is
   * exact, overrides it.
   */
  learnFromDate(headers, receivedMs) {
    if (this.#known) return;
    const date = Date.parse(headers.find(([name]) => name === "date")?.[1] ?? "");
    // A Date header is cut to its second: half a second is the middle of its range.
    if (Number.isFinite(date)) this.#offsetMs = date + 500 - receivedMs;
  }

  /** Learns from the `now` of a status answer requested at `startedMs` that took `tookMs`. */
  learnFromStatus(now, startedMs, tookMs) {
    const at = Date.parse(now);
    if (!Number.isFinite(at)) return;
    this.#offsetMs = at - (startedMs + tookMs / 2);
    this.#known = true;
  }

  /** Unix milliseconds at the edge, or `asOfMs` if a time was chosen. */
  now(asOfMs = null) {
    return asOfMs ?? Date.now() + this.#offsetMs;
  }
}
