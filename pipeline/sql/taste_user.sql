-- What the users of one bucket engaged with, each user's rows together and users in ascending order of their ids.
SELECT
    user_id,
    product,
    names_product,
    channel,
    tab_id,
    hour_bucket,
    weight,
    CAST(1 AS BIGINT) AS events
FROM taste_event
WHERE taste_hash(user_id) % $buckets = $bucket
ORDER BY user_id
