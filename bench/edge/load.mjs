// Requests as bytes, and the client that sends them (bench/core/src/bin/bench-load.rs).
import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { WORK, program } from "./place.mjs";

const run = promisify(execFile);
const LOAD_LIMIT_MS = 120_000;

/** A GET as sent over the wire. */
export function wire({ path, headers = {} }) {
  const lines = Object.entries({ Host: "bench.test", Accept: "application/json", ...headers }).map(([name, value]) => `${name}: ${value}`);
  return `GET ${path} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`;
}

/** Writes requests to a file for the client. */
export async function writeRequests(name, requests) {
  const file = join(WORK, `${name}.requests`);
  await mkdir(WORK, { recursive: true });
  await writeFile(file, requests.map((request) => `${wire(request)}\0`).join(""));
  return file;
}

/**
 * Sends `count` requests of `file` over kept connections, and returns the results of bench-load.
 */
export async function load(port, file, { connections, count }) {
  const { stdout } = await run(program("bench-load"), [port, file, connections, count].map(String), { timeout: LOAD_LIMIT_MS });
  return JSON.parse(stdout);
}
