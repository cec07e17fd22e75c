-- shared_code
-- Codes that name nothing: several shops give them, each to ever other titles (1.0E+14, 99999). Shops number their items alike by chance, but
-- give a code to one thing at a time, under a few titles.
-- $1 the least shops; $2 the least titles for each of them.
SELECT listing_id
FROM broadcasts
GROUP BY listing_id
HAVING count(DISTINCT shop) >= $1 AND count(DISTINCT title) >= $2 * count(DISTINCT shop)
ORDER BY listing_id
