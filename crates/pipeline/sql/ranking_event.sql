-- One purchase event for each product of an invoice, in the columns of `docs/taste.md`.
SELECT
    user_id,
    min(at) AS at,
    'purchase' AS kind,
    'Online Retail' AS shop,
    item AS listing_id,
    CAST(NULL AS VARCHAR) AS product_id,
    CAST(NULL AS VARCHAR) AS tab_id,
    CAST(NULL AS VARCHAR) AS channel,
    CAST(NULL AS VARCHAR) AS region,
    CAST(NULL AS VARCHAR) AS device_class
FROM ranking_purchase
GROUP BY user_id, invoice, item
