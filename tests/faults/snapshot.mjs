// The snapshots that are served while things fail: of different tables, so that a product tells which snapshot it is from.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
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
    await rename(aside, folder).catch(async (error) => {
      await rm(aside, { recursive: true, force: true });
      if (!existsSync(folder)) throw error;
    });
  }
  return Promise.all(
    TABLES.map(async ({ name, now }) => {
      const found = await pairs(join(folder, name));
      const { viewers } = JSON.parse(await readFile(join(folder, `${name}.tables/viewers.json`), "utf8"));
      // As in src/pack/FORMAT.md: container header, directory, then META with the snapshot's id first.
      const manifest = found.get("manifest");
      const id = manifest.readBigUInt64LE(sectionAt(manifest, "META")).toString(16).padStart(16, "0");
      const bundle = Buffer.from(bundleOf(found));
      return { name, id, pairs: found, bundle, builtAt: now, users: viewers.map((viewer) => viewer.user_id) };
    }),
  );
}

function sectionAt(pack, tag) {
  for (let at = 32; at < 32 + 16 * pack.readUInt32LE(12); at += 16) {
    if (pack.toString("latin1", at, at + 4) === tag) return pack.readUInt32LE(at + 4);
  }
  throw new Error(`no section ${tag}`);
}
