"""The ledger: decisions, offers and what was said about them; and the facts that routing decides by."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from prm_sync.warehouse import bulk
from prm_sync.warehouse.views import entity_of, live, partner_by_key, partner_of

LOCK = "lead_offer"  #: the entity name under which the ledger's change numbers are given out


@dataclass(frozen=True, slots=True)
class Book:
    """Where the ledger keeps one kind of thing that is routed, and by which name its change numbers are given out."""

    thing: Literal["lead", "case"]
    decisions: str
    offers: str
    lock: str
    stage_columns: tuple[str, ...]  #: what a stage is kept with, besides when it was reached

    @property
    def key(self) -> str:
        return f"{self.thing}_id"


LEADS = Book("lead", "ledger.routing_decision", "ledger.lead_offer", LOCK, ("won_amount", "won_currency"))
CASES = Book(
    "case", "ledger.case_decision", "ledger.case_assignment", "case_assignment",
    ("responded_at", "resolved_at", "resolution"),
)  # fmt: skip


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


PARTNER_OF_ACCOUNT = entity_of("partner=a.partner_ref")
LEAD_FACTS = f"""
    l.id, l.status, l.country, l.region, l.postcode, l.segment, l.product, l.industry, l.language,
    l.required_certification, l.domain, l.is_test, a.account_number, {PARTNER_OF_ACCOUNT} AS account_partner_id,
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


def partners(tx: sa.Connection, since: datetime, book: Book = LEADS) -> Sequence[sa.Row[Any]]:
    """Every partner with its deals and median hours to answer since that time."""
    return tx.execute(
        sa.text(
            f"""
            SELECT p.id, p.name, p.partner_key, p.status, p.type, p.tier, p.territories, p.products, p.industries,
                   p.languages,
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
                FROM {book.offers} WHERE offered_at >= :since GROUP BY 1) o ON o.partner_id = p.id
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
        SELECT {partner_of("c")} AS partner_id, c.name, c.status, c.issued_on, c.expires_on
        FROM core.certification c {partner_by_key("c")} WHERE c.name IS NOT NULL AND {live("c")}
        """,
    )


def agreements(tx: sa.Connection) -> dict[str, list[tuple[str, date | None, date | None]]]:
    """Agreements by partner id: state, first and last day."""
    return _papers(
        tx,
        f"""
        SELECT {partner_of("c")} AS partner_id, c.status, c.effective_on, c.expires_on
        FROM core.agreement c {partner_by_key("c")} WHERE c.status IS NOT NULL AND {live("c")}
        """,
    )




def _papers(tx: sa.Connection, query: str) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for partner_id, *paper in tx.exec_driver_sql(query):
        if partner_id is not None:
            found.setdefault(partner_id, []).append(tuple(paper))
    return found


UNSOLVED = "state = 'accepted' AND coalesce(partner_stage, '') NOT IN ('resolved', 'closed')"


def standing(
    tx: sa.Connection, week_start: datetime, day_start: datetime, book: Book = LEADS
) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
    """By partner: offers made since the start of the week, offers that wait, offers made since the start of the day.

    What a partner has to do with a lead is to answer; a case waits until it is solved.
    """
    unsolved = f"OR {UNSOLVED}"
    waits = f"(state = 'pending' {unsolved if book is CASES else ''})"
    rows = tx.execute(
        sa.text(
            "SELECT partner_id, count(*) FILTER (WHERE offered_at >= :week), "
            f"count(*) FILTER (WHERE {waits}), count(*) FILTER (WHERE offered_at >= :day) "
            f"FROM {book.offers} WHERE offered_at >= :week OR {waits} GROUP BY 1"
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
            SELECT o.*, o.lead_id AS thing_id, l.status, l.id IS NULL OR l.deleted_at IS NOT NULL AS gone,
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


# Who says when a case was answered or solved, says how far it is, too.
_STAGE = """coalesce(nullif(s.partner_stage, 'open'), CASE WHEN s.resolved_at IS NOT NULL THEN 'resolved'
            WHEN s.first_response_at IS NOT NULL THEN 'in_progress' END)"""
_HEARD = "coalesce(s.remote_time, r.seen_at)"  #: a list without times of its own: when we first saw what it says
_SAID = {
    "lead": "coalesce(s.answered_at, s.remote_time) AS said_at, "
            "coalesce(s.remote_time, s.answered_at) AS stage_said_at, "
            "s.won_amount AS said_won, s.currency AS said_currency",
    # After a case was opened again, that it is solved is news only with another time; that it is worked on always is.
    "case": f"""coalesce(s.answered_at, {_HEARD}) AS said_at,
            CASE WHEN {_STAGE} = 'resolved' AND o.partner_stage = 'reopened' THEN s.resolved_at
                 WHEN {_STAGE} = 'resolved' THEN coalesce(s.resolved_at, {_HEARD})
                 WHEN o.partner_stage = 'reopened' THEN {_HEARD}
                 ELSE coalesce(s.first_response_at, {_HEARD}) END AS stage_said_at,
            s.first_response_at AS said_responded_at, s.resolution AS said_resolution""",
}


def answers(tx: sa.Connection, after: int, upto: int, book: Book = LEADS) -> Sequence[sa.Row[Any]]:
    """What partners said in PRM records that changed since: the offer as it stands, and the answer."""
    seen = "JOIN raw.record r USING (connection, stream, remote_id)" if book is CASES else ""
    stage = _STAGE if book is CASES else "s.partner_stage"
    return tx.execute(
        sa.text(
            f"""
            SELECT o.*, o.{book.key} AS thing_id, s.answer, s.decline_reason AS said_reason,
                   {stage} AS said_stage, {_SAID[book.thing]},
                   EXISTS (SELECT FROM {book.offers} n
                           WHERE n.{book.key} = o.{book.key} AND n.rank > o.rank) AS superseded
            FROM core.{book.thing}_source s {seen}
            JOIN {book.offers} o ON o.{book.key} = split_part(s.offer_key, ':', 1)
              AND o.rank::text = split_part(s.offer_key, ':', 2)
            WHERE s.touched > :after AND s.touched <= :upto AND s.deleted_at IS NULL AND s.offer_key IS NOT NULL
              AND (s.answer IS NOT NULL OR {stage} IS NOT NULL)
            ORDER BY s.touched, s.arrived
            """
        ),
        {"after": after, "upto": upto},
    ).all()


# --- what routing writes -----------------------------------------------------------------------------------------


def last_decisions(tx: sa.Connection, ids: Sequence[str], book: Book = LEADS) -> dict[str, sa.Row[Any]]:
    """The latest decision of each of these leads, or cases."""
    key = book.key
    rows = tx.execute(
        sa.text(
            f"SELECT DISTINCT ON ({key}) {key} AS thing_id, rank, partner_id, outcome, rule_version, candidates, "
            f"reasons, queue FROM {book.decisions} WHERE {key} = ANY(:ids) ORDER BY {key}, rank DESC"
        ),
        {"ids": list(ids)},
    )
    return {r.thing_id: r for r in rows}


def write_decisions(tx: sa.Connection, rows: Sequence[Mapping[str, Any]], book: Book = LEADS) -> None:
    columns = (
        "id", book.key, "partner_id", "score", "rank", "decided_at", "rule_version", "outcome", "note", "candidates",
        "reasons", "queue", "run_id",
    )  # fmt: skip
    encode = msgspec.json.encode
    values = (
        tuple(encode(r[c]).decode() if c in ("candidates", "reasons") else r[c] for c in columns) for r in rows
    )
    bulk.copy(tx, book.decisions, columns, values)


def write_offers(
    tx: sa.Connection, rows: Sequence[Mapping[str, Any]], touched: int, run_id: str, book: Book = LEADS
) -> None:
    columns = ["id", book.key, "partner_id", "decision_id", "rank", "state", "offered_at", "expires_at"]
    columns += ["resolve_by"] if book is CASES else []
    bulk.copy(tx, book.offers, (*columns, "touched"), ((*(r[c] for c in columns), touched) for r in rows))
    write_events(tx, ((r["id"], r["offered_at"], "offered", True, None) for r in rows), run_id)


def ranks(tx: sa.Connection, ids: Sequence[str], book: Book = LEADS) -> dict[str, int]:
    """The rank of the last offer of each of these that was offered to somebody."""
    rows = tx.execute(
        sa.text(f"SELECT {book.key}, max(rank) FROM {book.offers} WHERE {book.key} = ANY(:ids) GROUP BY 1"),
        {"ids": list(ids)},
    )
    return {r[0]: r[1] for r in rows}


def write_events(tx: sa.Connection, rows: Iterable[tuple[str, datetime, str, bool, str | None]], run_id: str) -> None:
    """(offer, when, what, whether it moved anything, why not)."""
    bulk.copy(
        tx, "ledger.offer_event", ("offer_id", "at", "event", "applied", "note", "run_id"), ((*r, run_id) for r in rows)
    )


def move(tx: sa.Connection, changes: Sequence[Mapping[str, Any]], touched: int, book: Book = LEADS) -> None:
    """Set the state of offers: rows with id, state, answered_at, decline_reason."""
    sets = (
        "state = :state, answered_at = coalesce(:answered_at, answered_at), "
        "decline_reason = coalesce(:decline_reason, decline_reason)"
    )
    _update(tx, sets, changes, touched, book)


def set_stage(tx: sa.Connection, changes: Sequence[Mapping[str, Any]], touched: int, book: Book = LEADS) -> None:
    """How far the partner is: rows with id, stage, at, and a value for each of the book's `stage_columns`."""
    kept = ", ".join(f"{c} = coalesce(:{c}, {c})" for c in book.stage_columns)
    _update(tx, f"partner_stage = :stage, stage_at = :at, {kept}", changes, touched, book)
    # What is opened again is not solved; the first answer stays the first.
    again = [c for c in changes if c["stage"] == "reopened"]
    _update(tx, "resolved_at = NULL, overdue_at = NULL", again, touched, book)


def _update(tx: sa.Connection, sets: str, changes: Sequence[Mapping[str, Any]], touched: int, book: Book) -> None:
    if changes:
        tx.execute(
            sa.text(f"UPDATE {book.offers} SET {sets}, touched = :touched WHERE id = :id"),
            [{**c, "touched": touched} for c in changes],
        )


def event_known(tx: sa.Connection, offer_ids: Sequence[str]) -> set[tuple[str, str, datetime]]:
    """(offer, event, time) of everything that was said about these offers: said again, it is no news."""
    rows = tx.execute(
        sa.text("SELECT offer_id, event, at FROM ledger.offer_event WHERE offer_id = ANY(:ids)"),
        {"ids": list(offer_ids)},
    )
    return {(r[0], r[1], r[2]) for r in rows}
