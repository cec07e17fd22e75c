// The measured subjects: Sinsang's Worker, constants, and the peers, each in a separate process.
import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";
import { PEERS, ROOT } from "./place.mjs";
import { Server, freePort, startWorkerd } from "./server.mjs";
import { publish } from "../peers/publish.mjs";

const read = (...parts) => readFile(join(...parts));

/**
 * @param {string} [options.build] another folder than build/
 * @param {string} [options.wasm] the path of another Wasm in place of the one that ships
 */
export async function sinsang(name, data, kv, { build = join(ROOT, "build"), wasm = join(build, "index_bg.wasm"), ...options } = {}) {
  const modules = [
    { name: "index.js", kind: "esModule", content: await read(build, "index.js") },
    { name: "index_bg.wasm", kind: "wasm", content: await read(wasm) },
    // A store answers every read, so no bundled snapshot is needed.
    { name: "snapshot.bundle", kind: "data", content: "" },
  ];
  return startWorkerd(name, { modules, bindings: data.bindings, kvPort: kv.port, ...options });
}

export async function empty(name) {
  const build = join(PEERS, "empty/build");
  const modules = [
    { name: "index.js", kind: "esModule", content: await read(build, "index.js") },
    { name: "index_bg.wasm", kind: "wasm", content: await read(build, "index_bg.wasm") },
  ];
  return startWorkerd(name, { modules });
}

export async function hello(name, options = {}) {
  return startWorkerd(name, { modules: [{ name: "index.js", kind: "esModule", content: await read(PEERS, "constant/hello.mjs") }], ...options });
}

/** Headers that the server itself sets. */
const SET_BY_SERVER = new Set(["content-length", "date", "connection", "keep-alive", "transfer-encoding"]);

/** A Worker that returns `answer` from memory; `worker` is its source file. */
export async function constant(name, answer, worker = "worker.mjs") {
  const headers = Object.fromEntries([...answer.headers].filter(([name]) => !SET_BY_SERVER.has(name)));
  const modules = [
    { name: "index.js", kind: "esModule", content: await read(PEERS, "constant", worker) },
    { name: "body.bin", kind: "data", content: answer.body },
    { name: "headers.json", kind: "text", content: JSON.stringify(headers) },
  ];
  return startWorkerd(name, { modules });
}

export async function hono(name, data) {
  const bundle = await build({
    entryPoints: [join(PEERS, "hono/worker.mjs")],
    bundle: true,
    format: "esm",
    minify: true,
    external: ["board.json", "tastes.json"],
    write: false,
  });
  const modules = [
    { name: "index.js", kind: "esModule", content: bundle.outputFiles[0].contents },
    { name: "board.json", kind: "text", content: await read(data.folder, "board.json") },
    { name: "tastes.json", kind: "text", content: await read(data.folder, "tastes.json") },
  ];
  return startWorkerd(name, { modules, bindings: data.bindings });
}

/** A Redis without disk storage, with the snapshot in it. */
export async function redis(data) {
  const port = await freePort();
  const command = ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"].map(String);
  const server = await Server.start("redis", command, port);
  server.url = `redis://127.0.0.1:${port}`;
  await publish(server.url, data.folder);
  return server;
}

export async function node(name, data, redis) {
  const port = await freePort();
  const env = { ...data.bindings, PORT: String(port), REDIS_URL: redis.url, NODE_ENV: "production" };
  return Server.start(name, [process.execPath, join(PEERS, "node/server.mjs")], port, { env, others: [redis] });
}

export async function fastapi(name, data, redis, python) {
  const port = await freePort();
  const env = { ...data.bindings, REDIS_URL: redis.url, OPENBLAS_NUM_THREADS: "1", PYTHONOPTIMIZE: "1" };
  const command = [python, "-m", "uvicorn", "app:app", "--host", "127.0.0.1", "--port", String(port), "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"];
  return Server.start(name, command, port, { env, cwd: join(PEERS, "fastapi"), others: [redis] });
}

/** The versions of all measured programs, as they report them. */
export function versions(python) {
  const first = (file, ...args) => execFileSync(file, args, { encoding: "utf8" }).split("\n")[0].trim();
  const lock = (path, name) => JSON.parse(execFileSync("cat", [path], { encoding: "utf8" })).packages[`node_modules/${name}`].version;
  const pip = (name) => new RegExp(`^${name}==(.*)$`, "mi").exec(execFileSync(python, ["-m", "pip", "freeze"], { encoding: "utf8" }))?.[1];
  return {
    node: process.version,
    workerd: lock(join(ROOT, "package-lock.json"), "workerd"),
    hono: lock(join(PEERS, "package-lock.json"), "hono"),
    "fast-jwt": lock(join(PEERS, "package-lock.json"), "fast-jwt"),
    "node-redis": lock(join(PEERS, "package-lock.json"), "redis"),
    "redis-server": /v=(\S+)/.exec(first("redis-server", "--version"))?.[1],
    python: first(python, "--version").replace("Python ", ""),
    fastapi: pip("fastapi"),
    uvicorn: pip("uvicorn"),
    numpy: pip("numpy"),
    rustc: first("rustc", "--version").split(" ")[1],
  };
}
