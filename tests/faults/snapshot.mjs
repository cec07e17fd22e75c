// The snapshots served during faults. They come from different tables, so that each product
// identifies its snapshot.
import { spawn } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { bundleOf } from "../harness/bundle.mjs";
import { NOW, ROOT, STEP_MS, built, pairs, tables } from "../harness/dataset.mjs";
import { HERE, made } from "../harness/made.mjs";

/** The Worker's time at the start of the run. */
export const BEGIN = NOW + STEP_MS + 60_000;
const TABLES = [
  { name: "first", seed: "7", now: NOW },
  { name: "second", seed: "11", now: NOW + STEP_MS },
];

/** @returns {Promise<{id: string, pairs: Map<string, Buffer>, bundle: Buffer, builtAt: number, users: string[]}[]>} oldest first */
export async function snapshots() {
  const its = [];
  for (const { name, seed, now } of TABLES) {
    const folder = await tables(seed, now);
    its.push({ name, now, folder, snapshot: await built(folder, now, { more: ["--pack-format", "1"] }) });
  }
  // Published in turn and back, as an operator would, so that each manifest names its predecessor.
  // Forced: they come from different tables, and the last is older than its predecessor.
  const turns = [its[0], its[1], its[0]].flatMap(({ snapshot }, turn) => [
    ["publish", snapshot, "--local", `${HERE}/state`, "--force"],
    (folder) => dump(join(folder, "state"), join(folder, `published-${turn}`)),
  ]);
  const published = await made(turns, String(dump));
  const everything = await pairs(join(published, "published-2"));
  return Promise.all(
    its.map(async ({ name, now, folder, snapshot }, place) => {
      const built = await pairs(snapshot);
      const found = new Map([...everything, ["manifest", await readFile(join(published, `published-${2 - place}`, "manifest"))]]);
      const { viewers } = JSON.parse(await readFile(join(folder, "viewers.json"), "utf8"));
      // As in crates/core/src/pack/FORMAT.md: container header, directory, then META with the
      // snapshot's id first.
      const manifest = found.get("manifest");
      const id = manifest.readBigUInt64LE(sectionAt(manifest, "META")).toString(16).padStart(16, "0");
      const bundle = Buffer.from(bundleOf(built));
      const boards = new Set([...built.keys()].filter((key) => key !== "manifest"));
      return { name, id, pairs: found, packs: boards, bundle, builtAt: now, users: viewers.map((viewer) => viewer.user_id) };
    }),
  );
}

/** Writes the contents of `state`'s local KV to `folder`, in a snapshot's layout. */
async function dump(state, folder) {
  const child = spawn(process.execPath, ["scripts/local-kv.mjs", "--config", "wrangler.toml", "--persist", state], { cwd: ROOT, stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const tell = async (ask) => {
    child.stdin.write(`${JSON.stringify(ask)}\n`);
    return JSON.parse((await lines.next()).value);
  };
  await mkdir(join(folder, "pack"), { recursive: true });
  for (const { name: key } of (await tell({ op: "keys", prefix: "" })).keys) {
    await writeFile(join(folder, key), Buffer.from((await tell({ op: "get", key })).value, "base64"));
  }
  child.stdin.end();
  await new Promise((done) => child.on("close", done));
}

function sectionAt(pack, tag) {
  for (let at = 32; at < 32 + 16 * pack.readUInt32LE(12); at += 16) {
    if (pack.toString("latin1", at, at + 4) === tag) return pack.readUInt32LE(at + 4);
  }
  throw new Error(`no section ${tag}`);
}
