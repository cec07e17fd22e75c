-- Listings and products named by events: each shop, code and product id once.
SELECT DISTINCT shop, listing_id, product_id
FROM events
WHERE listing_id IS NOT NULL OR product_id IS NOT NULL
