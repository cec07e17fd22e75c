-- slot_collection
-- The collections of each channel, numbered from the earliest: (channel, collected_at, collection). Rows of one channel that were collected
-- within a short pause of one another are one collection; those of no known time belong to none.
-- $1 the longest pause within a collection, in milliseconds.
WITH collected AS (
    SELECT DISTINCT channel, collected_at
    FROM broadcasts
    WHERE collected_at IS NOT NULL
),
paused AS (
    SELECT
        channel,
        collected_at,
        CASE
            WHEN collected_at - lag(collected_at) OVER (PARTITION BY channel ORDER BY collected_at) <= $1 THEN 0
            ELSE 1
        END AS begins
    FROM collected
)
SELECT
    channel,
    collected_at,
    sum(begins) OVER (PARTITION BY channel ORDER BY collected_at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS collection
FROM paused
