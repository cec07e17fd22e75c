// The home surface with Hono in a Worker: all data in memory, tokens checked with hono/jwt and
// cached until they expire.
import { Hono } from "hono";
import { verify } from "hono/jwt";
import { Board, cutTaste, limitOf } from "../board.mjs";
import boardText from "board.json";
import tastesText from "tastes.json";

const MAX_TOKENS = 4096;

const board = new Board(JSON.parse(boardText));
const { widths, users } = JSON.parse(tastesText);
const tastes = new Map(Object.entries(users).map(([user, text]) => [user, cutTaste(widths, Uint8Array.from(atob(text), (c) => c.charCodeAt(0)))]));
const tokens = new Map();

async function userOf(authorization, env) {
  const known = tokens.get(authorization);
  if (known !== undefined && known.exp > Date.now() / 1000) return known.user;
  const claims = await verify(authorization.slice("Bearer ".length), env.JWT_HS256_KEY, { alg: "HS256", aud: env.JWT_AUDIENCE });
  if (tokens.size >= MAX_TOKENS) tokens.delete(tokens.keys().next().value);
  tokens.set(authorization, { user: claims.sub, exp: claims.exp });
  return claims.sub;
}

const app = new Hono();

app.get("/v1/home", async (c) => {
  const limit = limitOf(c.req.query("limit"));
  if (limit === undefined) return c.json({ status: 400, parameter: "limit" }, 400);
  const authorization = c.req.header("Authorization");
  let user;
  try {
    user = authorization === undefined ? undefined : await userOf(authorization, c.env);
  } catch {
    return c.json({ status: 401 }, 401);
  }
  const now = Date.now() + Number(c.env.CLOCK_OFFSET_MS);
  const headers = board.headers("home", now, user);
  if (c.req.header("If-None-Match") === headers.ETag) return c.body(null, 304, headers);
  return c.json(board.home(tastes.get(user), now, limit, user), 200, headers);
});

app.get("/v1/new", (c) => {
  const limit = limitOf(c.req.query("limit"));
  if (limit === undefined) return c.json({ status: 400, parameter: "limit" }, 400);
  const now = Date.now() + Number(c.env.CLOCK_OFFSET_MS);
  const headers = board.headers("new", now, undefined);
  if (c.req.header("If-None-Match") === headers.ETag) return c.body(null, 304, headers);
  return c.json({ surface: "new", ...board.stand(undefined, now), ...board.newPage(undefined, now, limit) }, 200, headers);
});

export default app;
