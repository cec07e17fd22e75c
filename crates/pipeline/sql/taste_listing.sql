-- The product and channel of each listing. One row a listing, even if the caller registered it
-- twice: a second row would double its events. Events without a shop match, under the shop '',
-- listing ids that belong to one product in all shops.
SELECT shop, listing_id, min(product) AS product, min(channel) AS channel
FROM listing_products
WHERE shop <> ''
GROUP BY shop, listing_id
UNION ALL
SELECT '' AS shop, listing_id, min(product) AS product, min(channel) AS channel
FROM listing_products
GROUP BY listing_id
HAVING min(product) = max(product)
