-- Every event with its fate: `usable`, or why it is set aside. Times are milliseconds UTC.
SELECT
    user_id,
    at,
    kind,
    shop,
    listing_id,
    product_id,
    tab_id,
    channel,
    region,
    device_class,
    CASE
        WHEN user_id IS NULL OR user_id = '' THEN 'without_user'
        WHEN at IS NULL THEN 'without_time'
        WHEN at > $now THEN 'in_future'
        WHEN at < $oldest THEN 'expired'
        WHEN kind IN ('impression', 'view', 'click', 'alarm', 'purchase', 'tab_open', 'live_enter') THEN 'usable'
        ELSE 'of_unknown_kind'
    END AS fate
FROM events
