-- The second opinion: the detection rules of the product as SQL over the orders read model, for one organization and one day.
-- It shares no rule with the detector. Everything is exact: sums of bigint are numeric, shares are held as two numbers.
-- Sums are saturated once they are whole, as money.py says.
--
-- Parameters: organization, as_of; raw texts and what they are read as (od_texts, ods; grade_texts, grades); the thresholds;
-- median_numerator and median_denominator: the share to estimate with, null to take the median of these orders.
-- A window of n days ending on a day is (day - n, day].

WITH
od_readings AS (
    SELECT
        raw,
        od,
        od::numeric >= %(minimum_od)s::numeric AS is_specialty
    FROM unnest(%(od_texts)s::text[], %(ods)s::text[]) AS reading (raw, od)
),
grade_readings AS (
    SELECT raw, grade
    FROM unnest(%(grade_texts)s::text[], %(grades)s::text[]) AS reading (raw, grade)
),

-- What was bought: account, day and texts as sent, so that what is to be read is little.
bought AS (
    SELECT
        orders.account,
        orders.counts_on AS day,
        line.od,
        line.grade,
        sum(line.cents) AS net,
        bool_or(line.cents > 0) AS is_activity
    FROM orders
    CROSS JOIN LATERAL unnest(orders.ods, orders.grades, orders.revenues_cents) AS line (od, grade, cents)
    WHERE orders.organization = %(organization)s
      AND orders.counts_on <= %(as_of)s
      AND NOT orders.cancelled
    GROUP BY orders.account, orders.counts_on, line.od, line.grade
),
history AS MATERIALIZED (
    SELECT
        bought.account,
        bought.day,
        od_readings.od,
        grade_readings.grade,
        coalesce(od_readings.is_specialty, false) AS is_specialty,
        bought.net,
        bought.is_activity
    FROM bought
    LEFT JOIN od_readings ON od_readings.raw = bought.od
    LEFT JOIN grade_readings ON grade_readings.raw = bought.grade
),
account AS MATERIALIZED (
    SELECT
        account,
        saturated(sum(net)) AS lifetime,
        max(day) FILTER (WHERE is_activity) AS last_on
    FROM history
    GROUP BY account
),

-- A: the last activity day is at least the gap ago, lifetime revenue at least the floor.
dormant AS (
    SELECT
        account,
        account.lifetime,
        account.last_on,
        saturated(sum(history.net)) AS last_year
    FROM account
    JOIN history USING (account)
    WHERE %(dormant_enabled)s
      AND %(as_of)s - account.last_on >= %(gap_days)s
      AND account.lifetime >= %(minimum_lifetime)s
      AND history.day > account.last_on - 365
      AND history.day <= account.last_on
    GROUP BY account, account.lifetime, account.last_on
),

-- B: the account is inside A's gap, the combo silent for the lapse window, and worth it inside the history window.
combo AS (
    SELECT
        account,
        od,
        grade,
        max(day) FILTER (WHERE is_activity) AS last_on,
        saturated(sum(net) FILTER (WHERE day > %(as_of)s - %(history_days)s)) AS earned,
        count(DISTINCT date_trunc('month', day)) FILTER (WHERE is_activity AND day > %(as_of)s - %(history_days)s) AS months
    FROM history
    WHERE %(lapse_enabled)s
      AND (od IS NOT NULL OR grade IS NOT NULL)
    GROUP BY account, od, grade
),
lapse AS (
    SELECT
        account,
        account.lifetime,
        combo.od,
        combo.grade,
        combo.last_on,
        combo.earned,
        combo.months
    FROM combo
    JOIN account USING (account)
    WHERE %(as_of)s - account.last_on < %(gap_days)s
      AND %(as_of)s - combo.last_on >= %(lapse_days)s
      AND combo.earned >= %(minimum_lapsed)s
      AND combo.months >= %(minimum_months)s
),

-- C: spend at least the floor, the specialty share strictly above the threshold.
spend AS MATERIALIZED (
    SELECT
        account,
        saturated(sum(net)) AS total,
        saturated(coalesce(sum(net) FILTER (WHERE is_specialty), 0)) AS specialty
    FROM history
    WHERE %(cherry_picking_enabled)s
      AND day > %(as_of)s - %(window_days)s
    GROUP BY account
    HAVING sum(net) > 0
       AND sum(net) >= %(minimum_spend)s
),
carrier AS (
    SELECT account, total, specialty
    FROM spend
    WHERE specialty * 100 > total * %(share_percent)s::numeric
),

-- The median share of the others as an exact fraction: the two middle ones (the same one twice where their number is odd).
-- Two shares of amounts below 10^20 that differ at all differ within 80 places, so ordering by the quotient is exact.
ranked AS (
    SELECT
        specialty,
        total,
        row_number() OVER (ORDER BY round(specialty, 80) / total) AS place,
        count(*) OVER () AS others
    FROM spend
    WHERE specialty * 100 <= total * %(share_percent)s::numeric
),
middle AS (
    SELECT
        lower.specialty * upper.total + upper.specialty * lower.total AS numerator,
        2 * lower.total * upper.total AS denominator
    FROM ranked AS lower
    JOIN ranked AS upper ON lower.place = (lower.others + 1) / 2 AND upper.place = upper.others / 2 + 1
    WHERE lower.others >= 10
),
median AS (
    SELECT
        CASE
            WHEN share.numerator * 100 < share.denominator * 20 THEN 20
            WHEN share.numerator * 100 > share.denominator * 80 THEN 80
            ELSE share.numerator
        END AS numerator,
        CASE
            WHEN share.numerator * 100 < share.denominator * 20 THEN 100
            WHEN share.numerator * 100 > share.denominator * 80 THEN 100
            ELSE share.denominator
        END AS denominator
    FROM (
        SELECT
            coalesce(%(median_numerator)s::numeric, (SELECT numerator FROM middle), 80) AS numerator,
            coalesce(%(median_denominator)s::numeric, (SELECT denominator FROM middle), 100) AS denominator
    ) AS share
)

SELECT
    'dormant' AS type,
    account,
    NULL AS od,
    NULL AS grade,
    lifetime,
    jsonb_build_object(
        'days_inactive', %(as_of)s - last_on,
        'last_ordered_on', last_on,
        'lifetime_revenue_cents', lifetime,
        'last_year_revenue_cents', last_year
    ) AS figures
FROM dormant

UNION ALL

SELECT
    'lapse',
    account,
    od,
    grade,
    lifetime,
    jsonb_build_object(
        'days_silent', %(as_of)s - last_on,
        'last_ordered_on', last_on,
        'lapsed_revenue_cents', earned,
        'distinct_months', months
    )
FROM lapse

UNION ALL

-- specialty * (1 - m) / m - standard, and the share in basis points, both half up.
SELECT
    'cherry_picking',
    account,
    NULL,
    NULL,
    account.lifetime,
    jsonb_build_object(
        'specialty_share_bps', least(10000, div(carrier.specialty * 20000 + carrier.total, 2 * carrier.total)),
        'specialty_revenue_cents', carrier.specialty,
        'total_revenue_cents', carrier.total,
        'estimated_upside_cents', greatest(0, saturated(div(
            2 * (
                carrier.specialty * (median.denominator - median.numerator)
                - (carrier.total - carrier.specialty) * median.numerator
            ) + median.numerator,
            2 * median.numerator
        )))
    )
FROM carrier
JOIN account USING (account)
CROSS JOIN median
