// Problems: what Sinsang answers in place of a result, and the error that callers catch.

import type { components } from "./contract.js";

/**
 * Each kind of problem with its status. tests/client/contract.test.mjs holds the list to the
 * Workers' sources.
 */
export interface ProblemStatus {
  "cursor-gone": 410;
  "foreign-origin": 403;
  "invalid-parameter": 400;
  "invalid-token": 401;
  "method-not-allowed": 405;
  /** `fetch` follows it, so that callers see it only where they forbid redirects. */
  moved: 301;
  "no-body": 413;
  "no-channel": 404;
  "no-data": 503;
  "no-product": 404;
  nobody: 401;
  "not-found": 404;
  "preview-only": 403;
  "pulse-gone": 410;
  "snapshot-gone": 410;
  "too-large": 413;
  "too-long": 414;
  "too-many-requests": 429;
  unavailable: 503;
  "unsupported-type": 415;
}

/** The kinds that name the parameter that is wrong. */
type Named = "invalid-parameter" | "preview-only" | "cursor-gone" | "snapshot-gone";

/** A problem document (RFC 9457); its `type` tells the kinds apart. */
export type Problem = {
  [Kind in keyof ProblemStatus]: {
    type: `/problems/${Kind}`;
    title: string;
    status: ProblemStatus[Kind];
    /** What to do about it, for developers. */
    detail?: string;
  } & (Kind extends Named ? { parameter: string } : { parameter?: undefined });
}[keyof ProblemStatus];

/** Fails to compile if the contract has a kind of problem that the list above lacks. */
export type EveryKind = components["schemas"]["Problem"]["type"] extends Problem["type"] ? true : never;
const everyKind: EveryKind = true;
void everyKind;

/**
 * Why there is no answer. `problem`: Sinsang answered with a problem document. `status`: somebody
 * else refused, a proxy for example. `unreadable`: the answer was not JSON. `network`: there was
 * none. `timeout`: there was none in time. `interrupted`: a list was begun again too often.
 */
export type Failure = "problem" | "status" | "unreadable" | "network" | "timeout" | "interrupted";

/** The only error that the client throws, beside the reason of a caller's own abort. */
export class SinsangError extends Error {
  override name = "SinsangError";

  constructor(
    readonly failure: Failure,
    message: string,
    /** The status of the answer; 0 without one. */
    readonly status = 0,
    /** The problem document; newer servers may have kinds that this type lacks. */
    readonly problem?: Problem,
    /** How long the server asked to wait. */
    readonly retryAfterMs?: number,
    readonly reason?: unknown,
  ) {
    super(message);
  }

  /** Whether the same request may succeed later: no answer, too many requests, or no data. */
  get isPassing(): boolean {
    const { failure, status } = this;
    return failure === "network" || failure === "timeout" || status === 429 || (status > 501 && status < 505);
  }
}

/** The error of a refusal. */
export function refusal(status: number, text: string, retryAfterMs?: number): SinsangError {
  let problem: Problem | undefined;
  try {
    const json = JSON.parse(text);
    if (/^\/problems\//.test(json.type)) problem = json;
  } catch {
    // A proxy's page.
  }
  const message = problem ? `${problem.title}: ${problem.detail ?? problem.type}` : `HTTP ${status}`;
  return new SinsangError(problem ? "problem" : "status", message, status, problem, retryAfterMs);
}
