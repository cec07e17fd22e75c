// Copies what the events' consumer wrote to the local bucket into a folder, as it lies in R2: node scripts/events.mjs [--state S] [--output O]
//
// Miniflare's own API is the one supported way to its local R2, which is a database of names beside files of content. An object never
// changes once it is written, so one that is in the folder already is left there.
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
  // As crates/event-worker/wrangler.toml names it; `wrangler dev --persist-to` keeps its state in this folder below the one it is given.
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
      // A name is the consumer's own, but it becomes a path here.
      if (!/^events(?:\/[a-z0-9=-]+){2,3}\/[0-9a-f-]+\.ndjson\.gz$/.test(key)) throw new Error(`an object of another name: ${key}`);
      const path = join(options.output, key);
      if (existsSync(path)) {
        known += 1;
        continue;
      }
      const object = await bucket.get(key);
      if (object === null) continue;
      mkdirSync(dirname(path), { recursive: true });
      // Whoever reads the folder meanwhile sees an object whole or not at all.
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
