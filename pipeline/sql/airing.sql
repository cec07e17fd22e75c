-- Every slot, by listing: when and where it airs, and at what price.
SELECT shop, listing_id, channel, starts_at, ends_at, price
FROM slots
ORDER BY shop, listing_id, starts_at, channel, ends_at
