-- How many events there are, usable or not: what says how many buckets users are spread over.
SELECT count(*) AS events
FROM events
