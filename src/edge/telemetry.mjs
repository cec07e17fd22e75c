// What the Worker tells of its answers: data points for Analytics Engine, and a line of JSON for those that failed or took long.
//
// It looks at an answer's headers only, after the answer is made, and whatever goes wrong here goes wrong here: no answer waits for it or hangs
// on it. `writeDataPoint` returns at once, and the platform sends what it was given once the answer is away.

/**
 * The columns of a data point, in the order in which Analytics Engine numbers them (`blob1`, `double1`); `index1` is the surface.
 * Nothing in them names a viewer. `weight` is how many answers a point stands for; `age_s` is -1 where an answer stands on no snapshot.
 */
const BLOBS = ["surface", "rung", "outcome", "colo", "experiments", "snapshot"];
const DOUBLES = ["weight", "status", "age_s", "total_ms", "read_ms", "reads"];

const SURFACES = new Set(["new", "live", "tabs", "home", "status", "pack", "events"]);
/** Rungs on which an answer is as it should be. */
const USUAL = new Set([undefined, null, "isolate", "kv"]);

/** Whether an answer of this status, on this rung, is told of whatever the sample is. */
export function isOdd(status, rung) {
  return !((status >= 200 && status < 300) || status === 304) || !USUAL.has(rung);
}

/** What tells of an isolate's answers; `null` where nothing is bound or asked for. */
export function telemetry(env) {
  const analytics = env.ANALYTICS;
  const share = analytics === undefined ? 0 : Math.min(Math.max(Number(env.ANALYTICS_SAMPLE ?? 0.01) || 0, 0), 1);
  const slowMs = Number(env.SLOW_MS ?? 0) || Infinity;
  return analytics === undefined && slowMs === Infinity ? null : new Telemetry(analytics, share, slowMs);
}

class Telemetry {
  constructor(analytics, share, slowMs) {
    Object.assign(this, { analytics, share, slowMs });
  }

  /** Tells of an answer through the door, which took no time that the platform's clock shows. */
  door(request, { status, headers }) {
    this.tell(request, status, (name) => headers[name], 0, true);
  }

  /** Tells of an answer that had to read or wait, by the clock that moves with that. */
  answer(request, response, ms) {
    try {
      const rung = response.headers.get("Sinsang-Rung");
      const isDue = isOdd(response.status, rung) || Math.random() < this.share;
      this.tell(request, response.status, (name) => response.headers.get(name), ms, isDue);
    } catch {
      // The answer is made.
    }
  }

  /** Tells of a request that came to no answer. */
  failure(request, error, ms) {
    this.tell(request, 500, () => undefined, ms, true, String(error?.message ?? error));
  }

  tell(request, status, header, ms, isDue, error) {
    try {
      const isFailed = status >= 500;
      if (!isDue && !isFailed && ms < this.slowMs) return;
      const path = /^[^:]+:\/\/[^/]*([^?#]*)/.exec(request.url)?.[1] ?? "";
      const surface = surfaceOf(path);
      const rung = header("Sinsang-Rung") ?? "";
      const parts = timing(header("Server-Timing") ?? "");
      const age = Number(header("Sinsang-Age") ?? -1);
      const colo = request.cf?.colo ?? "";
      const experiments = header("Sinsang-Experiments") ?? "";
      const snapshot = header("Sinsang-Snapshot") ?? "";
      if (isDue && this.analytics !== undefined) {
        const weight = isOdd(status, rung || undefined) ? 1 : 1 / this.share;
        const values = { surface, rung, outcome: outcome(status), colo, experiments, snapshot };
        const numbers = { weight, status, age_s: age, total_ms: ms, read_ms: parts.kv ?? 0, reads: parts.reads };
        this.analytics.writeDataPoint({
          indexes: [surface],
          blobs: BLOBS.map((name) => values[name]),
          doubles: DOUBLES.map((name) => numbers[name]),
        });
      }
      if (isFailed || ms >= this.slowMs) {
        const { reads, ...times } = parts;
        const rest = Math.max(0, ms - Object.values(times).reduce((sum, one) => sum + one, 0));
        const event = isFailed ? "failed" : "slow";
        const line = { event, method: request.method, path, status, error, rung, age_s: age, total_ms: ms, parts_ms: { ...times, rest }, reads, colo, snapshot };
        console[isFailed ? "error" : "warn"](JSON.stringify(line));
      }
    } catch {
      // The answer is made.
    }
  }
}

/** The surface that a path is of: one of a few, whatever is asked. */
function surfaceOf(path) {
  const name = path === "/healthz" ? "health" : path.split("/")[2];
  return name === "health" || (path.startsWith("/v1/") && SURFACES.has(name)) ? name : "other";
}

function outcome(status) {
  if (status === 304) return "unchanged";
  return status < 400 ? "answered" : status < 500 ? "refused" : "failed";
}

/** The parts of `Server-Timing` in milliseconds, and the reads that its description counts. */
function timing(text) {
  const parts = { reads: 0 };
  for (const [, name, ms, reads] of text.matchAll(/([a-z]+);dur=([\d.]+)(?:;desc="(\d+) reads")?/g)) {
    parts[name] = Number(ms);
    parts.reads += Number(reads ?? 0);
  }
  return parts;
}
