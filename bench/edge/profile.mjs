// The distribution of a warm personal request's time: workerd's V8 CPU profile from its inspector,
// and V8's share of the process.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bearer, data } from "./data.mjs";
import { Inspector } from "./inspector.mjs";
import { Kv } from "./kv.mjs";
import { load, writeRequests } from "./load.mjs";
import { CONNECTIONS } from "./measure.mjs";
import { WORK } from "./place.mjs";
import { stopAll } from "./server.mjs";
import * as subject from "./subject.mjs";

const WARM = 4_000;
const COUNT = 6_000;
const SHOWN = 25;
const SAMPLE_US = 100;

/**
 * Parts of the work by the names of their functions; inlined code counts for its caller. The first
 * match counts.
 */
const PARTS = [
  ["waiting", /^\(idle\)/],
  ["garbage collection", /^\(garbage collector\)/],
  ["token, ETag, cursor", /sha2|digest|hmac|auth|known::|hifijson|base64|etag|cursor|request::/i],
  ["ranking", /rank::|adapters::map::Map|sort|surface::(new|live|tabs)|stage::Crowd/],
  ["writing JSON", /write_|surface::|stage::Items|spec_extend|core::fmt|chrono/],
  ["allocating and copying in Wasm", /dlmalloc|memcpy|memmove|memset|raw_vec|drop_in_place/],
  ["rest of the Wasm, glue to JavaScript", /wasm|index\.js|js_sys|sinsang::/],
  ["workerd and V8", /./],
];

function parts(times) {
  const sums = new Map(PARTS.map(([name]) => [name, 0]));
  for (const { name, us } of times) {
    const [part] = PARTS.find(([, pattern]) => pattern.test(name));
    sums.set(part, sums.get(part) + us);
  }
  return [...sums];
}

/** Self time by function, as shares of all samples. */
function selfTimes(profile) {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const times = new Map();
  let total = 0;
  profile.samples.forEach((sample, index) => {
    const { functionName, url, lineNumber } = nodes.get(sample).callFrame;
    const name = `${functionName || "(anonymous)"} ${url.split("/").pop()}:${lineNumber + 1}`;
    const us = Math.max(0, profile.timeDeltas[index]);
    total += us;
    times.set(name, (times.get(name) ?? 0) + us);
  });
  return [...times].map(([name, us]) => ({ name, share: us / total, us })).sort((a, b) => b.share - a.share);
}

try {
  const small = await data(500);
  const kv = await Kv.start(join(small.folder, "kv"));
  const server = await subject.sinsang("sinsang-profile", small, kv, { inspector: true, wasm: process.env.NAMED_WASM });
  const file = await writeRequests("profile", small.users.map((user) => ({ path: "/v1/home?limit=60", headers: { Authorization: bearer(user) } })));
  await load(server.port, file, { connections: CONNECTIONS, count: WARM });
  const inspector = await Inspector.open(server.inspectorPort);
  await inspector.send("Profiler.enable");
  await inspector.send("Profiler.setSamplingInterval", { interval: SAMPLE_US });
  const before = await server.cpuNs();
  await inspector.send("Profiler.start");
  await load(server.port, file, { connections: CONNECTIONS, count: COUNT });
  const { profile } = await inspector.send("Profiler.stop");
  const cpuUs = ((await server.cpuNs()) - before) / 1e3;
  await mkdir(WORK, { recursive: true });
  await writeFile(join(WORK, "edge.cpuprofile"), JSON.stringify(profile));
  const times = selfTimes(profile);
  console.log(`${(cpuUs / COUNT).toFixed(0)} µs of CPU a request while sampled; self time by function, share of the samples and µs a request`);
  for (const { name, share, us } of times.slice(0, SHOWN)) console.log(`${(share * 100).toFixed(1).padStart(5)} %  ${(us / COUNT).toFixed(1).padStart(6)}  ${name}`);
  const busy = times.reduce((sum, { name, us }) => sum + (name.startsWith("(idle)") ? 0 : us), 0);
  console.log("by part, without waiting");
  for (const [name, us] of parts(times)) if (name !== "waiting") console.log(`${((us / busy) * 100).toFixed(0).padStart(5)} %  ${(us / COUNT).toFixed(1).padStart(6)}  ${name}`);
  console.log(`the whole profile: ${join(WORK, "edge.cpuprofile")}`);
  await kv.stop();
} finally {
  await stopAll();
}
process.exit();
