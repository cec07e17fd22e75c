-- Every event with its fate and, if usable, its content and weight: the product of its listing, the
-- channel, the tab and the part of the Korean day. `$last_ms` is the last millisecond of the
-- build's Korean day, so that ages and hours are never negative. `taste_weight` has a row for every
-- kind and age.
--
-- The events are on the right of every join, because the engine holds the left side in memory.
WITH dated AS (
    SELECT
        *,
        CASE WHEN fate = 'usable' THEN ($last_ms - at) / 86400000 END AS age_days,
        CASE WHEN fate = 'usable' THEN 7 - (($last_ms - at) % 86400000) / 10800000 END AS hour_bucket,
        -- Days of the week from Sunday, by the Korean day; 1970-01-01 was a Thursday.
        fate = 'usable' AND ((at + 32400000) / 86400000 + 4) % 7 IN (0, 6) AS is_weekend
    FROM taste_fate
),
weighed AS (
    SELECT dated.*, coalesce(taste_weight.weight, 0) AS weight
    FROM taste_weight
    RIGHT JOIN dated ON taste_weight.kind = dated.kind AND taste_weight.age_days = dated.age_days
)
SELECT
    weighed.user_id,
    weighed.fate,
    -- The listing comes first: a product id may come from an older build.
    coalesce(taste_listing.product, weighed.product_id) AS product,
    weighed.listing_id IS NOT NULL OR weighed.product_id IS NOT NULL AS names_product,
    coalesce(weighed.channel, taste_listing.channel) AS channel,
    -- Today's tabs count from tomorrow, so that the tab bar changes at most once a day.
    CASE WHEN weighed.age_days > 0 THEN weighed.tab_id END AS tab_id,
    coalesce(weighed.hour_bucket, 0) AS hour_bucket,
    weighed.weight,
    coalesce(weighed.age_days, 0) AS age_days,
    weighed.kind = 'impression' AS is_impression,
    weighed.is_weekend,
    weighed.region,
    weighed.device_class
FROM taste_listing
RIGHT JOIN weighed
    ON taste_listing.shop = coalesce(weighed.shop, '') AND taste_listing.listing_id = weighed.listing_id
