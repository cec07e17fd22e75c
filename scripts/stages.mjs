// Runs the stages of a plan, two independent ones at a time, and beside them one that mostly waits:
// node scripts/stages.mjs PLAN
//
// A stage is a target of the Makefile. It prints a line when it begins, with its description and
// its last duration on this machine (the first time, the duration in the plan), and a line when it
// ends. Its output goes to a log, which is printed completely in CI and after a failure. The plan
// ends with a table of seconds and disk usage.
import { spawn, spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PLANS } from "./plan.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
process.chdir(root);

/** Concurrent stages: those that compute, and those that mostly wait for clocks and sockets. */
const LANES = { computes: 2, waits: 1 };
/** A plan that ends sooner, with nothing to do, is reported in one line. */
const TABLE_FROM_S = 20;
/** A stage that ends sooner had nothing to do. */
const WORK_FROM_MS = 2_000;
const TAIL_LINES = 60;
/**
 * Lines of a stage's log that count passed tests: of cargo's test programs, Node's runner, and
 * ours.
 */
const RESULT = /^(?:test result: .*|ℹ (?:tests|pass|fail) \d+|\d+ passed, \d+ failed.*)$/;

const cache = process.env.SINSANG_CACHE || join(root, ".cache");
const logs = join(cache, "log");
const lastPath = join(cache, "stages.json");

const name = process.argv[2];
const plan = PLANS[name];
if (!plan || process.argv.length > 3) {
  console.error(`usage: node scripts/stages.mjs ${Object.keys(PLANS).join(" | ")}`);
  process.exit(2);
}

/** Each stage's last duration on this machine, by name. */
function readLast() {
  try {
    return JSON.parse(readFileSync(lastPath, "utf8"));
  } catch {
    return {}; // absent, or cut off by an interrupted run
  }
}

const whole = !!process.env.CI;
const seconds = (ms) => `${Math.round(ms / 1000)} s`;
const about = (s) => (s < 5 ? "some seconds" : s < 100 ? `${Math.round(s / 5) * 5} s` : `${Math.round(s / 60)} min`);
const bold = (text) => (process.stdout.isTTY ? `\x1b[1m${text}\x1b[0m` : text);
const since = Date.now();
const last = readLast();
const running = new Map();
const ended = new Map();
let failed = null;

/** Starts a stage in a separate process group, so that all of its processes can be stopped. */
function start(stage) {
  const known = last[stage.name];
  const guess = known ?? stage.seconds;
  console.log(bold(`==> ${stage.name}: ${stage.does}`) + ` (${about(guess)} ${known === undefined ? "on two cores" : "last time"})`);
  const log = join(logs, `${stage.name}.log`);
  const file = openSync(log, "w");
  const began = Date.now();
  // Linux schedules sessions against each other; a process's niceness counts only within its
  // session.
  const behind = stage.behind ? "echo 10 2>/dev/null >/proc/self/autogroup; renice -n 10 $$ >/dev/null; " : "";
  const child = spawn("bash", ["-c", `${behind}time make "$0"`, stage.name], {
    stdio: ["ignore", file, file],
    detached: true,
    // `make` would pass its own job slots and targets on.
    env: { ...process.env, MAKEFLAGS: "", MAKELEVEL: "", SINSANG_CHECKED: "1", TIMEFORMAT: "cpu %U %S" },
  });
  closeSync(file);
  running.set(stage.name, child);
  return new Promise((done) => {
    child.on("error", () => done({ code: "no bash", took: 0, log }));
    child.on("close", (code, signal) => done({ code: signal ?? code, took: Date.now() - began, log }));
  }).then((result) => {
    running.delete(stage.name);
    finish(stage, result);
  });
}

function finish(stage, { code, took, log }) {
  if (failed) return;
  const text = readFileSync(log, "utf8");
  const [, user, system] = /^cpu ([\d.]+) ([\d.]+)\s*$/m.exec(text.slice(-100)) ?? [];
  ended.set(stage.name, { took, cpu: 1000 * (Number(user) + Number(system)) });
  if (code !== 0) {
    failed = stage.name;
    console.error(whole ? text : text.split("\n").slice(-TAIL_LINES).join("\n"));
    console.error(bold(`==> ${stage.name} failed (${code}) after ${seconds(took)}`));
    console.error(`    all it printed   ${log}\n    by itself        make ${stage.name}`);
    return stop();
  }
  if (whole) console.log(text);
  else for (const line of text.split("\n")) if (RESULT.test(line)) console.log(`    ${line}`);
  console.log(`    ${stage.name}: ${seconds(took)}`);
  // A stage that had nothing to do says nothing about its next duration.
  if (took < WORK_FROM_MS) return;
  last[stage.name] = Math.round(took / 1000);
  writeFileSync(`${lastPath}.new`, JSON.stringify(last, null, 1));
  renameSync(`${lastPath}.new`, lastPath);
}

/** Stops the running stages; the `close` of each follows. */
function stop() {
  for (const child of running.values()) {
    try {
      process.kill(-child.pid, "SIGTERM");
    } catch {
      // It has ended already.
    }
  }
}

/** Runs the whole plan: whenever a lane is free, the first stage of the list that may begin. */
async function go() {
  const waiting = [...plan];
  const lanes = new Map();
  const kind = (stage) => (stage.waits ? "waits" : "computes");
  const free = (stage) => [...lanes.keys()].filter((one) => kind(one) === kind(stage)).length < LANES[kind(stage)];
  while ((waiting.length > 0 || lanes.size > 0) && !failed) {
    const next = waiting.findIndex((stage) => free(stage) && (stage.after ?? []).every((one) => ended.has(one)));
    if (next >= 0) {
      const [stage] = waiting.splice(next, 1);
      lanes.set(stage, start(stage).then(() => stage));
    } else {
      lanes.delete(await Promise.race(lanes.values()));
    }
  }
  await Promise.all(lanes.values());
}

/** Disk usage in megabytes, by folder. */
function disk() {
  const folders = [...new Set([cache, process.env.CARGO_TARGET_DIR, ".cache", "node_modules", "build", "crates/event-worker/build", "bin", ".demo", "www/built"])];
  const { stdout } = spawnSync("du", ["-scm", ...folders.filter(Boolean)], { encoding: "utf8" });
  const total = /^(\d+)\s+total$/m.exec(stdout ?? "");
  return total ? `${(Number(total[1]) / 1024).toFixed(1)} GB` : "unknown";
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    failed ??= signal;
    stop();
  });
}
mkdirSync(logs, { recursive: true });
await go();
const wall = Date.now() - since;
if (failed) process.exit(1);
if (wall / 1000 >= TABLE_FROM_S) {
  const width = Math.max(...plan.map((stage) => stage.name.length));
  const row = (name, took, cpu, more = "") => console.log(`${name.padEnd(width)} ${took.padStart(8)} ${cpu.padStart(8)}${more}`);
  const rounded = (ms) => String(Math.round(ms / 1000));
  console.log();
  row("stage", "seconds", "CPU");
  for (const { name } of plan) row(name, rounded(ended.get(name).took), rounded(ended.get(name).cpu));
  const cpu = [...ended.values()].reduce((sum, one) => sum + one.cpu, 0);
  row("in all", rounded(wall), rounded(cpu), "   side by side");
  console.log(`\n${disk()} on the disk, the registries' caches aside; logs in ${logs}\n`);
}
