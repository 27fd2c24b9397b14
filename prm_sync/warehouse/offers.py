"""The ledger: decisions, offers and what was said about them; and the facts that routing decides by."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from prm_sync.warehouse import bulk
from prm_sync.warehouse.views import entity_of

LOCK = "lead_offer"  #: the entity name under which the ledger's change numbers are given out


def stable_id(kind: str, *parts: object) -> str:
    """An id made from what it is about: the same decision made again after a crash gets the same id."""
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).hexdigest()
    return f"{kind}_{digest}"


# --- what routing looks at ---------------------------------------------------------------------------------------


FIRST = (float("inf"), "")  #: before every lead


def undecided_leads(
    tx: sa.Connection, statuses: Sequence[str], touched_after: int, after: tuple[float, str], size: int, now: datetime
) -> Sequence[sa.Row[Any]]:
    """Leads that may be routed and have no active offer, in the order in which they choose: by score, then by id.

    Only those changed since, and only those that come after `after` (priority, id).
    """
    return tx.execute(
        sa.text(
            f"""
            WITH page AS (
                SELECT l.id, coalesce(l.score, 0) AS priority
                FROM core.lead l
                WHERE l.merged_into IS NULL AND l.deleted_at IS NULL AND l.is_test IS NOT TRUE
                  AND l.status = ANY(:statuses) AND (l.touched > :touched OR :touched = 0)
                  AND (coalesce(l.score, 0) < :priority OR coalesce(l.score, 0) = :priority AND l.id > :id)
                  AND NOT EXISTS (SELECT FROM ledger.lead_offer o
                                  WHERE o.lead_id = l.id AND o.state IN ('pending', 'accepted'))
                ORDER BY 2 DESC, l.id LIMIT :size)
            SELECT page.priority, {LEAD_FACTS}
            FROM page JOIN core.lead l USING (id) {LEAD_JOINS} ORDER BY page.priority DESC, l.id
            """
        ),
        {"statuses": list(statuses), "priority": after[0], "id": after[1], "touched": touched_after, "size": size,
         "now": now},
    ).all()  # fmt: skip


_PARTNER_OF_ACCOUNT = entity_of("partner=a.partner_ref")
LEAD_FACTS = f"""
    l.id, l.status, l.country, l.region, l.postcode, l.segment, l.product, l.industry, l.language,
    l.required_certification, l.domain, l.is_test, a.account_number, {_PARTNER_OF_ACCOUNT} AS account_partner_id,
    coalesce(g.partners, '{{}}') AS registered_by, coalesce(o.declined_by, '{{}}') AS declined_by,
    coalesce(o.expired_by, '{{}}') AS expired_by, coalesce(o.offers, 0) AS offers
"""
# Registrations are few beside leads: those protected now are put together once for each statement.
LEAD_JOINS = f"""
    LEFT JOIN core.account a ON l.account_ref IS NOT NULL AND a.id = {entity_of("account=l.account_ref")}
    LEFT JOIN LATERAL (
        SELECT count(*) AS offers, array_agg(partner_id) FILTER (WHERE state = 'declined') AS declined_by,
               array_agg(partner_id) FILTER (WHERE state = 'expired') AS expired_by
        FROM ledger.lead_offer o WHERE o.lead_id = l.id) o ON true
    LEFT JOIN (
        SELECT r.domain, array_agg(DISTINCT {entity_of("partner=r.partner_ref")}) AS partners
        FROM core.deal_registration r
        LEFT JOIN ledger.registration_decision v ON v.registration_id = r.id
        WHERE (r.status IN ('approved', 'converted') AND r.protected_until > :now
               OR v.outcome = 'approve' AND v.protected_until > :now) AND r.domain IS NOT NULL
          AND r.partner_ref IS NOT NULL AND r.merged_into IS NULL AND r.deleted_at IS NULL
        GROUP BY 1) g ON g.domain = l.domain
"""


def leads_decided(tx: sa.Connection, since: datetime, until: datetime) -> Sequence[sa.Row[Any]]:
    """Leads that were decided on for the first time in that period, with their facts of today, and who got them."""
    return tx.execute(
        sa.text(
            f"""
            SELECT coalesce(l.score, 0) AS priority, d.decided_at, d.partner_id, {LEAD_FACTS}
            FROM ledger.routing_decision d JOIN core.lead l ON l.id = d.lead_id {LEAD_JOINS}
            WHERE d.rank = 1 AND d.decided_at >= :since AND d.decided_at < :until
              AND d.outcome NOT IN ('test', 'status')
            ORDER BY d.decided_at, l.id
            """
        ),
        {"since": since, "until": until, "now": since},
    ).all()


def partners(tx: sa.Connection, since: datetime) -> Sequence[sa.Row[Any]]:
    """Every partner with its deals and median hours to answer since that time."""
    return tx.execute(
        sa.text(
            f"""
            SELECT p.id, p.name, p.partner_key, p.status, p.tier, p.territories, p.products, p.industries, p.languages,
                   p.certifications, p.weekly_capacity, p.is_test, p.country, p.region, p.time_zone,
                   coalesce(d.won, 0) + coalesce(o.won, 0) AS won, coalesce(d.lost, 0) + coalesce(o.lost, 0) AS lost,
                   o.response_h
            FROM core.partner p
            LEFT JOIN (
                SELECT {entity_of("partner=d.partner_ref")} AS partner_id, count(*) FILTER (WHERE stage = 'won') AS won,
                       count(*) FILTER (WHERE stage = 'lost') AS lost
                FROM core.opportunity d WHERE d.partner_ref IS NOT NULL AND d.merged_into IS NULL
                  AND d.deleted_at IS NULL AND d.close_date >= :since GROUP BY 1) d ON d.partner_id = p.id
            LEFT JOIN (
                SELECT partner_id, count(*) FILTER (WHERE partner_stage = 'won') AS won,
                       count(*) FILTER (WHERE partner_stage = 'lost') AS lost,
                       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM answered_at - offered_at) / 3600)
                           FILTER (WHERE answered_at IS NOT NULL) AS response_h
                FROM ledger.lead_offer WHERE offered_at >= :since GROUP BY 1) o ON o.partner_id = p.id
            WHERE p.merged_into IS NULL AND p.deleted_at IS NULL
            """
        ),
        {"since": since},
    ).all()


def segment_records(tx: sa.Connection, since: datetime) -> dict[str, dict[str, tuple[int, int]]]:
    """Leads won and lost since that time, by partner id and segment of the lead."""
    rows = tx.execute(
        sa.text(
            "SELECT o.partner_id, l.segment, count(*) FILTER (WHERE o.partner_stage = 'won') AS won, "
            "count(*) FILTER (WHERE o.partner_stage = 'lost') AS lost "
            "FROM ledger.lead_offer o JOIN core.lead l ON l.id = o.lead_id "
            "WHERE o.offered_at >= :since AND l.segment IS NOT NULL AND o.partner_stage IN ('won', 'lost') "
            "GROUP BY 1, 2"
        ),
        {"since": since},
    )
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for r in rows:
        found.setdefault(r.partner_id, {})[r.segment] = (r.won, r.lost)
    return found


def certificates(tx: sa.Connection) -> dict[str, list[tuple[str, str | None, date | None, date | None]]]:
    """Records of certificates by partner id: name, state, first and last day."""
    return _papers(
        tx,
        f"""
        SELECT {_HOLDER} AS partner_id, c.name, c.status, c.issued_on, c.expires_on
        FROM core.certification c {_BY_KEY} WHERE c.name IS NOT NULL AND c.{_KEPT}
        """,
    )


def agreements(tx: sa.Connection) -> dict[str, list[tuple[str, date | None, date | None]]]:
    """Agreements by partner id: state, first and last day."""
    return _papers(
        tx,
        f"""
        SELECT {_HOLDER} AS partner_id, c.status, c.effective_on, c.expires_on
        FROM core.agreement c {_BY_KEY} WHERE c.status IS NOT NULL AND c.{_KEPT}
        """,
    )


_HOLDER = f"coalesce({entity_of('partner=c.partner_ref')}, p.id)"
_KEPT = "merged_into IS NULL AND c.deleted_at IS NULL AND c.is_test IS NOT TRUE"
_BY_KEY = (
    "LEFT JOIN core.partner p ON p.partner_key = c.partner_key AND p.merged_into IS NULL AND p.deleted_at IS NULL"
)


def _papers(tx: sa.Connection, query: str) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for partner_id, *paper in tx.exec_driver_sql(query):
        if partner_id is not None:
            found.setdefault(partner_id, []).append(tuple(paper))
    return found


def standing(
    tx: sa.Connection, week_start: datetime, day_start: datetime
) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
    """By partner: offers made since the start of the week, offers that wait, offers made since the start of the day."""
    rows = tx.execute(
        sa.text(
            "SELECT partner_id, count(*) FILTER (WHERE offered_at >= :week), "
            "count(*) FILTER (WHERE state = 'pending'), count(*) FILTER (WHERE offered_at >= :day) "
            "FROM ledger.lead_offer WHERE offered_at >= :week OR state = 'pending' GROUP BY 1"
        ),
        {"week": week_start, "day": day_start},
    ).all()
    week, waiting, day = ({r[0]: r[n] for r in rows if r[n]} for n in (1, 2, 3))
    return week, waiting, day


def open_offers(tx: sa.Connection, after: int, answering: Sequence[str]) -> Sequence[sa.Row[Any]]:
    """Offers that wait, and accepted ones of which anything changed after that number; with what became of their leads.

    `sold_by`: the partner who sells the opportunity that the lead was converted to, `us`, or null where nobody says.
    `connections`: those of `answering` in which the partner is known.
    """
    opportunity, partner = entity_of("opportunity=l.converted_opportunity_ref"), entity_of("partner=c.partner_ref")
    return tx.execute(
        sa.text(
            f"""
            SELECT o.*, l.status, l.id IS NULL OR l.deleted_at IS NOT NULL AS gone,
                   l.merged_into IS NOT NULL AS merged, p.manager,
                   CASE WHEN c.partner_ref IS NOT NULL THEN {partner}
                        WHEN c.channel = 'direct' OR c.credit = 'none' THEN 'us' END AS sold_by,
                   ARRAY(SELECT DISTINCT x.connection FROM core.crosswalk x WHERE x.entity = 'partner'
                         AND x.entity_id = o.partner_id AND x.connection = ANY(:answering)) AS connections
            FROM ledger.lead_offer o
            LEFT JOIN core.lead l ON l.id = o.lead_id
            LEFT JOIN core.partner p ON p.id = o.partner_id
            LEFT JOIN core.opportunity c ON l.status = 'converted' AND c.id = {opportunity}
            WHERE o.state = 'pending'
               OR o.state = 'accepted' AND o.partner_stage IS DISTINCT FROM 'won'
                  AND o.partner_stage IS DISTINCT FROM 'lost'
                  AND (o.touched > :after OR l.touched > :after OR c.touched > :after)
            ORDER BY o.id
            """
        ),
        {"after": after, "answering": list(answering)},
    ).all()


def heard_until(tx: sa.Connection, streams: Sequence[tuple[str, str]]) -> dict[str, datetime]:
    """By connection: until when its streams, of these, were read to their end. A stream never read: long ago."""
    heard: dict[str, datetime] = {}
    for connection, stream in streams:
        read_at = tx.execute(
            sa.text("SELECT read_at FROM raw.cursor WHERE connection = :c AND stream = :s"),
            {"c": connection, "s": stream},
        ).scalar_one_or_none() or datetime.min.replace(tzinfo=UTC)
        heard[connection] = min(heard.get(connection, read_at), read_at)
    return heard


def answers(tx: sa.Connection, after: int, upto: int) -> Sequence[sa.Row[Any]]:
    """What partners said in PRM records that changed since: the offer as it stands, and the answer."""
    return tx.execute(
        sa.text(
            """
            SELECT o.*, s.answer, coalesce(s.answered_at, s.remote_time) AS said_at, s.decline_reason AS said_reason,
                   s.partner_stage AS said_stage, s.won_amount AS said_won, s.currency AS said_currency, s.remote_time,
                   EXISTS (SELECT FROM ledger.lead_offer n
                           WHERE n.lead_id = o.lead_id AND n.rank > o.rank) AS superseded
            FROM core.lead_source s
            JOIN ledger.lead_offer o ON o.lead_id = split_part(s.offer_key, ':', 1)
              AND o.rank::text = split_part(s.offer_key, ':', 2)
            WHERE s.touched > :after AND s.touched <= :upto AND s.deleted_at IS NULL AND s.offer_key IS NOT NULL
              AND (s.answer IS NOT NULL OR s.partner_stage IS NOT NULL)
            ORDER BY s.touched, s.arrived
            """
        ),
        {"after": after, "upto": upto},
    ).all()


# --- what routing writes -----------------------------------------------------------------------------------------


def last_decisions(tx: sa.Connection, lead_ids: Sequence[str]) -> dict[str, sa.Row[Any]]:
    """The latest decision of each of these leads."""
    rows = tx.execute(
        sa.text(
            "SELECT DISTINCT ON (lead_id) lead_id, rank, partner_id, outcome, rule_version, candidates, reasons, queue "
            "FROM ledger.routing_decision WHERE lead_id = ANY(:ids) ORDER BY lead_id, rank DESC"
        ),
        {"ids": list(lead_ids)},
    )
    return {r.lead_id: r for r in rows}


def write_decisions(tx: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    columns = (
        "id", "lead_id", "partner_id", "score", "rank", "decided_at", "rule_version", "outcome", "note", "candidates",
        "reasons", "queue", "run_id",
    )  # fmt: skip
    encode = msgspec.json.encode
    values = (
        tuple(encode(r[c]).decode() if c in ("candidates", "reasons") else r[c] for c in columns) for r in rows
    )
    bulk.copy(tx, "ledger.routing_decision", columns, values)


def write_offers(tx: sa.Connection, rows: Sequence[Mapping[str, Any]], touched: int, run_id: str) -> None:
    columns = ("id", "lead_id", "partner_id", "decision_id", "rank", "state", "offered_at", "expires_at")
    bulk.copy(tx, "ledger.lead_offer", (*columns, "touched"), ((*(r[c] for c in columns), touched) for r in rows))
    write_events(tx, ((r["id"], r["offered_at"], "offered", True, None) for r in rows), run_id)


def write_events(tx: sa.Connection, rows: Iterable[tuple[str, datetime, str, bool, str | None]], run_id: str) -> None:
    """(offer, when, what, whether it moved anything, why not)."""
    bulk.copy(
        tx, "ledger.offer_event", ("offer_id", "at", "event", "applied", "note", "run_id"), ((*r, run_id) for r in rows)
    )


def move(tx: sa.Connection, changes: Sequence[Mapping[str, Any]], touched: int) -> None:
    """Set the state of offers: rows with id, state, answered_at, decline_reason."""
    sets = (
        "state = :state, answered_at = coalesce(:answered_at, answered_at), "
        "decline_reason = coalesce(:decline_reason, decline_reason)"
    )
    _update(tx, sets, changes, touched)


def set_stage(tx: sa.Connection, changes: Sequence[Mapping[str, Any]], touched: int) -> None:
    """How far the partner is: rows with id, stage, at, amount, currency."""
    sets = (
        "partner_stage = :stage, stage_at = :at, won_amount = coalesce(:amount, won_amount), "
        "won_currency = coalesce(:currency, won_currency)"
    )
    _update(tx, sets, changes, touched)


def _update(tx: sa.Connection, sets: str, changes: Sequence[Mapping[str, Any]], touched: int) -> None:
    if changes:
        tx.execute(
            sa.text(f"UPDATE ledger.lead_offer SET {sets}, touched = :touched WHERE id = :id"),
            [{**c, "touched": touched} for c in changes],
        )


def event_known(tx: sa.Connection, offer_ids: Sequence[str]) -> set[tuple[str, str, datetime]]:
    """(offer, event, time) of everything that was said about these offers: said again, it is no news."""
    rows = tx.execute(
        sa.text("SELECT offer_id, event, at FROM ledger.offer_event WHERE offer_id = ANY(:ids)"),
        {"ids": list(offer_ids)},
    )
    return {(r[0], r[1], r[2]) for r in rows}
