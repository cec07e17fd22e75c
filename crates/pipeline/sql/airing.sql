-- Every slot, by listing: its time, channel, title and price.
SELECT shop, listing_id, title, channel, starts_at, ends_at, price
FROM slots
ORDER BY shop, listing_id, starts_at, channel, ends_at, title
