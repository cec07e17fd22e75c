-- What the users of one bucket were shown in the last seven days, twice or more, and did nothing with in thirty.
WITH lately AS (
    SELECT *
    FROM taste_fate
    WHERE fate = 'usable' AND at > $last_ms - 2592000000 AND taste_hash(user_id) % $buckets = $bucket
),
named AS (
    SELECT
        lately.user_id,
        coalesce(taste_listing.product, lately.product_id) AS product,
        CAST(lately.kind = 'impression' AND lately.at > $last_ms - 604800000 AS BIGINT) AS is_shown,
        CAST(lately.kind <> 'impression' AS BIGINT) AS is_done
    FROM taste_listing
    RIGHT JOIN lately
        ON taste_listing.shop = coalesce(lately.shop, '') AND taste_listing.listing_id = lately.listing_id
)
SELECT
    user_id,
    product,
    CAST(sum(is_shown) AS BIGINT) AS shown
FROM named
WHERE product IS NOT NULL
GROUP BY user_id, product
HAVING sum(is_done) = 0 AND sum(is_shown) > 1
