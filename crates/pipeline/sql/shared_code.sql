-- Shared codes, which identify nothing: several shops give them, each to many titles (1.0E+14,
-- 99999). Shops' item numbers collide by chance too, but then each shop gives the code to one thing
-- at a time, under a few titles. Codes of several shops are selected first: there are few, and
-- titles are long. Groups hold rows rather than sets, so they can spill. $1 is the fewest shops; $2
-- the fewest titles for each of them.
WITH shops AS (
    SELECT listing_id, shop
    FROM broadcasts
    GROUP BY listing_id, shop
),
codes AS (
    SELECT listing_id
    FROM shops
    GROUP BY listing_id
    HAVING count(*) >= $1
),
titles AS (
    SELECT b.listing_id, b.shop, b.title
    FROM broadcasts b
    JOIN codes c ON b.listing_id = c.listing_id
    GROUP BY b.listing_id, b.shop, b.title
),
counts AS (
    SELECT listing_id, shop, count(*) AS titles
    FROM titles
    GROUP BY listing_id, shop
)
SELECT listing_id
FROM counts
GROUP BY listing_id
HAVING sum(titles) >= $2 * count(*)
ORDER BY listing_id
