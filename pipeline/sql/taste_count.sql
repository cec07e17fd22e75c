-- How many events share each fate.
SELECT fate, count(*) AS events
FROM taste_fate
GROUP BY fate
