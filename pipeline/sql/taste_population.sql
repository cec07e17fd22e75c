-- What all people together engaged with. Weights are whole numbers, so the sums do not depend on the order of rows.
SELECT
    '' AS user_id,
    product,
    names_product,
    channel,
    tab_id,
    hour_bucket,
    sum(weight) AS weight,
    count(*) AS events
FROM taste_event
GROUP BY product, names_product, channel, tab_id, hour_bucket
