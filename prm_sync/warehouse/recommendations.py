"""What is counted of customers whom a partner serves, and of whom it is told: `core.recommendation_source`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from prm_sync.warehouse import bulk, measured
from prm_sync.warehouse.views import live

STREAM = "customers"
READS = ("account", "contact", "opportunity", "order", "lead", "feedback", "partner")
_FIELDS = ("account_ref", "name", "city", "country", "industry", "score", "why", "product", "as_of")
_AUDIENCE = ("recommendation_id", "partner_id", "account_id", "contact_id")


@dataclass(frozen=True, slots=True)
class Asked:
    """Of how many months before the day purchases count, and leads and needs."""

    bought_months: int
    asked_months: int
    day: date


@dataclass(frozen=True, slots=True)
class Telling:
    """One customer and what its partner is told. `contact_id`: the person whose consent it rests on."""

    account_id: str
    partner_id: str
    contact_id: str
    said: tuple[str | int | date | None, ...]  #: `_FIELDS`


def _at(entity: str, kind: str, row: str, day: str, product: str, more: str) -> str:
    """The records of an account: (account, kind, day in UTC, product, currency, amount)."""
    money = f"{row}.currency, {row}.amount" if entity in ("opportunity", "order") else "NULL, NULL"
    return (
        f"SELECT n.id, '{kind}' AS kind, cast({day} AS date) AS day, {product} AS product, {money} "
        f'FROM core."{entity}" {row} JOIN named n ON n.ref = {row}.account_ref WHERE {live(row)} AND {more}'
    )


_FREE = "{0}.do_not_share IS NOT TRUE"  #: what somebody does not want to be passed on is no reason either
_LEAD = "l.status IS DISTINCT FROM 'disqualified' AND " + _FREE.format("l")
_ASKED = "coalesce(l.created_at, l.valid_from) AT TIME ZONE 'UTC'"
_EVENTS = " UNION ALL ".join(
    (
        _at("opportunity", "won", "w", "coalesce(w.closed_at AT TIME ZONE 'UTC', w.close_date)", "w.product",
            "w.stage = 'won'"),
        _at("order", "order", "o", "o.ordered_at AT TIME ZONE 'UTC'", "o.product",
            "o.status IS DISTINCT FROM 'cancelled'"),
        _at("opportunity", "open", "d", "coalesce(d.created_at, d.valid_from) AT TIME ZONE 'UTC'", "d.product",
            "d.stage NOT IN ('won', 'lost')"),
        _at("lead", "lead", "l", _ASKED, "l.product", _LEAD),
        (
            f"SELECT b.id, 'lead', cast({_ASKED} AS date), l.product, NULL, NULL FROM core.lead l JOIN core.account b "
            f"ON b.domain = l.domain WHERE {live('l')} AND {live('b')} AND l.account_ref IS NULL AND {_LEAD}"
        ),
        _at("feedback", "need", "f", "f.at AT TIME ZONE 'UTC'", "f.product",
            "f.subject IN ('customer', 'product', 'service') AND f.consent_evidence IS NOT NULL AND "
            + _FREE.format("f")),
    )
)  # fmt: skip

COUNTED = f"""
    WITH named AS MATERIALIZED (
        SELECT x.connection || ':' || x.remote_id AS ref, x.entity_id AS id FROM core.crosswalk x
        WHERE x.entity = 'account'
    ),
    event AS MATERIALIZED (
        SELECT *, day > cast(:day AS date) - make_interval(months => :bought) AS lately FROM ({_EVENTS}) e
        WHERE day <= :day
          AND (kind NOT IN ('lead', 'need') OR day > cast(:day AS date) - make_interval(months => :asked))
    ),
    -- against all customers, also those who are served by nobody
    place AS (
        SELECT id, max(place) AS won FROM (
            SELECT id, cume_dist() OVER (PARTITION BY currency ORDER BY sum(amount)) AS place
            FROM event WHERE kind = 'won' AND amount > 0 AND lately GROUP BY id, currency) p
        GROUP BY id
    ),
    tally AS (
        SELECT id, count(*) FILTER (WHERE kind = 'order' AND lately) AS orders,
               count(*) FILTER (WHERE kind = 'open') AS opportunities, count(*) FILTER (WHERE kind = 'lead') AS leads,
               count(*) FILTER (WHERE kind = 'need') AS needs,
               cast(:day AS date) - max(day) FILTER (WHERE kind IN ('order', 'won')) AS bought_days
        FROM event GROUP BY id
    ),
    consent AS (
        SELECT n.id, min(c.id) FILTER (WHERE c.consent_evidence <> '') AS contact_id,
               bool_or(c.do_not_share IS TRUE) AS refused
        FROM core.contact c JOIN named n ON n.ref = c.account_ref WHERE {live('c')} GROUP BY n.id
    ),
    served AS (
        SELECT s.entity_id AS id, s.partner_id, p.products
        FROM mart.partner_service s JOIN core.partner p ON p.id = s.partner_id
        WHERE s.entity = 'account' AND {live('p')}
    ),
    suits AS (
        SELECT DISTINCT ON (e.id) e.id, e.product FROM event e JOIN served s ON s.id = e.id
        WHERE e.product IS NOT NULL AND (coalesce(cardinality(s.products), 0) = 0
              OR lower(e.product) IN (SELECT lower(x) FROM unnest(s.products) x))
        ORDER BY e.id, array_position(ARRAY['open', 'lead', 'need'], e.kind) NULLS LAST, e.day DESC, e.product
    )
    SELECT a.id AS account_id, r.ref AS account_ref, a.name, a.city, a.country, a.industry,
           s.partner_id, CASE WHEN c.refused THEN NULL ELSE c.contact_id END AS contact_id,
           coalesce(p.won, 0) AS won, t.orders, t.opportunities, t.leads, t.needs, t.bought_days, q.product
    FROM tally t
    JOIN core.account a ON a.id = t.id AND {live('a')} AND a.kind IS DISTINCT FROM 'person'
    JOIN served s ON s.id = a.id
    JOIN (SELECT id, min(ref) AS ref FROM named GROUP BY id) r ON r.id = a.id
    LEFT JOIN place p ON p.id = a.id
    LEFT JOIN consent c ON c.id = a.id
    LEFT JOIN suits q ON q.id = a.id
"""


def changed_since(tx: sa.Connection, after: int) -> bool:
    """Whether anything that is counted changed after that number, or a consent that something rests on is gone."""
    if measured.changed_since(tx, (*(f'core."{name}"' for name in READS), "mart.partner_service"), after):
        return True
    gone = (
        "SELECT EXISTS (SELECT FROM ledger.recommendation_audience a WHERE NOT EXISTS "
        "(SELECT FROM core.recommendation_facts f WHERE f.id = a.recommendation_id))"
    )
    return bool(tx.exec_driver_sql(gone).scalar_one())


def counted(tx: sa.Connection, asked: Asked) -> Sequence[sa.Row[Any]]:
    """All companies that a partner serves and of whom there is anything to count; counted anew, in one statement."""
    values = {"bought": asked.bought_months, "asked": asked.asked_months, "day": asked.day}
    return tx.execute(sa.text(COUNTED), values).all()


def keep(tx: sa.Connection, told: Iterable[Telling], now: datetime) -> int:
    """Make `core.recommendation_source` say exactly this; how many rows changed."""
    rows = ((t.account_id, *t.said) for t in told)
    bulk.stage(tx, measured.STAGED, "core.recommendation_source", ("remote_id", *_FIELDS), rows)
    return measured.keep(tx, "recommendation", STREAM, _FIELDS, now, stamps=("as_of",))


def keep_audience(tx: sa.Connection, told: Iterable[Telling]) -> int:
    """The partner whom each is for, and whose consent it rests on; how many of them changed."""
    ids = {
        r.remote_id: r.entity_id
        for r in tx.execute(
            sa.text("SELECT remote_id, entity_id FROM core.crosswalk WHERE entity = 'recommendation' "
                    "AND connection = :c AND stream = :s"),
            {"c": measured.CONNECTION, "s": STREAM},
        )
    }  # fmt: skip
    rows = ((ids[t.account_id], t.partner_id, t.account_id, t.contact_id) for t in told)
    return measured.keep_audience(tx, "recommendation", _AUDIENCE, rows)
