-- Purchases in UCI Online Retail II by known customers: without cancellations, free items, and
-- anything but products (whose item id begins with five digits). Times are milliseconds; the file's
-- clock is taken as UTC.
SELECT
    invoice,
    item_id AS item,
    trim(title) AS title,
    CAST(arrow_cast(ts, 'Timestamp(Millisecond, None)') AS BIGINT) AS at,
    price,
    CAST(CAST(user_id AS BIGINT) AS VARCHAR) AS user_id
FROM retail
WHERE user_id IS NOT NULL AND qty > 0 AND price > 0 AND ts IS NOT NULL
    AND invoice NOT LIKE 'C%' AND item_id ~ '^[0-9]{5}'
ORDER BY at, invoice, item, title, price
