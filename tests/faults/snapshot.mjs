// The snapshots that are served while things fail: of different tables, so that a product tells which snapshot it is from.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { bundleOf } from "../harness/bundle.mjs";
import { NOW, ROOT, STEP_MS, kst, pairs, sinsang } from "../harness/dataset.mjs";

/** What the Worker's clock says when the run begins. */
export const BEGIN = NOW + STEP_MS + 60_000;
const TABLES = [
  { name: "first", seed: "7", now: NOW },
  { name: "second", seed: "11", now: NOW + STEP_MS },
];

/** @returns {Promise<{id: string, pairs: Map<string, Buffer>, bundle: Buffer, builtAt: number, users: string[]}[]>} oldest first */
export async function snapshots() {
  const hash = createHash("sha256");
  for (const file of [join(ROOT, "bin/sinsang"), fileURLToPath(import.meta.url)]) hash.update(await readFile(file));
  const folder = join(ROOT, ".cache/test", `faults.${hash.digest("hex").slice(0, 16)}`);
  if (!existsSync(folder)) {
    await mkdir(join(folder, ".."), { recursive: true });
    const aside = await mkdtemp(`${folder}.`);
    for (const { name, seed, now } of TABLES) {
      await sinsang("generate", "--quick", "--seed", seed, "--now", kst(now), "--out", join(aside, `${name}.tables`));
      await sinsang("build", "--input", join(aside, `${name}.tables`), "--output", join(aside, name), "--now", kst(now));
    }
    // Published as an operator would, one after the other and back, so that each manifest names the snapshot before it.
    const state = join(aside, "state");
    for (const [turn, name] of ["first", "second", "first"].entries()) {
      await sinsang("publish", join(aside, name), "--local", state);
      await dump(state, join(aside, `published-${turn}`));
    }
    await rename(aside, folder).catch(async (error) => {
      await rm(aside, { recursive: true, force: true });
      if (!existsSync(folder)) throw error;
    });
  }
  const everything = await pairs(join(folder, "published-2"));
  return Promise.all(
    TABLES.map(async ({ name, now }) => {
      const built = await pairs(join(folder, name));
      const published = await pairs(join(folder, name === "first" ? "published-2" : "published-1"));
      const found = new Map([...everything, ["manifest", published.get("manifest")]]);
      const { viewers } = JSON.parse(await readFile(join(folder, `${name}.tables/viewers.json`), "utf8"));
      // As in src/pack/FORMAT.md: container header, directory, then META with the snapshot's id first.
      const manifest = found.get("manifest");
      const id = manifest.readBigUInt64LE(sectionAt(manifest, "META")).toString(16).padStart(16, "0");
      const bundle = Buffer.from(bundleOf(built));
      const boards = new Set([...built.keys()].filter((key) => key !== "manifest"));
      return { name, id, pairs: found, packs: boards, bundle, builtAt: now, users: viewers.map((viewer) => viewer.user_id) };
    }),
  );
}

/** Writes what the local KV of `state` holds to `folder`, laid out like a snapshot. */
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
