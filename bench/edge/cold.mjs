// Costs of an isolate: its start, its first reads, and its memory once warm.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { ask } from "./equal.mjs";
import { Inspector } from "./inspector.mjs";
import { load, writeRequests } from "./load.mjs";
import { CONNECTIONS } from "./measure.mjs";
import { PEERS, ROOT } from "./place.mjs";
import { startWorkerd } from "./server.mjs";
import * as subject from "./subject.mjs";

/**
 * Delay of the store while rounds are counted, in milliseconds: long enough for the reads of one
 * round to overlap.
 */
const STORE_MS = 40;

/**
 * Rounds in one process: an isolate costs more beside more living ones, and none of these is ever
 * destroyed.
 */
const ROUNDS_A_PROCESS = 5;
/** Rounds before those, to warm the process. */
const WARM_ROUNDS = 2;

/**
 * Starts an isolate in `server`; returns microseconds to the first byte and CPU microseconds of the
 * process.
 */
async function start(server, kind, file) {
  const before = await server.cpuNs();
  const { latency_us, statuses } = await load(server.port, file, { connections: 1, count: 1 });
  const after = await server.cpuNs();
  if (statuses["2xx"] !== 1) throw new Error(`a cold isolate of ${kind} does not answer:\n${server.printed}`);
  return { firstByteUs: latency_us.p50, cpuUs: (after - before) / 1e3 };
}

/**
 * Starts isolates of each kind in turn; returns, by kind, microseconds to the first byte and CPU
 * microseconds of the process.
 */
export async function starts(rounds) {
  const module = async (name, kind, ...path) => ({ name, kind, content: await readFile(join(...path)) });
  const modules = [
    await module("index.js", "esModule", PEERS, "cold/loader.mjs"),
    await module("sinsang.js.txt", "text", ROOT, "build/index.js"),
    await module("sinsang.wasm.bin", "data", ROOT, "build/index_bg.wasm"),
    await module("empty.js.txt", "text", PEERS, "empty/build/index.js"),
    await module("empty.wasm.bin", "data", PEERS, "empty/build/index_bg.wasm"),
    await module("hello.js.txt", "text", PEERS, "constant/hello.mjs"),
  ];
  const kinds = ["hello", "empty", "sinsang"];
  const files = Object.fromEntries(await Promise.all(kinds.map(async (kind) => [kind, await writeRequests(`cold-${kind}`, [{ path: `/${kind}` }])])));
  const seen = Object.fromEntries(kinds.map((kind) => [kind, { firstByteUs: [], cpuUs: [] }]));
  for (let done = 0; done < rounds; done += ROUNDS_A_PROCESS) {
    const server = await startWorkerd("cold", { loader: true, modules });
    const counted = Math.min(ROUNDS_A_PROCESS, rounds - done);
    for (let round = -WARM_ROUNDS; round < counted; round++) {
      for (let place = 0; place < kinds.length; place++) {
        const kind = kinds[(place + round + kinds.length) % kinds.length];
        const { firstByteUs, cpuUs } = await start(server, kind, files[kind]);
        if (round < 0) continue;
        seen[kind].firstByteUs.push(firstByteUs);
        seen[kind].cpuUs.push(cpuUs);
      }
    }
    await server.stop();
  }
  return seen;
}

/** KV reads and rounds of a cold isolate's first personal answer, and of warm answers. */
export async function reads(data, kv, home, warm) {
  kv.delayMs = STORE_MS;
  const server = await subject.sinsang("sinsang-reads", data, kv);
  kv.forget();
  const answer = await ask(server.port, home);
  const cold = { reads: kv.reads.length, rounds: kv.rounds };
  if (answer.status !== 200 || !JSON.parse(answer.body).personalized) throw new Error(`a cold isolate's first answer is not personal: ${answer.status}`);
  kv.forget();
  for (let again = 0; again < warm; again++) await ask(server.port, home);
  kv.delayMs = 0;
  await server.stop();
  return { cold, warm: { requests: warm, reads: kv.reads.length } };
}

/**
 * Memory of an isolate with the board and all taste shards, in bytes, after a garbage collection;
 * and its process's memory while serving, which includes uncollected answers, connections and
 * compiled code.
 */
export async function memory(data, kv, requests) {
  const file = await writeRequests("memory", requests);
  const seen = {};
  kv.forget();
  for (const [name, server] of [["hello", await subject.hello("hello-memory", { inspector: true })], ["sinsang", await subject.sinsang("sinsang-memory", data, kv, { inspector: true })]]) {
    await load(server.port, file, { connections: CONNECTIONS, count: requests.length * 2 });
    const processBytes = await server.privateBytes();
    const inspector = await Inspector.open(server.inspectorPort);
    seen[name] = { processBytes, ...(await inspector.memory()) };
    inspector.close();
    await server.stop();
  }
  const { heapBytes, buffersBytes, wasmBytes } = seen.sinsang;
  return { shards: new Set(kv.reads).size - 2, isolateBytes: heapBytes + buffersBytes + wasmBytes, ...seen };
}

/** Bytes of the Worker's Wasm. */
export async function size() {
  const wasm = await readFile(join(ROOT, "build/index_bg.wasm"));
  return { rawBytes: wasm.length, gzipBytes: gzipSync(wasm, { level: 9 }).length };
}
