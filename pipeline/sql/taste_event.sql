-- What each usable event of a person says and weighs: the product behind its listing, the channel, the tab and the part
-- of the Korean day. `$last_ms` is the last millisecond of the Korean day of now, so that ages and hours count from
-- there without a negative number. Kinds and ages that weigh nothing have no row in `taste_weight` and drop out.
WITH
-- One row a listing, whatever the caller registered: a second one must not double the events.
listing AS (
    SELECT shop, listing_id, min(product) AS product, min(channel) AS channel
    FROM listing_products
    GROUP BY shop, listing_id
),
-- Listing ids that mean one product whatever the shop, for events that name no shop.
shopless AS (
    SELECT listing_id, min(product) AS product, min(channel) AS channel
    FROM listing_products
    GROUP BY listing_id
    HAVING min(product) = max(product)
),
usable AS (
    SELECT
        *,
        ($last_ms - at) / 86400000 AS age_days,
        7 - (($last_ms - at) % 86400000) / 10800000 AS hour_bucket
    FROM taste_fate
    WHERE fate = 'usable'
)
SELECT
    usable.user_id,
    -- The listing first: the id of a product may come from an older build.
    coalesce(listing.product, shopless.product, usable.product_id) AS product,
    usable.listing_id IS NOT NULL OR usable.product_id IS NOT NULL AS names_product,
    coalesce(usable.channel, listing.channel, shopless.channel) AS channel,
    usable.tab_id,
    usable.hour_bucket,
    taste_weight.weight
FROM usable
JOIN taste_weight ON taste_weight.kind = usable.kind AND taste_weight.age_days = usable.age_days
LEFT JOIN listing ON listing.shop = usable.shop AND listing.listing_id = usable.listing_id
LEFT JOIN shopless ON usable.shop IS NULL AND shopless.listing_id = usable.listing_id
WHERE NOT EXISTS (SELECT 1 FROM taste_bot WHERE taste_bot.user_id = usable.user_id)
