"""What became of demand where a signal was told, beside where none was: `mart.signal_effect`.

Two differences: how much more or less there was after the signal than before it, and of that what is more than the same
change in all places where nobody was told. A place is a region or, for signals of a whole country, the country.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

import sqlalchemy as sa

from prm_sync.warehouse.signals import EVENTS, Asked, parameters

_FIELDS = (
    "signal_id, measure, country, region, product, direction, told_in, partners, months, before, after, "
    "change_percent, elsewhere_percent, effect_points"
)
_EFFECT = f"""
    WITH region AS (
        SELECT * FROM unnest(cast(:countries AS text[]), cast(:written AS text[]), cast(:codes AS text[]))
            AS r(country, written, code)
    ),
    told AS (
        SELECT s.id, s.measure, s.country, s.region, s.product, s.direction, count(DISTINCT l.partner_key) AS partners,
               cast(date_trunc('month', min(l.at) AT TIME ZONE 'UTC') AS date) AS told_in
        FROM core.signal s JOIN ops.share_log l ON l.entity_id = s.id AND l.entity = 'signal' AND l.kind = 'shared'
        WHERE s.merged_into IS NULL GROUP BY s.id
    ),
    -- whole months on both sides of the one in which it was told first
    due AS (
        SELECT *, told_in - make_interval(months => :effect) AS first, told_in + interval '1 month' AS again,
               told_in + make_interval(months => :effect + 1) AS ended
        FROM told
        WHERE told_in >= :oldest AND told_in + make_interval(months => :effect + 1) <= cast(:month AS date)
    ),
    event AS MATERIALIZED (
        SELECT d.id, e.customer, e.at >= d.again AS later,
               e.country = d.country AND (d.region IS NULL OR r.code IS NOT DISTINCT FROM d.region) AS here
        FROM due d
        JOIN ({EVENTS}) e ON e.measure = d.measure AND e.product = d.product AND e.country IS NOT NULL
             AND e.at >= d.first AND e.at < d.ended AND (e.at < d.told_in OR e.at >= d.again)
        LEFT JOIN region r ON r.country = e.country AND r.written = e.region
        WHERE (e.country = d.country AND (d.region IS NULL OR r.code IS NOT DISTINCT FROM d.region))
           OR NOT EXISTS (  -- told of the same in these months, there or somewhere in a place that has no name
              SELECT FROM told o WHERE o.measure = d.measure AND o.product = d.product AND o.country = e.country
                AND (o.region IS NULL OR r.code IS NULL OR o.region = r.code)
                AND o.told_in >= d.first AND o.told_in < d.ended)
    ),
    counted AS (
        SELECT id, count(*) FILTER (WHERE here AND NOT later) AS before,
               count(*) FILTER (WHERE here AND later) AS after,
               count(*) FILTER (WHERE NOT here AND NOT later) AS other_before,
               count(*) FILTER (WHERE NOT here AND later) AS other_after
        FROM event GROUP BY id
        HAVING least(count(DISTINCT customer) FILTER (WHERE here AND NOT later),
                     count(DISTINCT customer) FILTER (WHERE here AND later),
                     count(DISTINCT customer) FILTER (WHERE NOT here AND NOT later),
                     count(DISTINCT customer) FILTER (WHERE NOT here AND later)) >= :k
    ),
    compared AS (
        SELECT *, 5 * round((100.0 * after / before - 100) / 5) AS change,
               5 * round((100.0 * other_after / other_before - 100) / 5) AS other
        FROM counted
    )
    SELECT d.id AS signal_id, d.measure, d.country, d.region, d.product, d.direction, d.told_in, d.partners,
           :effect AS months, cast(round(c.before / cast(:round AS numeric)) * :round AS bigint) AS before,
           cast(round(c.after / cast(:round AS numeric)) * :round AS bigint) AS after,
           cast(c.change AS bigint) AS change_percent, cast(c.other AS bigint) AS elsewhere_percent,
           cast(c.change - c.other AS bigint) AS effect_points
    FROM compared c JOIN due d ON d.id = c.id
"""


def recount(
    tx: sa.Connection, asked: Asked, codes: Mapping[tuple[str, str], str], months: int, since: date, now: datetime
) -> int:
    """Count the effect of all signals told first since that day, so many months on both sides; how many there are.

    Those told before stay as they were counted last. A signal whose months are not over yet has none, nor has one where
    any of the four numbers is about fewer than `asked.smallest_group` customers.
    """
    given = {**parameters(asked, codes), "effect": months, "oldest": since, "month": now.date().replace(day=1)}
    tx.execute(sa.text("DELETE FROM mart.signal_effect WHERE told_in >= :oldest"), given)
    made = tx.execute(
        sa.text(f"INSERT INTO mart.signal_effect ({_FIELDS}, as_of) SELECT {_FIELDS}, :now FROM ({_EFFECT}) e"),
        {**given, "now": now},
    )
    return int(made.rowcount)
