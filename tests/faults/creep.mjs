// Wasm memory over a great many requests: it never shrinks, so it must not creep. `make creep` asks a million times.
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
const CONCURRENCY = 24;
/** After the first tenth memory may grow by this much: what an odd moment of many requests at once takes. */
const MAX_GROWTH_BYTES = 1024 * 1024;

const random = new Random(Number(process.env.SEED || 1));
const kv = new Kv(random);
const [snapshot] = await snapshots();
await kv.listen();
kv.publish(snapshot.pairs);
mkdirSync(join(ROOT, ".cache/test"), { recursive: true });
const variables = { JWT_AUDIENCE: AUDIENCE, JWT_HS256_KEY: HS256_KEY, USER_KEY, CLOCK_OFFSET_MS: String(BEGIN - Date.now()) };
const workerd = await Workerd.start("creep", { kv: kv.port, cache: kv.port }, variables, snapshot.bundle);
const load = new Load(random, snapshot.users);
const wasmBytes = async () => (await ask(workerd.url, { target: "/v1/status" })).json.memory.wasm_bytes;

let status = 1;
try {
  let asked = 0;
  let settled;
  const worker = async () => {
    while (asked < wanted) {
      asked += 1;
      const request = load.next();
      const answer = await ask(workerd.url, request);
      if (answer.status === 0 || answer.status >= 500) throw new Error(`${request.target} is answered with ${answer.status} ${answer.text}`);
      if (answer.status === 200) load.learn(request, answer);
      if (asked % Math.ceil(wanted / 10) === 0) {
        const bytes = await wasmBytes();
        settled ??= bytes;
        console.log(`${asked} requests: ${bytes} bytes of Wasm memory`);
      }
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  const growth = (await wasmBytes()) - settled;
  if (growth > MAX_GROWTH_BYTES) throw new Error(`Wasm memory grew by ${growth} bytes after the first tenth`);
  console.log(`it grew by ${growth} bytes after the first tenth`);
  status = 0;
} catch (error) {
  console.error(error.message);
} finally {
  await workerd.stop();
  kv.close();
}
process.exit(status);
