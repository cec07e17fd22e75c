-- What users did with products after `$since`: at most `$most` rows, of users by the order of their keys, which are hashes, so that they are
-- drawn at random and are the same at every run. A device is `d` and 16 digits; the 16 of a user's key may begin with a `d` too.
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
