// Measured processes: workerd with one Worker each, Redis, Node, uvicorn. All listen on loopback
// and end with the bench.
import { spawn } from "node:child_process";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { WORK } from "./place.mjs";

const START_LIMIT_MS = 30_000;
const WORKERD = createRequire(import.meta.url)("workerd").default;
const running = new Set();

/** A loopback port that was free a moment ago. */
export async function freePort() {
  const server = createServer();
  await new Promise((done, fail) => server.once("error", fail).listen(0, "127.0.0.1", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

/** A process that serves on a loopback port. */
export class Server {
  printed = "";

  /**
   * Starts `command` and waits until `port` takes connections.
   * @param {string} name for messages
   * @param {string[]} command
   * @param {number} port
   * @param {object} [options] `env` beside the bench's own, `cwd`, `others` whose CPU time counts too
   */
  static async start(name, command, port, { env = {}, cwd, others = [] } = {}) {
    const server = new Server();
    Object.assign(server, { name, port, others, startedAt: performance.now() });
    const [file, ...args] = command;
    server.child = spawn(file, args, { cwd, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    server.pid = server.child.pid;
    for (const stream of [server.child.stdout, server.child.stderr]) stream.on("data", (chunk) => (server.printed = (server.printed + chunk).slice(-20_000)));
    server.ended = new Promise((done) => server.child.once("close", done).once("error", done));
    server.child.once("close", () => ((server.hasEnded = true), running.delete(server)));
    running.add(server);
    await server.untilListening();
    return server;
  }

  async untilListening() {
    const { connect } = await import("node:net");
    const limit = performance.now() + START_LIMIT_MS;
    for (;;) {
      const isOpen = await new Promise((done) => {
        const socket = connect(this.port, "127.0.0.1", () => (socket.destroy(), done(true))).once("error", () => done(false));
      });
      if (isOpen) return;
      if (this.hasEnded || performance.now() > limit) throw new Error(`${this.name} does not start:\n${this.printed}`);
      await sleep(5);
    }
  }

  /** CPU time used so far by the process and the processes it depends on, in nanoseconds. */
  async cpuNs() {
    const own = await threadsNs(this.pid);
    const others = await Promise.all(this.others.map((other) => other.cpuNs()));
    return own + others.reduce((sum, ns) => sum + ns, 0);
  }

  /** Memory not shared with other processes, in bytes. */
  async privateBytes() {
    const text = await readFile(`/proc/${this.pid}/smaps_rollup`, "utf8");
    const kib = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0);
    return (kib("Private_Clean") + kib("Private_Dirty")) * 1024;
  }

  async stop() {
    if (this.hasEnded) return;
    this.child.kill("SIGTERM");
    const late = setTimeout(() => this.child.kill("SIGKILL"), 3_000);
    await this.ended;
    clearTimeout(late);
  }
}

/** Stops all running processes. */
export async function stopAll() {
  await Promise.all([...running].map((server) => server.stop()));
}

/**
 * Run time of all threads from the scheduler, in nanoseconds; /proc/PID/stat only has hundredths of
 * a second. It is exact while the threads sleep, so it is read between slices. The coarse count is
 * the fallback if the kernel doesn't keep the exact one.
 */
async function threadsNs(pid) {
  const tasks = await readdir(`/proc/${pid}/task`);
  const times = await Promise.all(
    tasks.map((task) =>
      readFile(`/proc/${pid}/task/${task}/schedstat`, "utf8").then((text) => Number(text.split(" ", 1)[0]), () => 0),
    ),
  );
  const sum = times.reduce((total, ns) => total + ns, 0);
  if (sum > 0) return sum;
  const fields = (await readFile(`/proc/${pid}/stat`, "utf8")).replace(/^.*\) /s, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 1e7;
}

/** A Cap'n Proto text literal. */
const text = (value) => JSON.stringify(String(value));

/**
 * Starts a workerd with one Worker.
 * @param {string} name
 * @param {object} worker
 * @param {{name: string, kind: "esModule"|"wasm"|"data"|"text", content: string|Buffer}[]} worker.modules the first is the entry
 * @param {Record<string, string>} [worker.bindings] texts
 * @param {number} [worker.kvPort] where the KV namespace SNAPSHOTS is served
 * @param {boolean} [worker.inspector] whether to open V8's inspector
 * @param {boolean} [worker.loader] whether it may load Workers at run time, as LOADER
 */
export async function startWorkerd(name, { modules, bindings = {}, kvPort, inspector = false, loader = false }) {
  const folder = join(WORK, "worker", name);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const listed = [];
  for (const [index, module] of modules.entries()) {
    await writeFile(join(folder, `module-${index}`), module.content);
    listed.push(`(name = ${text(module.name)}, ${module.kind} = embed "module-${index}")`);
  }
  const bound = Object.entries(bindings).map(([name, value]) => `(name = ${text(name)}, text = ${text(value)})`);
  const services = [`(name = "main", worker = .main)`];
  if (kvPort !== undefined) {
    bound.push(`(name = "SNAPSHOTS", kvNamespace = "kv")`);
    services.push(`(name = "kv", external = (address = "127.0.0.1:${kvPort}", http = ()))`);
  }
  if (loader) bound.push(`(name = "LOADER", workerLoader = ())`);
  const port = await freePort();
  await writeFile(
    join(folder, "config.capnp"),
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [${services.join(", ")}],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const main :Workerd.Worker = (
  compatibilityDate = "2026-04-01",
  modules = [
    ${listed.join(",\n    ")}
  ],
  bindings = [${bound.join(", ")}],
);
`,
  );
  const inspectorPort = inspector ? await freePort() : undefined;
  const flags = [...(inspector ? [`--inspector-addr=127.0.0.1:${inspectorPort}`] : []), ...(loader ? ["--experimental"] : [])];
  const command = [WORKERD, "serve", ...flags, "config.capnp"];
  const server = await Server.start(name, command, port, { cwd: folder });
  server.inspectorPort = inspectorPort;
  return server;
}
