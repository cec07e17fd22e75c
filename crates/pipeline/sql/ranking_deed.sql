-- What users did with products, by time: the product of the event's listing, or else the one that
-- the event names.
SELECT
    events.user_id,
    events.at,
    events.kind,
    coalesce(event_listing.product, events.product_id) AS product
FROM event_listing
RIGHT JOIN events
    ON event_listing.shop = coalesce(events.shop, '') AND event_listing.listing_id = events.listing_id
WHERE events.kind IS DISTINCT FROM 'impression'
ORDER BY events.at, events.user_id, product
