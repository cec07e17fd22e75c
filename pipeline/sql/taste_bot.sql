-- Users of one bucket with more usable events than a person makes.
SELECT user_id, count(*) AS events
FROM taste_fate
WHERE fate = 'usable' AND taste_hash(user_id) % $buckets = $bucket
GROUP BY user_id
HAVING count(*) > $max_events
ORDER BY user_id
