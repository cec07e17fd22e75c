// Tokens from where the docs say they come from: the command, and the app's own backend. That of
// docs/tokens.md in TypeScript is run here as it stands there.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ROOT, dataset } from "../harness/dataset.mjs";
import { Edge, assertProblem } from "../harness/edge.mjs";
import { ES256, HS256_KEY, claims, hs256 } from "../harness/token.mjs";

let edge;
let user;
before(async () => {
  const data = await dataset();
  user = data.viewers[0].user_id;
  edge = await Edge.start({ snapshot: data.first });
});
after(() => edge.stop());

/** The order of the tab for the holder of `token`. */
async function order(token) {
  const { json } = await edge.get("/v1/new", { headers: { Authorization: `Bearer ${token}` } });
  return [json.personalized, json.items.map(({ product_id }) => product_id)];
}

const command = (words, env) =>
  execFileSync(join(ROOT, "bin/sinsang"), ["token", "--viewer", user, ...words], { encoding: "utf8", env: { PATH: process.env.PATH, ...env } }).trim();

test("the command's tokens of either key bring the viewer's own order", async () => {
  const own = await order(hs256(claims(user, Date.now())));
  assert.equal(own[0], true);
  assert.deepEqual(await order(command([], { SINSANG_JWT_HS256_KEY: HS256_KEY })), own);
  assert.deepEqual(await order(command([], { SINSANG_JWT_ES256_KEY: JSON.stringify(ES256.privateKey.export({ format: "jwk" })) })), own);
});

test("a token holds for its hours, and for its audience", async () => {
  const env = { SINSANG_JWT_HS256_KEY: HS256_KEY };
  const held = JSON.parse(Buffer.from(command(["--hours", "2"], env).split(".")[1], "base64url"));
  assert.equal(held.exp - held.iat, 7_200);
  assert.ok(Math.abs(held.iat - Date.now() / 1_000) < 60);
  const foreign = command(["--audience", "another"], env);
  assertProblem(await edge.ask("/v1/new", { headers: { Authorization: `Bearer ${foreign}` } }), 401);
});

test("the backend of docs/tokens.md signs what the edge takes", async () => {
  const text = await readFile(join(ROOT, "docs/tokens.md"), "utf8");
  const [, source] = /```ts\n([^]*?)```/.exec(text);
  // Below the packages that it imports.
  await mkdir(join(ROOT, ".cache/test"), { recursive: true });
  const folder = await mkdtemp(join(ROOT, ".cache/test/token-"));
  try {
    await writeFile(join(folder, "backend.mjs"), source);
    process.env.SINSANG_JWT_HS256_KEY = HS256_KEY;
    const { sinsangToken } = await import(join(folder, "backend.mjs"));
    assert.deepEqual(await order(await sinsangToken(user)), await order(hs256(claims(user, Date.now()))));
  } finally {
    await rm(folder, { recursive: true });
  }
});
