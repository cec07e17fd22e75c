-- One row for each slot: (channel, starts_at, shop, listing_id), from all that `broadcasts` says about it.
-- Every order below is total over what can differ, so the order of the input never shows.
-- $1 how long a slot lasts if nothing follows it; $2 the longest that is filled in; both in milliseconds.
WITH ranked AS (
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
        ) AS place,
        -- Several listings may start together, so what follows a slot is the next later start on its channel.
        first_value(starts_at) OVER (
            PARTITION BY channel
            ORDER BY starts_at
            RANGE BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
        ) AS next_start
    FROM broadcasts
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
    END AS end_from
FROM ranked
WHERE place = 1
ORDER BY starts_at, channel, shop, listing_id
