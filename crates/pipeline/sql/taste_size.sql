-- Number of events, usable or not: it determines the number of buckets of users.
SELECT count(*) AS events
FROM events
