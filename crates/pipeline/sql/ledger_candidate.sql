-- The products to compare with each of a day's titles: those that share the most and rarest
-- blocking keys with it, at most 16. It answers like the ledger's own look-up, as one query:
-- `make bench-ledger` runs it on DataFusion and DuckDB over the same files.
-- `wanted` has the titles' keys, `block` the ledger's. A key of more than 400 products finds
-- nothing; each other key is worth 1,000 / (1 + bits of its number of products).
WITH found AS (
    SELECT block.key, block.mark
    FROM block
    JOIN (SELECT DISTINCT key FROM wanted) AS asked ON block.key = asked.key
),
counted AS (
    SELECT key, count(*) AS products
    FROM found
    GROUP BY key
    HAVING count(*) <= 400
),
worths AS (
    SELECT
        key,
        CASE
            WHEN products < 2 THEN 500
            WHEN products < 4 THEN 333
            WHEN products < 8 THEN 250
            WHEN products < 16 THEN 200
            WHEN products < 32 THEN 166
            WHEN products < 64 THEN 142
            WHEN products < 128 THEN 125
            WHEN products < 256 THEN 111
            ELSE 100
        END AS worth
    FROM counted
),
sums AS (
    SELECT wanted.title, found.mark, sum(worths.worth) AS worth
    FROM wanted
    JOIN worths ON worths.key = wanted.key
    JOIN found ON found.key = wanted.key
    GROUP BY wanted.title, found.mark
),
ranked AS (
    SELECT title, mark, worth, row_number() OVER (PARTITION BY title ORDER BY worth DESC, mark) AS place
    FROM sums
)
SELECT title, mark, worth
FROM ranked
WHERE place <= 16
