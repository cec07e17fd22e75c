-- Users' actions on products after `$since`: at most `$most` rows, in the order of user keys. Keys
-- are hashes, so this is a random sample that is the same in every run. Devices, `d` and 16 digits,
-- are excluded; a user's key of 16 digits may begin with `d` too.
SELECT
    deeds.user_id,
    deeds.at,
    coalesce(event_listing.product, deeds.product_id) AS product
FROM event_listing
RIGHT JOIN (
    SELECT *
    FROM events
    WHERE at > $since AND at <= $now AND kind IN ('click', 'alarm', 'purchase', 'live_enter') AND user_id NOT LIKE 'd________________'
) AS deeds
    ON event_listing.shop = coalesce(deeds.shop, '') AND event_listing.listing_id = deeds.listing_id
WHERE coalesce(event_listing.product, deeds.product_id) IS NOT NULL
ORDER BY deeds.user_id, deeds.at, product
LIMIT $most
