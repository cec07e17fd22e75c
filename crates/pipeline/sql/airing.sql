-- Every slot, by listing: when, where and under which title it airs, and at what price.
SELECT shop, listing_id, title, channel, starts_at, ends_at, price
FROM slots
ORDER BY shop, listing_id, starts_at, channel, ends_at, title
