// The core alone: native time and instructions, and time in Wasm under this Node's V8, which is not
// workerd's.
import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { CACHE, ROOT, TARGET, WORK, program } from "./place.mjs";
import { quantile } from "./statistic.mjs";

const run = promisify(execFile);
const REPEATS = 20;
const SAMPLES = 151;
const WARM = 3_000;
const LIMIT = 60;
/** The options of scripts/worker.sh. */
const OPTIMISED = ["-Oz", "--converge", "--gufa-optimizing", "--low-memory-unused", "--one-caller-inline-max-function-size=30", "--always-inline-max-function-size=6"];

/** Rows of bench-core: microseconds of a run by kind and size. */
export async function native() {
  return JSON.parse((await run(program("bench-core"))).stdout);
}

/**
 * Instructions of one run, as the mean of `runs`, counted by valgrind; undefined if it is not
 * installed.
 */
export async function instructions(kind, candidates, runs = 10) {
  const count = async (times) => {
    const out = join(WORK, `callgrind.${kind}.${times}`);
    const { stderr } = await run("valgrind", ["--tool=callgrind", `--callgrind-out-file=${out}`, program("bench-core"), "once", kind, candidates, times].map(String), { timeout: 120_000 });
    return Number(/Collected : (\d+)/.exec(stderr)[1]);
  };
  try {
    return ((await count(2 * runs)) - (await count(runs))) / runs;
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** The same rows in Wasm, built like the Worker. */
export async function wasm() {
  const folder = join(WORK, "wasm");
  await mkdir(folder, { recursive: true });
  await run("cargo", ["build", "--profile", "edge", "-p", "sinsang-bench", "--lib", "--target", "wasm32-unknown-unknown"], { cwd: ROOT, timeout: 900_000, maxBuffer: 1 << 24 });
  const built = join(TARGET, "wasm32-unknown-unknown/edge/sinsang_bench.wasm");
  await run(join(CACHE, "tools/bin/wasm-bindgen"), [built, "--target", "experimental-nodejs-module", "--out-dir", folder]);
  const bound = join(folder, "sinsang_bench_bg.wasm");
  const features = ["mutable-globals", "sign-ext", "nontrapping-float-to-int", "bulk-memory", "multivalue", "reference-types", "simd"];
  await run(join(ROOT, "node_modules/.bin/wasm-opt"), [bound, ...OPTIMISED, "-o", bound, ...features.map((feature) => `--enable-${feature}`)]);
  await writeFile(join(folder, "package.json"), '{ "type": "module" }\n');
  const { Alone } = await import(pathToFileURL(join(folder, "sinsang_bench.js")));
  const rows = [];
  for (const [kind, candidates, minutes] of [["new", 250, 60], ["new", 500, 60], ["new", 1_000, 60], ["new", 2_000, 60], ["home", 500, 60], ["new", 500, 15]]) {
    const alone = Alone.make(candidates, minutes);
    const bytes = alone.run(kind === "home", LIMIT, WARM);
    const samples = Array.from({ length: SAMPLES }, () => {
      // The process's CPU time, which other programs disturb less than wall time.
      const began = process.cpuUsage();
      alone.run(kind === "home", LIMIT, REPEATS);
      const { user, system } = process.cpuUsage(began);
      return (user + system) / REPEATS;
    });
    rows.push({ kind, candidates, products: alone.products(), bytes, median_us: quantile(samples, 0.5), p10_us: quantile(samples, 0.1), p90_us: quantile(samples, 0.9) });
    alone.free();
  }
  return rows;
}
