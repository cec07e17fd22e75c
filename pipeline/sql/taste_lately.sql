-- How much people did with each product in the last thirty days.
WITH done AS (
    SELECT usable.*
    FROM taste_bot
    RIGHT ANTI JOIN (
        SELECT * FROM taste_fate WHERE fate = 'usable' AND kind <> 'impression' AND at > $last_ms - 2592000000
    ) AS usable
        ON taste_bot.user_id = usable.user_id
)
SELECT
    coalesce(taste_listing.product, done.product_id) AS product,
    CAST(count(*) AS BIGINT) AS times
FROM taste_listing
RIGHT JOIN done
    ON taste_listing.shop = coalesce(done.shop, '') AND taste_listing.listing_id = done.listing_id
GROUP BY coalesce(taste_listing.product, done.product_id)
HAVING coalesce(taste_listing.product, done.product_id) IS NOT NULL
