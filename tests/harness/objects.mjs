// The objects in which the event Worker stores events, on their way into tables.
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { sinsang } from "./dataset.mjs";
import { until } from "./pulse.mjs";

/** The names of all stored objects of a bucket. */
async function stored(bucket) {
  const found = [];
  for (let cursor; ; ) {
    const page = await bucket.list({ prefix: "events/date=", cursor });
    found.push(...page.objects.map(({ key }) => key));
    if (!page.truncated) return found;
    cursor = page.cursor;
  }
}

/**
 * Copies the objects of a simulated bucket into a folder and ingests them, until as many events have come as
 * were accepted: the queue's consumer writes them a little later.
 * @param {object} edge a running edge with the event Worker beside it
 * @param {string} folder where the objects go
 * @param {string} table the folder of the table `events`
 * @param {number} wanted the events to wait for
 * @param {number} [patience] milliseconds
 * @returns {Promise<number>} the events ingested
 */
export async function ingestStored(edge, folder, table, wanted, patience = 120_000) {
  const bucket = await edge.mf.getR2Bucket("EVENT_OBJECTS", "sinsang-intake");
  await mkdir(join(folder, "events"), { recursive: true });
  let ingested = 0;
  await until(async () => {
    for (const key of await stored(bucket)) {
      const path = join(folder, key);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, Buffer.from(await (await bucket.get(key)).arrayBuffer()));
    }
    ingested += JSON.parse(await sinsang("ingest", "objects", join(folder, "events"), "--into", table, "--format", "json")).events;
    return ingested >= wanted || undefined;
  }, patience);
  return ingested;
}
