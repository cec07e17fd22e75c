// The snapshots and viewers of the bench, made by bench-snapshot.
import { execFile } from "node:child_process";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { AUDIENCE, HS256_KEY, claims, hs256 } from "../../tests/harness/token.mjs";
import { WORK, program } from "./place.mjs";

const run = promisify(execFile);
/** A Friday noon in Korea. */
const BUILT_AT = "2026-11-20T12:00:00+09:00";
/** Number of viewers who ask in turn. They are spread over all 256 taste shards. */
export const ASKING = 1024;
const USER_KEY = "a user key of the bench, known to all";

/**
 * A snapshot with this number of candidates: its folder, its asking viewers, and the bindings that
 * set the Worker's clock to its time.
 */
export async function data(candidates) {
  const folder = join(WORK, `data-${candidates}`);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await run(program("bench-snapshot"), [folder, BUILT_AT, candidates, ASKING].map(String), { env: { ...process.env, SINSANG_USER_KEY: USER_KEY } });
  const now = Date.parse(await readFile(join(folder, "now"), "utf8"));
  const board = JSON.parse(await readFile(join(folder, "board.json"), "utf8"));
  return {
    candidates,
    folder,
    products: board.products.length,
    slots: board.slots.length,
    users: JSON.parse(await readFile(join(folder, "users.json"), "utf8")),
    bindings: {
      JWT_AUDIENCE: AUDIENCE,
      JWT_HS256_KEY: HS256_KEY,
      USER_KEY,
      CORS_ORIGINS: "",
      CLOCK_OFFSET_MS: String(now - Date.now()),
    },
  };
}

/** The header of `user`, valid for a day. `nonce` makes the token unique. */
export function bearer(user, nonce) {
  return `Bearer ${hs256(claims(user, Date.now(), { exp: Math.floor(Date.now() / 1000) + 86_400, ...(nonce === undefined ? {} : { jti: String(nonce) }) }))}`;
}
