// Copies the event objects of the local bucket into a folder, as they lie in R2: node
// scripts/events.mjs [--state S] [--output O]
//
// Miniflare's own API is the only supported way to its local R2, a database of names beside files
// of content. Objects never change once written, so those already in the folder are kept.
import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { Miniflare } from "miniflare";

const folder = join(".demo", process.env.DATA || "demo");
const { values: options } = parseArgs({
  options: { state: { type: "string", default: join(folder, "state") }, output: { type: "string", default: join(folder, "objects") } },
});

const miniflare = new Miniflare({
  modules: true,
  script: "export default {};",
  // The name in crates/event-worker/wrangler.toml; `wrangler dev --persist-to` keeps its state in
  // this subfolder of the given one.
  r2Buckets: { EVENT_OBJECTS: "sinsang-events" },
  r2Persist: resolve(options.state, "v3/r2"),
  cf: false,
});
let copied = 0;
let known = 0;
try {
  const bucket = await miniflare.getR2Bucket("EVENT_OBJECTS");
  let cursor;
  do {
    const page = await bucket.list({ prefix: "events/", cursor });
    for (const { key } of page.objects) {
      // The name comes from the consumer, but becomes a path here.
      if (!/^events(?:\/[a-z0-9=-]+){2,3}\/[0-9a-f-]+\.ndjson\.gz$/.test(key)) throw new Error(`an object of another name: ${key}`);
      const path = join(options.output, key);
      if (existsSync(path)) {
        known += 1;
        continue;
      }
      const object = await bucket.get(key);
      if (object === null) continue;
      mkdirSync(dirname(path), { recursive: true });
      // Concurrent readers of the folder see complete objects only.
      const aside = join(dirname(path), `.${process.pid}.part`);
      writeFileSync(aside, Buffer.from(await object.arrayBuffer()));
      renameSync(aside, path);
      copied += 1;
    }
    cursor = page.truncated ? page.cursor : undefined;
  } while (cursor);
} finally {
  await miniflare.dispose();
}
console.log(`${copied} objects copied to ${options.output}, ${known} were there already`);
