// The Worker's telemetry: data points for Analytics Engine, and a JSON log line for answers that
// failed or were slow.
//
// It reads an answer's headers only, after the answer is made, and contains its own failures: no
// answer waits for it or depends on it. `writeDataPoint` returns at once, and the platform sends
// the point after the answer.

/**
 * The columns of a data point, in Analytics Engine's numbering (`blob1`, `double1`); `index1` is
 * the surface. No column identifies a viewer. `weight` is how many answers a point stands for;
 * `age_s` is -1 for an answer without a snapshot.
 */
const BLOBS = ["surface", "rung", "outcome", "colo", "experiments", "snapshot"];
const DOUBLES = ["weight", "status", "age_s", "total_ms", "read_ms", "reads"];

const SURFACES = new Set(["new", "live", "tabs", "home", "status", "pack", "events"]);
/** The rungs of normal answers. */
const USUAL = new Set([undefined, null, "isolate", "kv"]);

/** Whether an answer of this status, on this rung, is recorded regardless of the sample. */
export function isOdd(status, rung) {
  return !((status >= 200 && status < 300) || status === 304) || !USUAL.has(rung);
}

/** The telemetry of an isolate; `null` if no dataset is bound and no slow log is configured. */
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

  /** Records an answer through the door, which takes no time by the platform's clock. */
  door(request, { status, headers }) {
    this.tell(request, status, (name) => headers[name], 0, true);
  }

  /** Records an answer that had to read or wait; the platform's clock advances with that. */
  answer(request, response, ms) {
    try {
      const rung = response.headers.get("Sinsang-Rung");
      const isDue = isOdd(response.status, rung) || Math.random() < this.share;
      this.tell(request, response.status, (name) => response.headers.get(name), ms, isDue);
    } catch {
      // The answer stands, whatever fails here.
    }
  }

  /** Records a request that ended without an answer. */
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
      // The answer stands, whatever fails here.
    }
  }
}

/** The surface of a path: one of a fixed set, whatever the request. */
function surfaceOf(path) {
  const name = path === "/healthz" ? "health" : path.split("/")[2];
  return name === "health" || (path.startsWith("/v1/") && SURFACES.has(name)) ? name : "other";
}

function outcome(status) {
  if (status === 304) return "unchanged";
  return status < 400 ? "answered" : status < 500 ? "refused" : "failed";
}

/** The parts of `Server-Timing` in milliseconds, and the sum of the reads in their descriptions. */
function timing(text) {
  const parts = { reads: 0 };
  for (const [, name, ms, reads] of text.matchAll(/([a-z]+);dur=([\d.]+)(?:;desc="(\d+) reads")?/g)) {
    parts[name] = Number(ms);
    parts.reads += Number(reads ?? 0);
  }
  return parts;
}
