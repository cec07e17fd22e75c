// Writes bench-snapshot's output for the peers into Redis: the board as JSON, each user's tastes as
// bytes.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createClient } from "redis";

export async function publish(url, folder) {
  const redis = createClient({ url });
  await redis.connect();
  try {
    const board = await readFile(join(folder, "board.json"), "utf8");
    const { snapshot } = JSON.parse(board);
    const { widths, users } = JSON.parse(await readFile(join(folder, "tastes.json"), "utf8"));
    const records = Object.entries(users).map(([user, text]) => [user, Buffer.from(text, "base64")]);
    await redis.set(`board:${snapshot}`, board);
    await redis.set(`widths:${snapshot}`, JSON.stringify(widths));
    await redis.hSet(`tastes:${snapshot}`, records.flat());
    await redis.set("snapshot", snapshot);
  } finally {
    await redis.close();
  }
}
