// When to ask again: how long to wait, and how often at all.

import type { Clock } from "./platform.js";
import { SinsangError } from "./problem.js";

/** The first wait is a random part of this; each later one of twice the one before. */
const SPREAD_MS = 500;
/** Retries that a client may save up. */
const MOST_SAVED = 10;
/** Retries that each request earns: in an outage, clients ask 1.1 times as often as before. */
const EARNED = 0.1;

/** What `Retry-After` says, in seconds or as a date; undefined where it says nothing. */
export function retryAfterMs(text: string | null, nowMs: number): number | undefined {
  const ms = /^\s*\d+\s*$/.test(text ?? "") ? Number(text) * 1000 : Date.parse(text ?? "") - nowMs;
  return ms === ms ? Math.max(0, ms) : undefined;
}

/** How long to wait after the failed attempt number `attempt`, from 0: never less than asked. */
export function waitMs(attempt: number, askedMs: number | undefined, random: () => number): number {
  return (askedMs ?? 0) + random() * SPREAD_MS * 2 ** attempt;
}

/** A client's allowance of retries, so that an outage is not made worse. */
export class Budget {
  private left = MOST_SAVED;

  earn(): void {
    this.left = Math.min(MOST_SAVED, this.left + EARNED);
  }

  /** Takes a retry from what is left, if there is one. */
  spend(): boolean {
    const isLeft = this.left >= 1;
    if (isLeft) this.left -= 1;
    return isLeft;
  }
}

/**
 * Runs `act` for at most `ms`, also where it ignores its signal. Then `late` decides, by default
 * for a failure. An abort of `outer` ends it with the reason of that.
 */
export function within<Result>(
  ms: number,
  clock: Clock,
  outer: AbortSignal | undefined,
  act: (signal: AbortSignal) => Promise<Result>,
  late: (done: (result: Result) => void, fail: (error: unknown) => void) => void = (_, fail) =>
    fail(new SinsangError("timeout", `no answer within ${ms} ms`)),
): Promise<Result> {
  return new Promise<Result>((resolve, reject) => {
    const inner = new AbortController();
    const end = () => {
      cancel();
      outer?.removeEventListener("abort", stop);
      inner.abort();
    };
    const done = (result: Result) => (end(), resolve(result));
    const fail = (error: unknown) => (end(), reject(error));
    // React Native's signals have no reason.
    const stop = () => fail(outer?.reason ?? Object.assign(new Error("aborted"), { name: "AbortError" }));
    const cancel = clock.after(ms, () => late(done, fail));
    if (outer?.aborted) return stop();
    outer?.addEventListener("abort", stop);
    act(inner.signal).then(done, fail);
  });
}

/** Waits; an abort of `signal` ends it with the reason of that. */
export function pause(ms: number, clock: Clock, signal: AbortSignal | undefined): Promise<void> {
  return within<void>(ms, clock, signal, () => new Promise(() => {}), (done) => done());
}
