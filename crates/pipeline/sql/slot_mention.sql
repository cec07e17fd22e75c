-- slot_mention
-- What each collection names, and which of it an earlier one had named: (channel, collection, starts_at, shop, listing_id), `repeats`, and
-- `begins`, 1 where no start stands within the longest time before it in its collection.
-- $1 the longest time without a start within a schedule, in milliseconds.
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
