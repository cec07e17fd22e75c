-- The latest `$most` events of each user of `wanted_viewer`, latest first.
WITH own AS (
    SELECT
        events.*,
        row_number() OVER (
            PARTITION BY events.user_id
            ORDER BY
                at DESC,
                kind,
                shop NULLS LAST,
                listing_id NULLS LAST,
                product_id NULLS LAST,
                tab_id NULLS LAST,
                channel NULLS LAST
        ) AS place
    FROM wanted_viewer
    JOIN events ON wanted_viewer.user_id = events.user_id
    WHERE kind <> 'impression' AND at <= $now
)
SELECT
    own.user_id,
    own.at,
    own.kind,
    coalesce(event_listing.product, own.product_id) AS product,
    own.listing_id,
    own.tab_id,
    coalesce(own.channel, event_listing.channel) AS channel
FROM event_listing
RIGHT JOIN own
    ON event_listing.shop = coalesce(own.shop, '') AND event_listing.listing_id = own.listing_id
WHERE own.place <= $most
ORDER BY own.user_id, own.place
