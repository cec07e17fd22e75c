// The steps of `make run`: data around a present moment, its snapshot, local KV, and the Worker
// under `wrangler dev`.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync, copyFileSync, renameSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { secrets } from "./secrets.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
process.chdir(root);

/** Demo tables older than this are generated again, around the present moment. */
const DEMO_FRESH_MS = 3 * 60 * 60 * 1000;
const DAY_MS = 24 * 60 * 60 * 1000;
/** Timeout of the first answer of `wrangler dev`. */
const START_TIMEOUT_MS = 60_000;
/** Noon by the shop's clock, when it is at its busiest and most channels are on air. */
const RETAIL_NOW = "2011-09-01T21:00:00+09:00";

const data = process.env.DATA || "demo";
const port = Number(process.env.PORT || 8787);
const folder = join(".demo", data);
const tables = join(folder, "data");
const snapshot = join(folder, "snapshot");
/**
 * Outcomes of the builds. The page's plots begin with the second, so the first run builds
 * yesterday's snapshot too.
 */
const builds = join(folder, "snapshot.builds.ndjson");
const eve = join(folder, "eve");
const state = join(folder, "state");
const stampPath = join(folder, "stamp.json");
const pidPath = join(".demo", "run.pid");
const cli = resolve("bin/sinsang");

class Stop extends Error {}
const say = (text) => console.log(process.stdout.isTTY ? `\x1b[1m==> ${text}\x1b[0m` : `==> ${text}`);
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const readJson = (path) => {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return null; // absent or cut off by an interrupted run: made anew
  }
};

/** Runs the sinsang command to its end, with visible output. */
async function sinsang(args, env = {}) {
  console.log(`    bin/sinsang ${args.join(" ")}`);
  const child = spawn(cli, args, { stdio: "inherit", env: { ...process.env, ...env } });
  const code = await new Promise((done, fail) => {
    child.on("error", fail);
    child.on("close", (code, signal) => done(signal ?? code));
  });
  if (code !== 0) throw new Stop(`bin/sinsang ${args[0]} ended with ${code}`);
}

/**
 * Makes tables and snapshot unless the last run's are reusable. Returns the snapshot's "now" in
 * milliseconds.
 */
async function makeData() {
  const key = secrets(root, say).USER_KEY;
  // The inputs of the data; any change makes it anew.
  const retail = data === "retail";
  const wanted = { cli: sha256(readFileSync(cli)), user_key: sha256(key) };
  if (retail) {
    const file = process.env.RETAIL_FILE;
    if (!existsSync(file)) {
      throw new Stop(
        `DATA=retail needs UCI Online Retail II as Parquet, and ${file} is not there.\n` +
          "It is the data set of Daqing Chen (CC BY 4.0, doi 10.24432/C5CG6D), had from\n" +
          "https://archive.ics.uci.edu/dataset/502/online+retail+ii as a spreadsheet; docs/input.md tells the columns\n" +
          "that the Parquet file needs. Then: make run DATA=retail RETAIL_FILE=<path>",
      );
    }
    const { size, mtimeMs } = statSync(file);
    Object.assign(wanted, { file: resolve(file), size, mtimeMs });
  }
  const stamp = readJson(stampPath);
  const fresh = retail || (stamp && Date.now() - stamp.made_at < DEMO_FRESH_MS);
  if (stamp && fresh && existsSync(join(snapshot, "manifest")) && Object.entries(wanted).every(([k, v]) => stamp[k] === v)) {
    const minutes = Math.round((Date.now() - stamp.made_at) / 60_000);
    say(`${data} data of ${minutes} minutes ago serves again`);
    return stamp;
  }

  rmSync(stampPath, { force: true });
  rmSync(tables, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const made_at = Date.now();
  const env = { SINSANG_USER_KEY: key };
  if (retail) {
    say("importing Online Retail II (about a minute)");
    await sinsang(["import", "online-retail", process.env.RETAIL_FILE, "--out", tables, "--as-of", "2011-09-01T00:00:00Z"]);
    say("building its snapshots (about a minute each, two the first time)");
    await build(Date.parse(RETAIL_NOW), env);
  } else {
    say("making 180 days of broadcasts and 2,000 viewers around the present moment (under a minute)");
    await sinsang(["generate", "--out", tables, "--days", "180", "--users", "2000"]);
    copyFileSync("scripts/demo-rules.toml", join(tables, "rules.toml"));
    say("building its snapshots (about a minute each, two the first time)");
    await build(made_at, env);
  }
  const made = { ...wanted, made_at, now: retail ? Date.parse(RETAIL_NOW) : null };
  writeFileSync(`${stampPath}.new`, JSON.stringify(made));
  renameSync(`${stampPath}.new`, stampPath);
  return made;
}

/**
 * Builds the snapshot of `at`; before the very first, also the day before's, for the page to
 * compare with.
 */
async function build(at, env) {
  const one = (ms) => sinsang(["build", "--input", tables, "--output", snapshot, "--now", new Date(ms).toISOString(), "--viewers", join(tables, "viewers.json")], env);
  if (!existsSync(builds)) {
    await one(at - DAY_MS);
    rmSync(eve, { recursive: true, force: true });
    cpSync(snapshot, eve, { recursive: true });
  }
  await one(at);
}

/** Publishes the snapshot into the KV of `wrangler dev`, unless its manifest was published last. */
async function publish() {
  const donePath = join(state, "published");
  const manifest = sha256(readFileSync(join(snapshot, "manifest")));
  if (existsSync(donePath) && readFileSync(donePath, "utf8") === manifest) return;
  say("publishing the snapshot to local KV");
  rmSync(donePath, { force: true });
  mkdirSync(state, { recursive: true });
  // Forced: the demonstration replaces its whole data set, by another or by that of another day.
  for (const one of [eve, snapshot]) if (existsSync(one)) await sinsang(["publish", one, "--local", state, "--force"]);
  rmSync(eve, { recursive: true, force: true });
  writeFileSync(donePath, manifest);
}

/** Bundles the snapshot with the built Worker, as its fallback when no store answers. */
async function bundle() {
  await sinsang(["bundle", snapshot, "--output", "build/snapshot.bundle"]);
}

/** Writes the page's viewers with their latest events, for senders of the preview secret. */
function publishViewers() {
  mkdirSync("www/demo", { recursive: true });
  const [viewers, served] = [join(folder, "snapshot.viewers.json"), "www/demo/viewers.json"];
  // Restricts the file to this user before it has content.
  writeFileSync(served, JSON.stringify({ viewers: [] }), { mode: 0o600 });
  chmodSync(served, 0o600);
  if (existsSync(viewers)) copyFileSync(viewers, served);
}

/** Lines that ask as the page's first viewer; none without viewers. */
function asViewer(address) {
  const viewer = readJson("www/demo/viewers.json")?.viewers?.[0]?.user_id;
  if (!viewer) return "";
  const sign = ["token", "--viewer", viewer, "--dev-vars", ".dev.vars"];
  const { status, stdout } = spawnSync(cli, [...sign, "--hours", "720"], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  if (status !== 0) return "";
  return `    as a viewer       curl -s -H 'Authorization: Bearer ${stdout.trim()}' ${address}/v1/home
    as another        bin/sinsang ${sign.join(" ").replace(viewer, "USER")} signs their token
`;
}

/** Fails if the port is in use on either loopback address. */
async function checkPort() {
  if (!Number.isInteger(port) || port < 1 || port > 65535) throw new Stop(`PORT has to be 1 to 65535, not "${process.env.PORT}"`);
  for (const host of ["127.0.0.1", "::1"]) {
    const error = await new Promise((done) => {
      const server = createServer();
      server.once("error", (error) => done(error));
      server.listen({ host, port, exclusive: true }, () => server.close(() => done(null)));
    });
    if (error?.code === "EADDRINUSE") {
      throw new Stop(`port ${port} is taken; stop what listens there (make stop), or choose another: make run PORT=${port === 65535 ? 8787 : port + 1}`);
    }
    if (error?.code === "EACCES") throw new Stop(`port ${port} may not be used by this user; choose one above 1023`);
    // Any other error (a machine without IPv6, say) says nothing about the port.
  }
}

/** Serves until a signal arrives; resolves with the exit status. */
async function serve() {
  if (!["demo", "retail"].includes(data)) throw new Stop(`DATA has to be demo or retail, not "${data}"`);
  await checkPort();
  const made = await makeData();
  await publish();
  await bundle();
  publishViewers();
  const secret = secrets(root, say).PREVIEW_SECRET;

  say(`starting the Worker on port ${port}`);
  // --local: whatever the files say about remote bindings, the demonstration neither reads nor
  // writes production.
  const args = ["dev", "--local", "-c", "wrangler.toml", "-c", "crates/event-worker/wrangler.toml", "--port", String(port), "--ip", "127.0.0.1", "--persist-to", state, "--show-interactive-dev-session=false"];
  if (made.now !== null) args.push("--var", `CLOCK_OFFSET_MS:${made.now - Date.now()}`);
  // A separate process group: only this script stops wrangler, and in order, whatever stops the
  // script.
  const wrangler = spawn(process.execPath, ["node_modules/wrangler/bin/wrangler.js", ...args], {
    stdio: ["ignore", "inherit", "inherit"],
    detached: true,
  });
  writeFileSync(pidPath, String(process.pid));
  const ended = new Promise((done) => wrangler.on("close", (code, signal) => done(signal ?? code)));

  let stopping = false;
  const signalGroup = (signal) => {
    try {
      process.kill(-wrangler.pid, signal);
    } catch {
      // It has ended already.
    }
  };
  const stop = () => {
    if (stopping) return signalGroup("SIGKILL");
    stopping = true;
    signalGroup("SIGTERM");
    setTimeout(() => signalGroup("SIGKILL"), 5_000).unref();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, stop);
  process.on("exit", () => signalGroup("SIGKILL"));

  const address = `http://localhost:${port}`;
  const deadline = Date.now() + START_TIMEOUT_MS;
  let answers = false;
  let over = null;
  ended.then((code) => (over = code));
  while (!answers && over === null && !stopping && Date.now() < deadline) {
    await new Promise((done) => setTimeout(done, 150));
    answers = await fetch(`http://127.0.0.1:${port}/healthz`, { signal: AbortSignal.timeout(2_000) }).then(
      async (response) => (await response.text(), response.ok),
      () => false,
    );
  }
  if (answers && !stopping) {
    console.log(`
    the page          ${address}/#preview=${secret}
    what it calls     ${address}/openapi.json
    try               curl -s ${address}/v1/home
${asViewer(address)}    events            POST ${address}/v1/events; node scripts/events.mjs brings what was stored to ${join(folder, "objects")}
    stop              Ctrl-C${process.stdin.isTTY ? "" : ", or make stop"}
`);
  } else if (!stopping) {
    stop();
    await ended;
    throw new Stop(over === null ? `the Worker did not answer within ${START_TIMEOUT_MS / 1000} s; what wrangler said is above` : `wrangler ended with ${over}; what it said is above`);
  }
  const code = await ended;
  rmSync(pidPath, { force: true });
  if (!stopping) throw new Stop(`wrangler ended with ${code}`);
  say("stopped");
}

/** Stops the run that left its process id, after checking that the process is such a run. */
function stopOther() {
  const pid = existsSync(pidPath) ? Number(readFileSync(pidPath, "utf8")) : 0;
  rmSync(pidPath, { force: true });
  const command = pid ? spawnSync("ps", ["-p", String(pid), "-o", "command="], { encoding: "utf8" }).stdout : "";
  if (!command?.includes("scripts/run.mjs")) return console.log("nothing is running");
  process.kill(pid, "SIGTERM");
  console.log(`stopping process ${pid}`);
}

const steps = { port: checkPort, data: makeData, publish: async () => (await makeData(), await publish()), bundle: async () => (await makeData(), await bundle()), serve, stop: stopOther };
try {
  const step = steps[process.argv[2]];
  if (!step) throw new Stop(`usage: node scripts/run.mjs ${Object.keys(steps).join(" | ")}`);
  await step();
} catch (error) {
  if (!(error instanceof Stop)) throw error;
  console.error(error.message);
  process.exit(1);
}
