-- The contexts of each viewer of the `$days` days before the last event, in the order of names.
SELECT
    user_id,
    coalesce(region, '') AS region,
    coalesce(device_class, '') AS device_class
FROM events
WHERE at > (SELECT max(at) FROM events) - $days * 86400000
GROUP BY user_id, region, device_class
ORDER BY user_id, region, device_class
