-- slots
-- What became of each slot that `broadcasts` names: (channel, starts_at, shop, listing_id). Of several rows for one the one collected last
-- counts. A slot that a later schedule of its channel covers and does not have is `moved`, where the listing stands elsewhere on the channel
-- in that schedule or a later one, or else `cancelled`; all others are `kept`.
-- Every order below is total over what can differ, so the order of the input never shows.
-- $1 how long a slot lasts if nothing follows it; $2 the longest that is filled in; $3 the longest pause within a collection; $4 the longest
-- time without a start within a schedule; all in milliseconds.
WITH collected AS (
    SELECT DISTINCT channel, collected_at
    FROM broadcasts
    WHERE collected_at IS NOT NULL
),
-- Rows of one channel that were collected within a short pause of one another are one collection, numbered from the earliest.
paused AS (
    SELECT
        channel,
        collected_at,
        CASE
            WHEN collected_at - lag(collected_at) OVER (PARTITION BY channel ORDER BY collected_at) <= $3 THEN 0
            ELSE 1
        END AS begins
    FROM collected
),
collections AS (
    SELECT
        channel,
        collected_at,
        sum(begins) OVER (PARTITION BY channel ORDER BY collected_at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS collection
    FROM paused
),
placed AS (
    SELECT b.*, c.collection
    FROM broadcasts b
    LEFT JOIN collections c ON b.channel = c.channel AND b.collected_at = c.collected_at
),
ranked AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY channel, starts_at, shop, listing_id
            ORDER BY
                collected_at DESC NULLS LAST,
                title,
                ends_at NULLS LAST,
                price NULLS LAST,
                list_price NULLS LAST,
                brand NULLS LAST,
                category NULLS LAST,
                review_count NULLS LAST,
                image NULLS LAST,
                url NULLS LAST
        ) AS place
    FROM placed
),
-- What each collection names, and which of it an earlier one had named.
mentions AS (
    SELECT
        *,
        min(collection) OVER (PARTITION BY channel, starts_at, shop, listing_id) < collection AS repeats,
        CASE
            WHEN starts_at - lag(starts_at) OVER (PARTITION BY channel, collection ORDER BY starts_at) <= $4 THEN 0
            ELSE 1
        END AS begins
    FROM (SELECT DISTINCT channel, collection, starts_at, shop, listing_id FROM placed WHERE collection IS NOT NULL)
),
parts AS (
    SELECT
        *,
        sum(begins) OVER (
            PARTITION BY channel, collection
            ORDER BY starts_at, begins DESC, shop, listing_id
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS part
    FROM mentions
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
    SELECT channel, starts_at, shop, listing_id, min(collection) AS first_in, max(collection) AS last_in
    FROM mentions
    GROUP BY channel, starts_at, shop, listing_id
),
-- A collection that repeats at least half of what was known of its time is a schedule, and replaces the rest of it. One that repeats less
-- tells of single slots.
schedules AS (
    SELECT r.channel, r.collection, r.from_at, r.to_at
    FROM ranges r
    JOIN known k ON k.channel = r.channel AND k.starts_at >= r.from_at AND k.starts_at <= r.to_at AND k.first_in < r.collection
    GROUP BY r.channel, r.collection, r.from_at, r.to_at, r.repeated
    HAVING 2 * r.repeated >= count(*)
),
-- The last schedule that covers each start.
latest AS (
    SELECT t.channel, t.starts_at, max(s.collection) AS collection
    FROM (SELECT DISTINCT channel, starts_at FROM known) t
    JOIN schedules s ON t.channel = s.channel AND t.starts_at >= s.from_at AND t.starts_at <= s.to_at
    GROUP BY t.channel, t.starts_at
),
decided AS (
    SELECT
        r.*,
        CASE
            WHEN r.collection IS NULL OR l.collection IS NULL OR l.collection <= r.collection THEN 'kept'
            WHEN max(r.collection) OVER (PARTITION BY r.channel, r.shop, r.listing_id) >= l.collection THEN 'moved'
            ELSE 'cancelled'
        END AS fate
    FROM ranked r
    LEFT JOIN latest l ON r.channel = l.channel AND r.starts_at = l.starts_at
    WHERE r.place = 1
),
followed AS (
    SELECT
        *,
        -- Several listings may start together, so what follows a slot is the next later start on its channel.
        first_value(starts_at) OVER (
            PARTITION BY channel, fate = 'kept'
            ORDER BY starts_at
            RANGE BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
        ) AS next_start
    FROM decided
)
SELECT
    shop,
    listing_id,
    channel,
    title,
    brand,
    category,
    price,
    list_price,
    image,
    url,
    starts_at,
    CASE
        WHEN ends_at IS NOT NULL THEN ends_at
        WHEN next_start IS NULL THEN starts_at + $1
        WHEN next_start - starts_at > $2 THEN starts_at + $2
        ELSE next_start
    END AS ends_at,
    review_count,
    collected_at,
    CASE
        WHEN ends_at IS NOT NULL THEN 'given'
        WHEN next_start IS NULL THEN 'default'
        WHEN next_start - starts_at > $2 THEN 'capped'
        ELSE 'next'
    END AS end_from,
    fate
FROM followed
ORDER BY starts_at, channel, shop, listing_id
