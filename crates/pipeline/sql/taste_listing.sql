-- What a listing means: its product and channel. One row a listing, whatever the caller registered: a second one must not
-- double the events. Events that name no shop find, under the shop '', the listing ids that mean one product everywhere.
SELECT shop, listing_id, min(product) AS product, min(channel) AS channel
FROM listing_products
WHERE shop <> ''
GROUP BY shop, listing_id
UNION ALL
SELECT '' AS shop, listing_id, min(product) AS product, min(channel) AS channel
FROM listing_products
GROUP BY listing_id
HAVING min(product) = max(product)
