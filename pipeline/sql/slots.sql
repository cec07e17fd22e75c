-- One row for each slot: (channel, starts_at, shop, listing_id), from all that `broadcasts` says about it.
-- Every order below is total over what can differ, so the order of the input never shows.
-- $1 minutes a slot lasts if nothing follows it; $2 the most minutes that are filled in; both in milliseconds.
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
        ) AS place
    FROM broadcasts
),
latest AS (
    SELECT * FROM ranked WHERE place = 1
),
-- Several listings may start together, so what follows a slot is the next distinct start on its channel.
starts AS (
    SELECT
        channel,
        starts_at,
        lead(starts_at) OVER (PARTITION BY channel ORDER BY starts_at) AS next_start
    FROM (SELECT DISTINCT channel, starts_at FROM latest) AS distinct_starts
)
SELECT
    latest.shop,
    latest.listing_id,
    latest.channel,
    latest.title,
    latest.brand,
    latest.category,
    latest.price,
    latest.list_price,
    latest.image,
    latest.url,
    latest.starts_at,
    CASE
        WHEN latest.ends_at IS NOT NULL THEN latest.ends_at
        WHEN starts.next_start IS NULL THEN latest.starts_at + $1
        WHEN starts.next_start - latest.starts_at > $2 THEN latest.starts_at + $2
        ELSE starts.next_start
    END AS ends_at,
    latest.review_count,
    latest.collected_at,
    CASE
        WHEN latest.ends_at IS NOT NULL THEN 'given'
        WHEN starts.next_start IS NULL THEN 'default'
        WHEN starts.next_start - latest.starts_at > $2 THEN 'capped'
        ELSE 'next'
    END AS end_from
FROM latest
JOIN starts ON starts.channel = latest.channel AND starts.starts_at = latest.starts_at
ORDER BY latest.starts_at, latest.channel, latest.shop, latest.listing_id
