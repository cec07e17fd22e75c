-- The collections of each channel, numbered from the earliest: (channel, collected_at, collection).
-- Rows of one channel belong to one collection if the pauses between their collection times are
-- short; rows without a collection time belong to none. $1 is the longest pause within a
-- collection, in milliseconds.
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
