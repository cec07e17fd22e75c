-- The fate of each slot in `broadcasts`: (channel, starts_at, shop, listing_id). If several rows
-- describe a slot, the one collected last counts. A slot that a later schedule of its channel
-- covers but lacks is `moved` if the listing is elsewhere on the channel in that schedule or a
-- later one, or else `cancelled`; all others are `kept`. Each order below is total over the
-- differing columns, so the order of the input never shows. $1 is the length of a slot if nothing
-- follows it; $2 the longest length that is filled in, in milliseconds.
WITH placed AS (
    SELECT b.*, c.collection
    FROM broadcasts b
    LEFT JOIN slot_collection c ON b.channel = c.channel AND b.collected_at = c.collected_at
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
decided AS (
    SELECT
        r.*,
        CASE
            WHEN r.collection IS NULL OR l.collection IS NULL OR l.collection <= r.collection THEN 'kept'
            WHEN max(r.collection) OVER (PARTITION BY r.channel, r.shop, r.listing_id) >= l.collection THEN 'moved'
            ELSE 'cancelled'
        END AS fate
    FROM ranked r
    LEFT JOIN slot_latest l ON r.channel = l.channel AND r.starts_at = l.starts_at
    WHERE r.place = 1
),
followed AS (
    SELECT
        *,
        -- Several listings may start together, so a slot is followed by the next later start on its
        -- channel.
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
