-- One row a listing: the fields of its latest slot, each filled from the last slot that gives it,
-- and its airing times.
SELECT
    shop,
    listing_id,
    last_value(title ORDER BY starts_at, channel, title) AS title,
    last_value(channel ORDER BY starts_at, channel, title) AS channel,
    last_value(brand ORDER BY starts_at, channel, title, brand) FILTER (WHERE brand IS NOT NULL) AS brand,
    last_value(category ORDER BY starts_at, channel, title, category) FILTER (WHERE category IS NOT NULL) AS category,
    last_value(price ORDER BY starts_at, channel, title, price) FILTER (WHERE price IS NOT NULL) AS price,
    last_value(list_price ORDER BY starts_at, channel, title, list_price) FILTER (WHERE list_price IS NOT NULL) AS list_price,
    last_value(image ORDER BY starts_at, channel, title, image) FILTER (WHERE image IS NOT NULL) AS image,
    last_value(url ORDER BY starts_at, channel, title, url) FILTER (WHERE url IS NOT NULL) AS url,
    first_value(review_count ORDER BY starts_at, channel, title, review_count) FILTER (WHERE review_count IS NOT NULL) AS review_count,
    min(starts_at) AS first_at,
    max(starts_at) AS last_at,
    count(*) AS airings
FROM slots
GROUP BY shop, listing_id
ORDER BY shop, listing_id
