// Wasm memory over a great many requests: it never shrinks, so it must not creep. `make creep`
// makes a million, with a publication now and then.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { ROOT, USER_KEY } from "../harness/dataset.mjs";
import { AUDIENCE, HS256_KEY } from "../harness/token.mjs";
import { Load, ask } from "./load.mjs";
import { Random } from "./random.mjs";
import { BEGIN, snapshots } from "./snapshot.mjs";
import { Kv } from "./store.mjs";
import { Workerd } from "./workerd.mjs";

const wanted = Number(process.env.REQUESTS || 1_000_000);
/** Requests in one batch. */
const BATCH = 1_000;
const PARTS = 10;
/**
 * Permitted growth after the first part, in bytes: the need of an unusual moment of many concurrent
 * requests.
 */
const MAX_GROWTH_BYTES = 1024 * 1024;

const random = new Random(Number(process.env.SEED || 1));
const kv = new Kv(random);
const published = await snapshots();
await kv.listen();
kv.publish(published[0].pairs);
mkdirSync(join(ROOT, ".cache/test"), { recursive: true });
const variables = { JWT_AUDIENCE: AUDIENCE, JWT_HS256_KEY: HS256_KEY, USER_KEY, CLOCK_OFFSET_MS: String(BEGIN - Date.now()) };
const workerd = await Workerd.start("creep", { kv: kv.port, cache: kv.port }, variables, published[0].bundle);
const load = new Load(random, [...new Set(published.flatMap(({ users }) => users))]);
const memory = async () => (await ask(workerd.url, { target: "/v1/status" })).json.memory;

/** A driver's answer in the form of an HTTP answer. */
const answer = ({ target }, [status, etag, cursor]) => ({ status, cursor, path: target.split("?")[0], headers: { get: (name) => (name === "etag" ? etag : null) } });

let status = 1;
try {
  const statuses = new Map();
  // Serves both snapshots first, so that later requests need nothing new.
  await ask(workerd.url, { target: "/v1/live" });
  kv.publish(published[1].pairs);
  const deadline = Date.now() + 60_000;
  while ((await ask(workerd.url, { target: "/v1/live" })).headers.get("sinsang-snapshot") !== published[1].id) {
    if (Date.now() > deadline) throw new Error("the publish is not noticed");
    await new Promise((done) => setTimeout(done, 200));
  }
  let settled;
  for (let asked = 0, part = 1; asked < wanted; ) {
    const requests = Array.from({ length: Math.min(BATCH, wanted - asked) }, () => load.next());
    for (const [at, told] of (await workerd.askMany(requests)).entries()) {
      const [code] = told;
      statuses.set(code, (statuses.get(code) ?? 0) + 1);
      if (code >= 500) throw new Error(`${requests[at].target} is answered with ${code}`);
      if (code === 200) load.learn(requests[at], answer(requests[at], told));
    }
    asked += requests.length;
    if (asked < (wanted * part) / PARTS) continue;
    const { wasm_bytes, snapshot_bytes, taste_bytes } = await memory();
    console.log(`${asked} requests: ${wasm_bytes} bytes of Wasm memory, of which snapshots ${snapshot_bytes} and tastes ${taste_bytes}`);
    settled ??= wasm_bytes;
    kv.publish(published[(part + 1) % published.length].pairs);
    part += 1;
  }
  const growth = (await memory()).wasm_bytes - settled;
  console.log(`answers by status: ${[...statuses].sort(([a], [b]) => a - b).map(([code, count]) => `${code} ${count}`).join(", ")}`);
  if (growth > MAX_GROWTH_BYTES) throw new Error(`Wasm memory grew by ${growth} bytes after the first tenth`);
  console.log(`it grew by ${growth} bytes after the first tenth`);
  status = 0;
} catch (error) {
  console.error(error.message, error.cause ?? "");
} finally {
  await workerd.stop();
  kv.close();
}
process.exit(status);
