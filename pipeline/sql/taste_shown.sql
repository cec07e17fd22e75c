-- How often each product was shown to people.
WITH shown AS (
    SELECT usable.*
    FROM taste_bot
    RIGHT ANTI JOIN (SELECT * FROM taste_fate WHERE fate = 'usable' AND kind = 'impression') AS usable
        ON taste_bot.user_id = usable.user_id
)
SELECT
    coalesce(taste_listing.product, shown.product_id) AS product,
    CAST(count(*) AS BIGINT) AS times
FROM taste_listing
RIGHT JOIN shown
    ON taste_listing.shop = coalesce(shown.shop, '') AND taste_listing.listing_id = shown.listing_id
GROUP BY coalesce(taste_listing.product, shown.product_id)
HAVING coalesce(taste_listing.product, shown.product_id) IS NOT NULL
