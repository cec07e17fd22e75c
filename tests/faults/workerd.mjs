// The built Worker in plain workerd, without Miniflare: its KV and cache are the servers on the
// given ports.
import { spawn } from "node:child_process";
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { createRequire } from "node:module";
import { join } from "node:path";
import { ROOT } from "../harness/dataset.mjs";

// Miniflare's own workerd binary.
const { default: BINARY } = createRequire(createRequire(import.meta.url).resolve("miniflare"))("workerd");
const START_TIMEOUT_MS = 20_000;

/** Sends the given requests to the edge, some at a time, from within the same process. */
const DRIVER = `export default {
  async fetch(request, env) {
    const asked = await request.json();
    const answers = new Array(asked.length);
    let next = 0;
    const ask = async () => {
      while (next < asked.length) {
        const at = next++;
        const response = await env.EDGE.fetch("http://edge" + asked[at].target, asked[at].init);
        const text = await response.text();
        const cursor = text.slice(-160).split('"next_cursor":"')[1];
        answers[at] = [response.status, response.headers.get("etag"), cursor && cursor.split('"')[0]];
      }
    };
    await Promise.all(Array.from({ length: 24 }, ask));
    return Response.json(answers);
  },
};`;

async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

export class Workerd {
  printed = "";

  /**
   * @param {string} name of the isolate, which its KV reads carry
   * @param {{kv?: number, cache?: number}} ports of its dependencies
   * @param {Record<string, string>} variables its configuration and secrets
   * @param {Buffer} bundle the snapshot bundled with it
   */
  static async start(name, ports, variables, bundle) {
    const workerd = new Workerd();
    Object.assign(workerd, { name, ports, variables });
    workerd.folder = await mkdtemp(join(ROOT, ".cache/test/workerd."));
    await writeFile(join(workerd.folder, "snapshot.bundle"), bundle);
    // workerd embeds only files below its configuration.
    for (const file of ["index.js", "index_bg.wasm"]) await copyFile(join(ROOT, "build", file), join(workerd.folder, file));
    await workerd.#run();
    return workerd;
  }

  #config() {
    const text = (value) => JSON.stringify(value);
    const bindings = Object.entries(this.variables).map(([name, value]) => `(name = ${text(name)}, text = ${text(value)})`);
    return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .edge),
    (name = "kv", worker = .kv),
    (name = "driver", worker = .driver),
    (name = "kv-server", external = (address = "127.0.0.1:${this.ports.kv}", http = ())),
    (name = "cache", external = (address = "127.0.0.1:${this.ports.cache}", http = ())),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${this.port}", http = (), service = "main"),
    (name = "driver", address = "127.0.0.1:${this.driverPort}", http = (), service = "driver")],
);
const driver :Workerd.Worker = (
  modules = [(name = "driver.js", esModule = ${text(DRIVER)})],
  compatibilityDate = "2026-04-01",
  bindings = [(name = "EDGE", service = "main")],
);
const edge :Workerd.Worker = (
  modules = [
    (name = "index.js", esModule = embed "index.js"),
    (name = "index_bg.wasm", wasm = embed "index_bg.wasm"),
    (name = "snapshot.bundle", data = embed "snapshot.bundle"),
  ],
  compatibilityDate = "2026-04-01",
  cacheApiOutbound = "cache",
  bindings = [(name = "SNAPSHOTS", kvNamespace = "kv"), ${bindings.join(", ")}],
);
# Between the edge and the server: puts the isolate's name before the key, so that reads are
# counted for each isolate.
const kv :Workerd.Worker = (
  modules = [(name = "kv.js", esModule = "export default { fetch(request, env) { const url = new URL(request.url); return env.KV.fetch('http://kv/${this.name}' + url.pathname + url.search, { signal: request.signal }); } };")],
  compatibilityDate = "2026-04-01",
  bindings = [(name = "KV", service = "kv-server")],
);
`;
  }

  /** Starts the process, on other ports if another process took these first. */
  async #run() {
    for (let tries = 5; ; tries -= 1) {
      this.port ??= await freePort();
      this.driverPort ??= await freePort();
      const before = this.printed.length;
      try {
        return await this.#begin();
      } catch (error) {
        if (tries <= 1 || !this.printed.slice(before).includes("Address already in use")) throw error;
        [this.port, this.driverPort] = [undefined, undefined];
      }
    }
  }

  async #begin() {
    await writeFile(join(this.folder, "config.capnp"), this.#config());
    this.child = spawn(BINARY, ["serve", join(this.folder, "config.capnp")], { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.child.stdout, this.child.stderr]) stream.on("data", (chunk) => (this.printed = `${this.printed}${chunk}`.slice(-200_000)));
    this.ended = new Promise((done) => this.child.on("close", done));
    let over = false;
    this.ended.then(() => (over = true));
    this.url = `http://127.0.0.1:${this.port}`;
    const deadline = Date.now() + START_TIMEOUT_MS;
    for (;;) {
      const answers = await fetch(`${this.url}/healthz`, { signal: AbortSignal.timeout(2_000) }).then(
        async (response) => (await response.arrayBuffer(), response.ok),
        () => false,
      );
      if (answers) return;
      if (over || Date.now() > deadline) throw new Error(`workerd does not answer:\n${this.printed}`);
      await new Promise((done) => setTimeout(done, 30));
    }
  }

  /**
   * Asks many requests at once without a way over HTTP for each, and gives [status, ETag, next cursor] of each answer.
   * @param {{target: string, bearer?: string, etag?: string, method?: string, body?: string, headers?: Record<string, string>}[]} requests
   */
  async askMany(requests) {
    const sent = requests.map(({ target, bearer, etag, method = "GET", body, headers }) => {
      const own = { ...headers };
      if (bearer !== undefined) own.authorization = `Bearer ${bearer}`;
      if (etag !== undefined) own["if-none-match"] = etag;
      return { target, init: { method, headers: own, body: method === "GET" ? undefined : body } };
    });
    // A separate connection: the other side may close a kept-alive one just as it is reused.
    const headers = { connection: "close" };
    const response = await fetch(`http://127.0.0.1:${this.driverPort}/`, { method: "POST", headers, body: JSON.stringify(sent) });
    if (!response.ok) throw new Error(`the driver answers ${response.status}: ${(await response.text()).slice(0, 500)}`);
    return response.json();
  }

  /** A fresh process: isolate, memory and connections are gone. */
  async restart() {
    await this.#kill();
    await this.#run();
  }

  async #kill() {
    this.child.kill("SIGKILL");
    await this.ended;
  }

  async stop() {
    await this.#kill();
    await rm(this.folder, { recursive: true, force: true });
    if (/panicked at|RuntimeError|unreachable executed/.test(this.printed)) throw new Error(`the Worker trapped:\n${this.printed.slice(-2_000)}`);
  }
}
