-- Counts of the whole schedule, in one row. $1 is Korea's offset and $2 a day, in milliseconds.
WITH times AS (
    SELECT channel, starts_at, max(ends_at) AS ends_at
    FROM slots
    GROUP BY channel, starts_at
),
before AS (
    SELECT
        starts_at,
        ends_at,
        max(ends_at) OVER (
            PARTITION BY channel
            ORDER BY starts_at
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS busy_until
    FROM times
),
midnights AS (
    SELECT
        count(*) FILTER (WHERE busy_until > starts_at) AS overlaps,
        count(*) FILTER (WHERE (starts_at + $1) / $2 < (ends_at - 1 + $1) / $2) AS over_midnight
    FROM before
),
slots_counted AS (
    SELECT
        count(*) AS slots,
        count(DISTINCT channel) AS channels,
        min(starts_at) AS first_start,
        max(ends_at) AS last_end
    FROM slots
)
SELECT slots, channels, overlaps, over_midnight, first_start, last_end
FROM slots_counted CROSS JOIN midnights
