-- What each usable event of a person says and weighs: the product behind its listing, the channel, the tab and the part
-- of the Korean day. `$last_ms` is the last millisecond of the Korean day of now, so that ages and hours count from
-- there without a negative number. Kinds and ages that weigh nothing have no row in `taste_weight` and drop out.
--
-- The events stand on the right of every join: the left side is the one that is held in memory.
WITH usable AS (
    SELECT
        *,
        ($last_ms - at) / 86400000 AS age_days,
        7 - (($last_ms - at) % 86400000) / 10800000 AS hour_bucket
    FROM taste_fate
    WHERE fate = 'usable'
),
of_people AS (
    SELECT usable.*
    FROM taste_bot
    RIGHT ANTI JOIN usable ON taste_bot.user_id = usable.user_id
),
weighed AS (
    SELECT of_people.*, taste_weight.weight
    FROM taste_weight
    JOIN of_people ON taste_weight.kind = of_people.kind AND taste_weight.age_days = of_people.age_days
)
SELECT
    weighed.user_id,
    -- The listing first: the id of a product may come from an older build.
    coalesce(taste_listing.product, weighed.product_id) AS product,
    weighed.listing_id IS NOT NULL OR weighed.product_id IS NOT NULL AS names_product,
    coalesce(weighed.channel, taste_listing.channel) AS channel,
    -- Tabs of today count from tomorrow on, so that a bar moves once a day at most.
    CASE WHEN weighed.age_days > 0 THEN weighed.tab_id END AS tab_id,
    weighed.hour_bucket,
    weighed.weight
FROM taste_listing
RIGHT JOIN weighed
    ON taste_listing.shop = coalesce(weighed.shop, '') AND taste_listing.listing_id = weighed.listing_id
