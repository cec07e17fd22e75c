// Local runs stay local: `wrangler.toml` may bind the production namespace for `wrangler dev`, and
// the local KV remains the same.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { ROOT } from "../harness/dataset.mjs";

/** Sends `asks` to the local KV's helper in turn, with an API at `api`. */
async function helper(config, persist, api, asks) {
  const args = ["scripts/local-kv.mjs", "--config", config, "--persist", persist];
  const env = {
    ...process.env,
    CLOUDFLARE_API_BASE_URL: api,
    CLOUDFLARE_ACCOUNT_ID: "account-of-the-tests",
    CLOUDFLARE_API_TOKEN: "token-of-the-tests",
  };
  const child = spawn(process.execPath, args, { cwd: ROOT, env, stdio: ["pipe", "pipe", "pipe"] });
  let told = "";
  child.stderr.on("data", (chunk) => (told += chunk));
  const ended = new Promise((done) => child.on("close", done));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answers = [];
  for (const ask of asks) {
    child.stdin.write(`${JSON.stringify(ask)}\n`);
    const { value, done } = await lines.next();
    if (done) throw new Error(`the helper went away:\n${told}`);
    answers.push(JSON.parse(value));
  }
  child.stdin.end();
  await ended;
  return answers;
}

test("with remote bindings in wrangler.toml the local KV is written, and production is not even asked", async () => {
  const folder = await mkdtemp(join(tmpdir(), "sinsang-local-"));
  const asked = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.writeHead(500, { "Content-Type": "application/json" }).end('{"success":false,"errors":[],"messages":[],"result":null}');
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  try {
    const own = await readFile(join(ROOT, "wrangler.toml"), "utf8");
    const remote = own.replace(/^binding = "SNAPSHOTS"$/m, '$&\nremote = true');
    assert.notEqual(remote, own, "wrangler.toml binds SNAPSHOTS");
    const config = join(folder, "wrangler.toml");
    await writeFile(config, remote);
    const api = `http://127.0.0.1:${server.address().port}`;
    const put = { op: "put", key: "pack/of-a-test", value: Buffer.from("whole").toString("base64"), metadata: { at: 1, bytes: 5 } };
    const found = { keys: [{ name: "pack/of-a-test", metadata: { at: 1, bytes: 5 } }] };
    const asks = [put, { op: "keys", prefix: "pack/" }];
    assert.deepEqual(await helper(config, join(folder, "state"), api, asks), [{}, found]);
    // Another process finds the value in the same files, and removes it there.
    const more = [asks[1], { op: "remove", keys: ["pack/of-a-test"] }, asks[1]];
    assert.deepEqual(await helper(config, join(folder, "state"), api, more), [found, {}, { keys: [] }]);
    assert.deepEqual(asked, [], "what the API was asked");
  } finally {
    server.close();
    await rm(folder, { recursive: true, force: true });
  }
});
