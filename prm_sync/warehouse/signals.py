"""Demand by month, region and product, as far as nobody is found in it: `core.signal_source`, and for whom it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from prm_sync.warehouse import measured
from prm_sync.warehouse.views import entity_of, live

STREAM = "demand"
READS = ("lead", "opportunity", "order", "case", "account", "partner")
_FIELDS = ("measure", "period", "country", "region", "product", "direction", "count", "lift")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be told: `months` by their first days; the rest as policies/signals.yaml has it."""

    measures: Sequence[str]
    months: Sequence[date]
    baseline_months: int
    smallest_group: int
    min_lift: float
    min_count: int
    round_to: int


def _at_account(measure: str, entity: str, row: str, at: str, country: str, region: str, more: str = "") -> str:
    """What an account's record says, at the place of the account where it names none itself."""
    account = entity_of(f"account={row}.account_ref")
    return (
        f"SELECT '{measure}', {at}, {country}, {region}, {row}.product, a.id FROM core.\"{entity}\" {row} "
        f"JOIN core.account a ON a.id = {account} WHERE {live(row)} {more}"
    )


# A customer is a company where we know which, by its domain; else the person.
_LEADS = f"""
    SELECT 'leads' AS measure, coalesce(l.created_at, l.valid_from) AT TIME ZONE 'UTC' AS at, l.country, l.region,
           l.product, coalesce('domain ' || l.domain, l.id) AS customer
    FROM core.lead l WHERE {live('l')}
"""
EVENTS = " UNION ALL ".join(
    (
        _LEADS,
        _at_account(
            "won", "opportunity", "w", "coalesce(w.closed_at AT TIME ZONE 'UTC', w.close_date)", "a.country",
            "a.region", "AND w.stage = 'won'",
        ),
        _at_account(
            "orders", "order", "o", "o.ordered_at AT TIME ZONE 'UTC'", "coalesce(o.country, a.country)",
            "CASE WHEN o.country IS NULL OR o.country = a.country THEN coalesce(o.region, a.region) ELSE o.region END",
            "AND o.status IS DISTINCT FROM 'cancelled'",
        ),
        _at_account(
            "cases", "case", "c", "coalesce(c.opened_at, c.created_at) AT TIME ZONE 'UTC'",
            "coalesce(c.country, a.country)", "CASE WHEN c.country IS NULL OR c.country = a.country THEN a.region END",
        ),
    )
)  # fmt: skip

_NUMBERS = """
    count(*) FILTER (WHERE new) AS n, count(*) FILTER (WHERE NOT new) AS before,
    count(DISTINCT customer) FILTER (WHERE new) AS who, count(DISTINCT customer) FILTER (WHERE NOT new) AS who_before
"""
TOLD = f"""
    WITH region AS (
        SELECT * FROM unnest(cast(:countries AS text[]), cast(:written AS text[]), cast(:codes AS text[]))
            AS r(country, written, code)
    ),
    month AS (SELECT unnest(cast(:months AS date[])) AS period),
    -- each event where it counts: in its month, and in the baseline of the months after it
    event AS MATERIALIZED (
        SELECT e.measure, m.period, e.country, e.product, r.code AS region, e.customer, e.at >= m.period AS new
        FROM ({EVENTS}) e
        JOIN month m ON e.at < m.period + interval '1 month'
                    AND e.at >= m.period - make_interval(months => :baseline)
        LEFT JOIN region r ON r.country = e.country AND r.written = e.region
        WHERE e.measure = ANY(:measures) AND e.country IS NOT NULL AND e.product IS NOT NULL
    ),
    cell AS (
        SELECT measure, period, country, product, region, {_NUMBERS} FROM event
        GROUP BY measure, period, country, product, region
    ),
    total AS (SELECT measure, period, country, product, {_NUMBERS} FROM event GROUP BY 1, 2, 3, 4),
    -- a place that has no name stays untold
    graded AS (
        SELECT c.*, c.region IS NOT NULL AND c.who >= :k AND c.who_before >= :k AS enough FROM cell c
    ),
    ranked AS (
        SELECT g.*, row_number() OVER (
            PARTITION BY measure, period, country, product, enough ORDER BY least(who, who_before), n, region) AS nth
        FROM graded g
    ),
    -- who is in what is left of a country's number once the regions that may be told are taken from it
    rest AS (
        SELECT e.measure, e.period, e.country, e.product, {_NUMBERS}
        FROM event e JOIN graded g ON g.measure = e.measure AND g.period = e.period AND g.country = e.country
          AND g.product = e.product AND g.region IS NOT DISTINCT FROM e.region
        WHERE NOT g.enough GROUP BY 1, 2, 3, 4
    ),
    told AS (
        SELECT measure, period, country, region, product, n, before FROM ranked r
        WHERE enough AND NOT (nth = 1 AND EXISTS (
            SELECT FROM rest x WHERE x.measure = r.measure AND x.period = r.period AND x.country = r.country
              AND x.product = r.product AND (x.who < :k OR x.who_before < :k)))
        UNION ALL
        SELECT measure, period, country, NULL, product, n, before FROM total WHERE who >= :k AND who_before >= :k
    ),
    compared AS (
        SELECT *, n / (before / cast(:baseline AS double precision)) AS times,
               before / cast(:baseline AS double precision) AS mean
        FROM told
    )
    SELECT measure, period, country, region, product, CASE WHEN times > 1 THEN 'rise' ELSE 'fall' END AS direction,
           cast(round(n / cast(:round AS numeric)) * :round AS bigint) AS count,
           cast(round(cast(times AS numeric), 1) AS double precision) AS lift
    FROM compared
    WHERE greatest(n, mean) >= :least AND (times >= :lift OR times <= 1 / :lift)
"""


def changed_since(tx: sa.Connection, after: int) -> bool:
    """Whether anything that is counted, or a partner, changed after that number."""
    return measured.changed_since(tx, (f'core."{name}"' for name in READS), after)


def regions(tx: sa.Connection) -> list[tuple[str, str]]:
    """(country, region as written) of everything that is counted."""
    found = " UNION ".join(
        f'SELECT country, region FROM core."{name}" WHERE country IS NOT NULL AND region IS NOT NULL'
        for name in ("lead", "account", "order")
    )
    return [(r.country, r.region) for r in tx.execute(sa.text(found))]


def told(tx: sa.Connection, asked: Asked, codes: Mapping[tuple[str, str], str]) -> Sequence[sa.Row[Any]]:
    """What may be told and is worth it, in one statement. `codes`: ISO 3166-2 of (country, region as written)."""
    return tx.execute(sa.text(TOLD), parameters(asked, codes)).all()


def keep(tx: sa.Connection, asked: Asked, codes: Mapping[tuple[str, str], str], now: datetime) -> int:
    """Make `core.signal_source` say exactly what is to be told; how many rows changed."""
    tx.execute(
        sa.text(
            f"CREATE TEMP TABLE {measured.STAGED} ON COMMIT DROP AS SELECT *, concat_ws('|', measure, period, country, "
            f"coalesce(region, '*'), product) AS remote_id FROM ({TOLD}) t"
        ),
        parameters(asked, codes),
    )
    return measured.keep(tx, "signal", STREAM, _FIELDS, now)


def places(tx: sa.Connection) -> list[tuple[str, str, str | None]]:
    """(signal, country, region) of all that is told now."""
    rows = tx.execute(
        sa.text("SELECT id, country, region FROM core.signal WHERE deleted_at IS NULL AND merged_into IS NULL")
    )
    return [(r.id, r.country, r.region) for r in rows]


def territories(tx: sa.Connection) -> dict[str, list[str]]:
    """Where the partners sell that are there."""
    rows = tx.execute(
        sa.text(
            "SELECT id, territories FROM core.partner "
            "WHERE deleted_at IS NULL AND merged_into IS NULL AND territories IS NOT NULL"
        )
    )
    return {r.id: list(r.territories) for r in rows}


def keep_audience(tx: sa.Connection, pairs: Iterable[tuple[str, str]]) -> int:
    """(signal, partner): for whom each is; how many signals are for others than before."""
    return measured.keep_audience(tx, "signal", ("signal_id", "partner_id"), pairs)


def parameters(asked: Asked, codes: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    return {
        "measures": list(asked.measures), "months": list(asked.months), "baseline": asked.baseline_months,
        "k": asked.smallest_group, "lift": asked.min_lift, "least": asked.min_count, "round": asked.round_to,
        "countries": [country for country, _ in codes], "written": [written for _, written in codes],
        "codes": list(codes.values()),
    }  # fmt: skip
