// The home surface with Node's own HTTP server: the board in memory, a viewer's tastes from Redis,
// tokens checked and cached by fast-jwt. PORT, REDIS_URL, JWT_HS256_KEY, JWT_AUDIENCE and
// CLOCK_OFFSET_MS come from the environment.
import { createServer } from "node:http";
import { createVerifier } from "fast-jwt";
import { RESP_TYPES, createClient } from "redis";
import { Board, cutTaste, limitOf } from "../board.mjs";

const LOOK_EVERY_MS = 30_000;
const { PORT, REDIS_URL, JWT_HS256_KEY, JWT_AUDIENCE, CLOCK_OFFSET_MS = "0" } = process.env;
const offset = Number(CLOCK_OFFSET_MS);

const redis = createClient({ url: REDIS_URL });
await redis.connect();
const bytes = redis.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
const verify = createVerifier({ key: JWT_HS256_KEY, algorithms: ["HS256"], allowedAud: JWT_AUDIENCE, cache: 4096 });

let board;
let widths;
async function look() {
  const snapshot = await redis.get("snapshot");
  if (board?.snapshot === snapshot) return;
  widths = JSON.parse(await redis.get(`widths:${snapshot}`));
  board = new Board(JSON.parse(await redis.get(`board:${snapshot}`)));
}
await look();
setInterval(() => look().catch((error) => console.error(`looking for a snapshot: ${error.message}`)), LOOK_EVERY_MS).unref();

function refuse(response, status) {
  response.writeHead(status, { "Content-Type": "application/problem+json" }).end(JSON.stringify({ status }));
}

async function home(request, response, limit) {
  let user;
  try {
    const { authorization } = request.headers;
    user = authorization === undefined ? undefined : verify(authorization.slice("Bearer ".length)).sub;
  } catch {
    return refuse(response, 401);
  }
  const now = Date.now() + offset;
  const headers = board.headers("home", now, user);
  if (request.headers["if-none-match"] === headers.ETag) return response.writeHead(304, headers).end();
  const record = user === undefined ? null : await bytes.hGet(`tastes:${board.snapshot}`, user);
  const taste = record === null || record === undefined ? undefined : cutTaste(widths, record);
  send(response, headers, board.home(taste, now, limit, user));
}

function send(response, headers, answer) {
  const body = Buffer.from(JSON.stringify(answer));
  response.writeHead(200, { ...headers, "Content-Length": body.length }).end(body);
}

const server = createServer((request, response) => {
  const [path, query] = request.url.split("?", 2);
  const limit = limitOf(new URLSearchParams(query).get("limit"));
  if (limit === undefined) return refuse(response, 400);
  if (path === "/v1/home") return home(request, response, limit).catch(() => refuse(response, 500));
  if (path !== "/v1/new") return refuse(response, 404);
  const now = Date.now() + offset;
  const headers = board.headers("new", now, undefined);
  if (request.headers["if-none-match"] === headers.ETag) return response.writeHead(304, headers).end();
  return send(response, headers, { surface: "new", ...board.stand(undefined, now), ...board.newPage(undefined, now, limit) });
});
server.listen(Number(PORT), "127.0.0.1");
