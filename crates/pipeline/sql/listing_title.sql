-- The distinct titles of each listing, latest first.
SELECT shop, listing_id, title, max(starts_at) AS last_at
FROM slots
GROUP BY shop, listing_id, title
ORDER BY shop, listing_id, last_at DESC, title
