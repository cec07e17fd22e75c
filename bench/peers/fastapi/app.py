"""The home surface with FastAPI: the board in memory with NumPy, a viewer's tastes from Redis, tokens checked by PyJWT and remembered
until they expire. REDIS_URL, JWT_HS256_KEY, JWT_AUDIENCE and CLOCK_OFFSET_MS come from the environment."""

import asyncio
import base64
import os
import time
from bisect import bisect_right
from contextlib import asynccontextmanager

import jwt
import numpy as np
import orjson
import redis.asyncio as redis
from fastapi import FastAPI, Header, HTTPException, Query, Response

UNIT = 1024
HOUR_MS = 3_600_000
SOON_HALF_MS = 12 * HOUR_MS
RANK_STEP_MS = 600_000
LOOK_EVERY_S = 30
MAX_TOKENS = 4096

OFFSET_MS = int(os.environ.get("CLOCK_OFFSET_MS", "0"))
KEY = os.environ["JWT_HS256_KEY"]
AUDIENCE = os.environ["JWT_AUDIENCE"]
store = redis.from_url(os.environ["REDIS_URL"])


class Taste:
    """A user's int8 record, cut into its parts."""

    def __init__(self, record: bytes, widths: dict):
        parts = np.frombuffer(record, dtype=np.int8)
        ends = np.cumsum([widths[name] for name in ("vector", "channels", "hours", "tabs")])
        vector, self.channels, self.hours, self.tabs = np.split(parts.astype(np.int64), ends)[:4]
        # Sums of products of int8 stay below 2²⁴, so float32 holds them exactly, and BLAS can be
        # used.
        self.vector = vector.astype(np.float32)


class Board:
    def __init__(self, data: dict, widths: dict):
        self.snapshot, self.built_at, self.built_at_ms = data["snapshot"], data["built_at"], data["built_at_ms"]
        self.widths, self.weights, self.tabs = widths, data["weights"], data["tabs"]
        self.products, self.slots = data["products"], data["slots"]
        facts = [product["facts"] for product in self.products]
        self.vectors = np.array([fact["vector"] for fact in facts], dtype=np.float32)
        self.popularity = np.minimum(np.array([fact["popularity"] for fact in facts], dtype=np.int64), UNIT)
        self.ids = np.array([int(fact["id"], 16) for fact in facts], dtype=np.uint64)
        new = np.array([index for index in data["candidates"] if facts[index]["is_new"]], dtype=np.int64)
        self.new = new
        self.new_vectors = self.vectors[new]
        self.new_starts = np.array([facts[index]["first_starts_at"] for index in new], dtype=np.int64)
        self.new_ends = np.array([facts[index]["first_ends_at"] for index in new], dtype=np.int64)
        slots_of = [facts[index]["slots"] for index in new]
        self.new_channels = np.array([self.slots[slots[0]]["facts"]["channel"] for slots in slots_of], dtype=np.int64)
        self.new_ids, self.new_popularity = self.ids[new], self.popularity[new]
        self.slot_starts = [slot["facts"]["starts_at"] for slot in self.slots]
        self.longest_ms = max(slot["facts"]["ends_at"] - slot["facts"]["starts_at"] for slot in self.slots)
        self.boundaries = sorted({slot["facts"][end] for slot in self.slots for end in ("starts_at", "ends_at")})

    @staticmethod
    def score(vectors, popularity, channels, starts, ends, taste, weights, now):
        soon = UNIT * SOON_HALF_MS // (np.maximum(starts - now, 0) + SOON_HALF_MS)
        on_air = np.where((starts <= now) & (now < ends), UNIT, 0)
        score = weights["soon"] * soon + weights["on_air"] * on_air + weights["popularity"] * popularity
        if taste is None:
            return score
        dot = (vectors @ taste.vector).astype(np.int64)
        hours = (starts + 9 * HOUR_MS) % (24 * HOUR_MS) // (3 * HOUR_MS)
        return (
            score
            + ((weights["taste"] * dot) >> 6)
            + 8 * weights["channel"] * taste.channels[channels]
            + 8 * weights["hour"] * taste.hours[hours]
        )

    def tab_items(self, taste):
        weights, count = self.weights["tabs"], len(self.tabs)

        def key(index):
            score = weights["position"] * ((count - index) * UNIT // count)
            if taste is not None:
                score += 8 * weights["taste"] * int(taste.tabs[index])
            return (-score, index)

        free = iter(sorted((index for index, tab in enumerate(self.tabs) if not tab["is_pinned"]), key=key))
        order = (index if tab["is_pinned"] else next(free) for index, tab in enumerate(self.tabs))
        return [{**self.tabs[index]["item"], "position": position} for position, index in enumerate(order)]

    @staticmethod
    def verdict(product, now):
        return product["verdict"] if now < product["facts"]["first_ends_at"] else product["verdict_after"]

    def live_items(self, taste, now):
        first = bisect_right(self.slot_starts, now - self.longest_ms - 1)
        end = bisect_right(self.slot_starts, now)
        on_air = [index for index in range(first, end) if now < self.slots[index]["facts"]["ends_at"]]
        facts = [self.slots[index]["facts"] for index in on_air]
        products = np.array([fact["product"] for fact in facts], dtype=np.int64)
        channels = np.array([fact["channel"] for fact in facts], dtype=np.int64)
        starts = np.array([fact["starts_at"] for fact in facts], dtype=np.int64)
        ends = np.array([fact["ends_at"] for fact in facts], dtype=np.int64)
        score = self.score(
            self.vectors[products], self.popularity[products], channels, starts, ends, taste, self.weights["live"], now
        )
        items = []
        for place in np.lexsort((on_air, self.ids[products], channels, -score)).tolist():
            slot = self.slots[on_air[place]]
            product = self.products[slot["facts"]["product"]]
            broadcast = {**slot["item"], "on_air": True}
            items.append({**product["item"], "verdict": self.verdict(product, now), "on_air": True, "broadcast": broadcast})
        return items

    def new_page(self, taste, now, limit, user):
        frozen_at = now - now % 1000
        ranked_at = frozen_at - frozen_at % RANK_STEP_MS
        score = self.score(
            self.new_vectors, self.new_popularity, self.new_channels, self.new_starts, self.new_ends, taste,
            self.weights["new"], ranked_at,
        )  # fmt: skip
        chosen = np.flatnonzero(self.new_ends > frozen_at)
        order = chosen[np.lexsort((self.new_ids[chosen], self.new_starts[chosen], -score[chosen]))]
        items, place = [], 0
        for place, at in enumerate(order.tolist(), 1):
            if self.new_ends[at] > now:
                items.append(self.new_item(self.products[self.new[at]], now))
            if len(items) == limit:
                break
        cursor = f"{self.snapshot}.{frozen_at}.{place}.{user or ''}"
        more = base64.urlsafe_b64encode(cursor.encode()).decode() if place < len(order) else None
        return {"total": len(order), "items": items, "next_cursor": more}

    def new_item(self, product, now):
        coming = [self.slots[index] for index in product["facts"]["slots"]]
        coming = [slot for slot in coming if slot["facts"]["ends_at"] > now]
        broadcasts = [{**slot["item"], "on_air": slot["facts"]["starts_at"] <= now} for slot in coming]
        on_air = any(broadcast["on_air"] for broadcast in broadcasts)
        return {**product["item"], "verdict": self.verdict(product, now), "on_air": on_air, "broadcasts": broadcasts}

    def age_s(self, now):
        return max(0, (now - self.built_at_ms) // 1000)

    def stand(self, taste, now):
        snapshot = {"id": self.snapshot, "built_at": self.built_at, "age_s": self.age_s(now), "rung": "isolate"}
        return {"personalized": taste is not None, "snapshot": snapshot}

    def headers(self, path, now, user):
        boundary = bisect_right(self.boundaries, now)
        return {
            "Cache-Control": "public, max-age=60" if user is None else "private, no-cache",
            "ETag": f'W/"{self.snapshot}.{path}.{now - now % RANK_STEP_MS}.{boundary}.{user or ""}"',
            "Vary": "Authorization, Origin, Sinsang-Preview",
            "X-Content-Type-Options": "nosniff",
            "Server-Timing": 'kv;dur=0;desc="0 reads"',
            "Sinsang-Rung": "isolate",
            "Sinsang-Age": str(self.age_s(now)),
            "Sinsang-Snapshot": self.snapshot,
        }


board: Board
tokens: dict[str, tuple[str, int]] = {}


async def look():
    global board
    snapshot = (await store.get("snapshot")).decode()
    if "board" not in globals() or board.snapshot != snapshot:
        widths = orjson.loads(await store.get(f"widths:{snapshot}"))
        board = Board(orjson.loads(await store.get(f"board:{snapshot}")), widths)


@asynccontextmanager
async def lifespan(_app: FastAPI):
    await look()

    async def keep_looking():
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await look()

    task = asyncio.create_task(keep_looking())
    yield
    task.cancel()


app = FastAPI(lifespan=lifespan, openapi_url=None)


def user_of(authorization: str) -> str:
    known = tokens.get(authorization)
    if known is not None and known[1] > time.time():
        return known[0]
    try:
        token = authorization.removeprefix("Bearer ")
        claims = jwt.decode(token, KEY, algorithms=["HS256"], audience=AUDIENCE, options={"require": ["exp", "sub"]})
    except jwt.InvalidTokenError:
        raise HTTPException(401) from None
    if len(tokens) >= MAX_TOKENS:
        tokens.pop(next(iter(tokens)))
    tokens[authorization] = (claims["sub"], claims["exp"])
    return claims["sub"]


def answer(body: dict, headers: dict) -> Response:
    return Response(orjson.dumps(body), headers=headers, media_type="application/json; charset=utf-8")


@app.get("/v1/home")
async def home(
    limit: int = Query(20, ge=1, le=100),
    authorization: str | None = Header(None),
    if_none_match: str | None = Header(None),
):
    user = None if authorization is None else user_of(authorization)
    now = time.time_ns() // 1_000_000 + OFFSET_MS
    headers = board.headers("home", now, user)
    if if_none_match == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    record = None if user is None else await store.hget(f"tastes:{board.snapshot}", user)
    taste = None if record is None else Taste(record, board.widths)
    body = {
        **board.stand(taste, now),
        "tabs": {"items": board.tab_items(taste)},
        "live": {"items": board.live_items(taste, now)},
        "new": board.new_page(taste, now, limit, user),
    }
    return answer(body, headers)


@app.get("/v1/new")
async def new(limit: int = Query(20, ge=1, le=100), if_none_match: str | None = Header(None)):
    now = time.time_ns() // 1_000_000 + OFFSET_MS
    headers = board.headers("new", now, None)
    if if_none_match == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return answer({"surface": "new", **board.stand(None, now), **board.new_page(None, now, limit, None)}, headers)
