// The data that whole requests are tested on: made by the built command, the same at every run, kept by the command's content.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, readdir, rename, rm, mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const CLI = join(ROOT, "bin/sinsang");

/** The instant that the first snapshot is built for: a Friday noon in Korea. */
export const NOW = Date.parse("2026-11-20T12:00:00+09:00");
/** The later snapshots are of the same tables, built this much later each, and in the next format of packs. */
export const STEP_MS = 30 * 60 * 1000;
/** The key that turns users into what packs know them by; the Worker of the tests has the same. */
export const USER_KEY = "a user key of the tests, known to all";

/** An instant as Koreans write it. */
export const kst = (ms) => new Date(ms + 9 * 3_600_000).toISOString().replace(/\.000Z$/, "+09:00").replace(/Z$/, "+09:00");

/** Runs the sinsang command to its end and returns what it printed; fails with its words where it fails. */
export async function sinsang(...args) {
  const child = spawn(CLI, args, { cwd: ROOT, env: { ...process.env, SINSANG_USER_KEY: USER_KEY }, stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => (stdout += chunk));
  child.stderr.on("data", (chunk) => (stderr += chunk));
  const code = await new Promise((done, fail) => {
    child.on("error", fail);
    child.on("close", (code, signal) => done(signal ?? code));
  });
  if (code !== 0) throw new Error(`sinsang ${args.join(" ")} ended with ${code}:\n${stderr}${stdout}`);
  return stdout;
}

/** Snapshots of as many users as show what viewers lean to by province and class of device: one as it is, one from the same tables without that. */
export async function crowd() {
  const hash = createHash("sha256");
  hash.update(await readFile(CLI));
  hash.update(await readFile(fileURLToPath(import.meta.url)));
  const folder = join(ROOT, ".cache/test", `crowd-${hash.digest("hex").slice(0, 16)}`);
  if (!existsSync(folder)) {
    await mkdir(join(folder, ".."), { recursive: true });
    const aside = await mkdtemp(`${folder}.`);
    const tables = join(aside, "tables");
    await sinsang("generate", "--quick", "--users", "1500", "--seed", "7", "--now", kst(NOW), "--out", tables);
    await sinsang("build", "--input", tables, "--output", join(aside, "told"), "--now", kst(NOW));
    await writeFile(join(tables, "rules.toml"), "[taste]\nby_context = false\n");
    await sinsang("build", "--input", tables, "--output", join(aside, "plain"), "--now", kst(NOW));
    await rename(aside, folder).catch(async (error) => {
      await rm(aside, { recursive: true, force: true });
      if (!existsSync(folder)) throw error;
    });
  }
  return { told: join(folder, "told"), plain: join(folder, "plain") };
}

/**
 * The tables and two snapshots of them, one built at NOW, the other STEP_MS later.
 * @returns {Promise<{tables: string, first: string, second: string, viewers: {user_id: string, label: string}[]}>} folders and users
 */
export async function dataset() {
  const hash = createHash("sha256");
  hash.update(await readFile(CLI));
  hash.update(await readFile(fileURLToPath(import.meta.url)));
  const folder = join(ROOT, ".cache/test", hash.digest("hex").slice(0, 16));
  if (!existsSync(folder)) {
    await mkdir(join(folder, ".."), { recursive: true });
    // Made aside and moved: a test process beside this one never sees half of it.
    const aside = await mkdtemp(`${folder}.`);
    await sinsang("generate", "--quick", "--seed", "7", "--now", kst(NOW), "--out", join(aside, "tables"));
    for (const [name, now, format] of [["first", NOW, "1"], ["second", NOW + STEP_MS, "2"]]) {
      await sinsang("build", "--input", join(aside, "tables"), "--output", join(aside, name), "--now", kst(now), "--pack-format", format);
    }
    await rename(aside, folder).catch(async (error) => {
      await rm(aside, { recursive: true, force: true });
      if (!existsSync(folder)) throw error;
    });
  }
  const { viewers } = JSON.parse(await readFile(join(folder, "tables/viewers.json"), "utf8"));
  return { tables: join(folder, "tables"), first: join(folder, "first"), second: join(folder, "second"), viewers };
}

/** The pairs of a snapshot folder as KV holds them: key to bytes. */
export async function pairs(snapshot) {
  const found = new Map([["manifest", await readFile(join(snapshot, "manifest"))]]);
  for (const name of await readdir(join(snapshot, "pack"))) found.set(`pack/${name}`, await readFile(join(snapshot, "pack", name)));
  return found;
}
