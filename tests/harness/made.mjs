// Data that the command makes for suites: tables, snapshots, published stores. Each is made once
// and stored under the hash of the command and its steps, so that suites with the same needs share
// it, also across processes and days.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** The key that hashes users for packs; the tests' Worker has the same. */
export const USER_KEY = "a user key of the tests, known to all";
/** Stands for the folder being made, in the arguments of a step. */
export const HERE = "{here}";

const CLI = join(ROOT, "bin/sinsang");
const KEPT = join(ROOT, ".cache/test");

/**
 * Runs the sinsang command to its end and returns its output; a failure throws its error output.
 */
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

let command;
/** The hash of the command; every other build of it has another. */
const commandHash = () => (command ??= createHash("sha256").update(readFileSync(CLI)).digest("hex"));

/**
 * The folder that `steps` make: arguments of the command, or functions of the folder. Functions are
 * hashed by their text, so their outside inputs have to come in `values`. Arguments may name folders
 * made before: their paths hold their own hash.
 * @param {(string[] | ((folder: string, ...values: unknown[]) => Promise<unknown> | unknown))[]} steps
 * @param {unknown[]} values
 * @returns {Promise<string>} read-only
 */
export async function made(steps, ...values) {
  const told = JSON.stringify([commandHash(), values, steps.map((step) => (typeof step === "function" ? String(step) : step))]);
  const its = join(KEPT, commandHash().slice(0, 8));
  const folder = join(its, createHash("sha256").update(told.replaceAll(KEPT, "")).digest("hex").slice(0, 16));
  if (existsSync(folder)) return folder;
  await mkdir(its, { recursive: true });
  // Data of other builds of the command are never used again.
  for (const name of await readdir(KEPT)) {
    if (/^[0-9a-f]{8}$/.test(name) && !its.endsWith(name)) await rm(join(KEPT, name), { recursive: true, force: true });
  }
  // Made in a temporary folder and moved: concurrent processes never see it incomplete.
  const aside = await mkdtemp(`${folder}.`);
  for (const step of steps) {
    if (typeof step === "function") await step(aside, ...values);
    else await sinsang(...step.map((argument) => argument.replaceAll(HERE, aside)));
  }
  await rename(aside, folder).catch(async (error) => {
    await rm(aside, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  });
  return folder;
}
