-- The slots in each collection: (channel, collection, starts_at, shop, listing_id); `repeats`,
-- whether an earlier collection has the slot; and `begins`, 1 if its collection has no start within
-- the longest time before it. $1 is the longest time without a start within a schedule, in
-- milliseconds.
WITH named AS (
    SELECT DISTINCT b.channel, c.collection, b.starts_at, b.shop, b.listing_id
    FROM broadcasts b
    JOIN slot_collection c ON b.channel = c.channel AND b.collected_at = c.collected_at
)
SELECT
    *,
    min(collection) OVER (PARTITION BY channel, starts_at, shop, listing_id) < collection AS repeats,
    CASE
        WHEN starts_at - lag(starts_at) OVER (PARTITION BY channel, collection ORDER BY starts_at) <= $1 THEN 0
        ELSE 1
    END AS begins
FROM named
