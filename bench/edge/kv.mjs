// Workers KV in workerd's protocol: GET /<key> gives the value or 404. Reads are counted.
import { createServer } from "node:http";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";

export class Kv {
  /** Keys read since the last `forget`, in order. */
  reads = [];
  /**
   * Number of reads that began while none was under way: rounds that a reader had to wait for in
   * turn.
   */
  rounds = 0;
  /** Delay of each value, in milliseconds. */
  delayMs = 0;
  #pending = 0;

  /** Serves the values below `folder`, as written by bench-snapshot. */
  static async start(folder) {
    const kv = new Kv();
    kv.values = new Map([["manifest", await readFile(join(folder, "manifest"))]]);
    for (const name of await readdir(join(folder, "pack"))) kv.values.set(`pack/${name}`, await readFile(join(folder, "pack", name)));
    kv.server = createServer((request, response) => {
      const key = decodeURIComponent(new URL(request.url, "http://kv").pathname.slice(1));
      const value = kv.values.get(key);
      kv.reads.push(key);
      if (kv.#pending++ === 0) kv.rounds++;
      const answer = () => {
        kv.#pending--;
        if (request.method !== "GET" || value === undefined) response.writeHead(404).end();
        else response.writeHead(200, { "Content-Length": value.length }).end(value);
      };
      if (kv.delayMs > 0) setTimeout(answer, kv.delayMs);
      else answer();
    });
    kv.server.keepAliveTimeout = 120_000;
    await new Promise((done, fail) => kv.server.once("error", fail).listen(0, "127.0.0.1", done));
    kv.port = kv.server.address().port;
    return kv;
  }

  forget() {
    this.reads = [];
    this.rounds = 0;
  }

  stop() {
    this.server.closeAllConnections();
    return new Promise((done) => this.server.close(done));
  }
}
