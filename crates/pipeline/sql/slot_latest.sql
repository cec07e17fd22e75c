-- The last schedule that covers each start: (channel, starts_at, collection). Starts that no
-- schedule covers are omitted.
WITH parts AS (
    SELECT
        *,
        sum(begins) OVER (
            PARTITION BY channel, collection
            ORDER BY starts_at, begins DESC, shop, listing_id
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS part
    FROM slot_mention
),
ranges AS (
    SELECT
        channel,
        collection,
        min(starts_at) AS from_at,
        max(starts_at) AS to_at,
        sum(CASE WHEN repeats THEN 1 ELSE 0 END) AS repeated
    FROM parts
    GROUP BY channel, collection, part
    HAVING min(starts_at) < max(starts_at) AND sum(CASE WHEN repeats THEN 1 ELSE 0 END) > 0
),
known AS (
    SELECT channel, starts_at, shop, listing_id, min(collection) AS first_in
    FROM slot_mention
    GROUP BY channel, starts_at, shop, listing_id
),
-- A collection that repeats at least half of the slots known in its time range is a schedule, and
-- replaces the others there. One that repeats fewer only updates single slots.
schedules AS (
    SELECT r.channel, r.collection, r.from_at, r.to_at
    FROM ranges r
    JOIN known k ON k.channel = r.channel AND k.starts_at >= r.from_at AND k.starts_at <= r.to_at AND k.first_in < r.collection
    GROUP BY r.channel, r.collection, r.from_at, r.to_at, r.repeated
    HAVING 2 * r.repeated >= count(*)
)
SELECT t.channel, t.starts_at, max(s.collection) AS collection
FROM (SELECT DISTINCT channel, starts_at FROM known) t
JOIN schedules s ON t.channel = s.channel AND t.starts_at >= s.from_at AND t.starts_at <= s.to_at
GROUP BY t.channel, t.starts_at
