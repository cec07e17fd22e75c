-- The slots as operators' overlay leaves them, from `slots` and `said`: what was said of
-- broadcasts, each with the row's channel, start and listing (no listing: all that start then), and
-- the channel, times and listing in its place, unless it was cancelled. A broadcast that the
-- schedule has in both places is there once.
WITH donors AS (
    SELECT *, row_number() OVER (PARTITION BY shop, listing_id ORDER BY starts_at DESC, channel) AS place
    FROM slots
),
meant AS (
    SELECT DISTINCT o.to_channel, o.to_starts_at, o.to_ends_at, o.to_shop, o.to_listing_id
    FROM said o
    JOIN slots s
        ON s.channel = o.channel
        AND s.starts_at = o.starts_at
        AND (o.listing_id IS NULL OR (s.shop = o.shop AND s.listing_id = o.listing_id))
    WHERE o.to_channel IS NOT NULL
),
put AS (
    SELECT
        d.listing_id,
        d.shop,
        m.to_channel AS channel,
        d.title,
        d.brand,
        d.category,
        d.price,
        d.list_price,
        d.image,
        d.url,
        m.to_starts_at AS starts_at,
        m.to_ends_at AS ends_at,
        d.review_count,
        d.collected_at
    FROM meant m
    JOIN donors d ON d.shop = m.to_shop AND d.listing_id = m.to_listing_id AND d.place = 1
),
kept AS (
    SELECT s.*
    FROM slots s
    WHERE NOT EXISTS (
        SELECT 1
        FROM said o
        WHERE s.channel = o.channel
            AND s.starts_at = o.starts_at
            AND (o.listing_id IS NULL OR (s.shop = o.shop AND s.listing_id = o.listing_id))
    )
    AND NOT EXISTS (
        SELECT 1
        FROM put p
        WHERE s.channel = p.channel AND s.starts_at = p.starts_at AND s.shop = p.shop AND s.listing_id = p.listing_id
    )
)
SELECT
    listing_id, shop, channel, title, brand, category, price, list_price, image, url, starts_at, ends_at,
    review_count, collected_at
FROM kept
UNION ALL
SELECT
    listing_id, shop, channel, title, brand, category, price, list_price, image, url, starts_at, ends_at,
    review_count, collected_at
FROM put
ORDER BY starts_at, channel, shop, listing_id
