"""Deal registrations in the warehouse: claims that are compared, and what was decided and found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from prm_sync.warehouse import bulk, source
from prm_sync.warehouse.views import entity_of

LIVE = "merged_into IS NULL AND {0}.deleted_at IS NULL AND {0}.is_test IS NOT TRUE"
HOLDING = ("approved", "converted", "won")  #: states in which the PRM has approved it
CREDITS = "deal_credit"  #: the name under which change numbers of credits are given out
ASKED = ("submitted", "under_review", "pending_approval")


def marks(tx: sa.Connection) -> str:
    """What all of this depends on: unchanged, there is nothing to do."""
    row = tx.exec_driver_sql(
        "SELECT (SELECT max(touched) FROM core.deal_registration), (SELECT max(touched) FROM core.opportunity), "
        "(SELECT max(touched) FROM core.account), (SELECT max(touched) FROM ledger.lead_offer), "
        "(SELECT sum(hashtext(registration_id || outcome || coalesce(decided_by, ''))) "
        "FROM ledger.registration_decision)"
    ).one()
    return "|".join(map(str, row))


def claimed(tx: sa.Connection) -> Sequence[sa.Row[Any]]:
    """Registrations that are alive, with what was decided about them so far."""
    return tx.execute(
        sa.text(
            f"""
            SELECT r.id, {entity_of("partner=r.partner_ref")} AS partner_id,
                   coalesce(r.submitted_at, r.created_at) AS since, r.account_name AS company, r.domain, r.tax_id,
                   r.country, r.contact_email AS email, r.product, r.status, d.outcome, d.decided_by,
                   coalesce(r.protected_until, d.protected_until) AS protected_until,
                   CASE WHEN r.opportunity_ref IS NOT NULL THEN {entity_of("opportunity=r.opportunity_ref")} END
                       AS opportunity_id, d.opportunity_id AS linked_id
            FROM core.deal_registration r LEFT JOIN ledger.registration_decision d ON d.registration_id = r.id
            WHERE r.status = ANY(:states) AND r.partner_ref IS NOT NULL AND r.{LIVE.format("r")}
            """
        ),
        {"states": [*HOLDING, *ASKED]},
    ).all()


def held(tx: sa.Connection, since: datetime) -> Sequence[sa.RowMapping]:
    """What others have: deals open or won since then, accounts that a partner serves, leads that a partner accepted."""
    return tx.execute(
        sa.text(
            f"""
            SELECT 'opportunity' AS kind, o.id, {_PARTNER} AS partner_id, o.created_at AS since,
                   coalesce(a.name, o.name) AS company, a.domain, a.tax_id, a.country, NULL AS email, o.product,
                   CASE WHEN o.stage = 'won' THEN {_CLOSED} END AS closed_at
            FROM core.opportunity o {_BUYER}
            WHERE (coalesce(o.stage, '') NOT IN ('won', 'lost') OR o.stage = 'won' AND {_CLOSED} > :since)
              AND o.{LIVE.format("o")}
            UNION ALL
            SELECT 'account', a.id, {entity_of("partner=a.partner_ref")}, a.created_at, a.name, a.domain, a.tax_id,
                   a.country, NULL, NULL, NULL
            FROM core.account a WHERE a.partner_ref IS NOT NULL AND a.{LIVE.format("a")}
            UNION ALL
            SELECT 'lead', l.id, o.partner_id, coalesce(o.answered_at, o.offered_at), l.company, l.domain, NULL,
                   l.country, l.email, l.product, NULL
            FROM ledger.lead_offer o JOIN core.lead l ON l.id = o.lead_id
            WHERE o.state = 'accepted' AND o.partner_stage IS DISTINCT FROM 'lost' AND l.{LIVE.format("l")}
            """
        ),
        {"since": since},
    ).mappings().all()  # fmt: skip


_PARTNER = f"CASE WHEN o.partner_ref IS NOT NULL THEN {entity_of('partner=o.partner_ref')} END"
_CLOSED = "coalesce(o.closed_at, (o.close_date + 1)::timestamp AT TIME ZONE 'UTC')"  #: a day: at its end
_BUYER = f"LEFT JOIN core.account a ON o.account_ref IS NOT NULL AND a.id = {entity_of('account=o.account_ref')}"


def won(tx: sa.Connection) -> Sequence[sa.Row[Any]]:
    """Deals that were won, with who bought."""
    return tx.execute(
        sa.text(
            f"""
            SELECT o.id, o.amount, o.currency, {_PARTNER} AS partner_id, o.credit,
                   {_CLOSED} AS closed_at,
                   coalesce(a.name, o.name) AS company, a.domain, a.tax_id, a.country, o.product
            FROM core.opportunity o {_BUYER}
            WHERE o.stage = 'won' AND o.amount IS NOT NULL AND o.currency IS NOT NULL AND o.{LIVE.format("o")}
            """
        )
    ).all()


_DECISION = (
    "registration_id", "partner_id", "outcome", "because", "decided_at", "decided_by", "protected_until",
    "opportunity_id", "rule_version", "run_id",
)  # fmt: skip
_CONFLICT = (
    "id", "kind", "registration_id", "partner_id", "other_kind", "other_id", "other_partner_id", "other_first",
    "apart_s", "score", "evidence", "state", "found_at", "settled_at", "rule_version",
)  # fmt: skip
_CREDIT = ("opportunity_id", "partner_id", "kind", "is_primary", "amount", "currency", "because", "as_of")


def decide(tx: sa.Connection, rows: Iterable[Sequence[Any]]) -> int:
    """Keep decisions, in the order of `_DECISION`; what says the same is not touched. A person's and approvals stay."""
    bulk.stage(tx, "judged", "ledger.registration_decision", _DECISION, rows)
    sets = ", ".join(f"{c} = excluded.{c}" for c in _DECISION[1:])
    return int(
        tx.exec_driver_sql(
            f"INSERT INTO ledger.registration_decision AS d ({', '.join(_DECISION)}) "
            f"SELECT {', '.join(_DECISION)} FROM pg_temp.judged ON CONFLICT (registration_id) DO UPDATE SET {sets} "
            "WHERE d.decided_by IS NULL AND (d.opportunity_id IS DISTINCT FROM excluded.opportunity_id "
            "OR d.outcome <> 'approve' AND (d.outcome, d.because) <> (excluded.outcome, excluded.because))"
        ).rowcount
    )


def find(tx: sa.Connection, rows: Iterable[Sequence[Any]], judged: Sequence[str], now: datetime) -> int:
    """Keep conflicts, in the order of `_CONFLICT`; settle those of judged registrations that are no more."""
    bulk.stage(tx, "found", "ledger.deal_conflict", _CONFLICT, rows)
    told = ("other_first", "apart_s", "score", "evidence", "state", "other_partner_id")
    sets = ", ".join(f"{c} = excluded.{c}" for c in (*told, "settled_at", "rule_version"))
    new = tx.exec_driver_sql(
        f"INSERT INTO ledger.deal_conflict AS c ({', '.join(_CONFLICT)}) SELECT {', '.join(_CONFLICT)} "
        f"FROM pg_temp.found ON CONFLICT (id) DO UPDATE SET {sets} "
        f"WHERE ({', '.join(f'c.{t}' for t in told)}) IS DISTINCT FROM ({', '.join(f'excluded.{t}' for t in told)})"
    ).rowcount
    tx.execute(
        sa.text(
            "UPDATE ledger.deal_conflict c SET state = 'settled', settled_at = :now WHERE state = 'open' "
            "AND registration_id = ANY(:judged) AND NOT EXISTS (SELECT FROM pg_temp.found f WHERE f.id = c.id)"
        ),
        {"now": now, "judged": list(judged)},
    )
    return int(new)


def credit(tx: sa.Connection, rows: Iterable[Sequence[Any]]) -> int:
    """Replace who has the credit for won deals, in the order of `_CREDIT`; returns how many rows differ from before."""
    bulk.stage(tx, "credited", "ledger.deal_credit", _CREDIT, rows)
    told = ", ".join(_CREDIT[:-1])
    _note_changes(tx, told)
    gone = tx.exec_driver_sql(
        f"DELETE FROM ledger.deal_credit WHERE ({told}) NOT IN (SELECT {told} FROM pg_temp.credited)"
    ).rowcount
    made = tx.exec_driver_sql(
        f"INSERT INTO ledger.deal_credit ({', '.join(_CREDIT)}) SELECT {', '.join(_CREDIT)} FROM pg_temp.credited "
        "ON CONFLICT (opportunity_id, partner_id) DO NOTHING"
    ).rowcount
    return int(gone) + int(made)


def _note_changes(tx: sa.Connection, told: str) -> None:
    """Give a new change number to every credit that `pg_temp.credited` changes or ends: figures are made anew by it."""
    before, after = f"SELECT {told} FROM ledger.deal_credit", f"SELECT {told} FROM pg_temp.credited"
    tx.execute(
        sa.text(
            "INSERT INTO ledger.credit_change (opportunity_id, partner_id, touched) "
            "SELECT DISTINCT opportunity_id, partner_id, CAST(:touched AS bigint) "
            f"FROM (({before} EXCEPT {after}) UNION ({after} EXCEPT {before})) d "
            "ON CONFLICT (opportunity_id, partner_id) DO UPDATE SET touched = excluded.touched"
        ),
        {"touched": source.change_number(tx, CREDITS)},
    )


# --- for people ---------------------------------------------------------------------------------------------------


def listed(tx: sa.Connection, outcome: str | None, limit: int) -> list[dict[str, Any]]:
    """Decisions, the latest first, with how many conflicts of each are open."""
    rows = tx.execute(
        sa.text(
            """
            SELECT d.*, p.name AS partner, (SELECT count(*) FROM ledger.deal_conflict c WHERE c.state = 'open'
                AND d.registration_id IN (c.registration_id, c.other_id)) AS open_conflicts
            FROM ledger.registration_decision d LEFT JOIN core.partner p ON p.id = d.partner_id
            WHERE CAST(:outcome AS text) IS NULL OR d.outcome = :outcome
            ORDER BY d.decided_at DESC, d.registration_id LIMIT :n
            """
        ),
        {"outcome": outcome, "n": limit},
    )
    return [dict(r) for r in rows.mappings()]


def decision_of(tx: sa.Connection, registration_id: str) -> dict[str, Any] | None:
    row = tx.execute(
        sa.text("SELECT * FROM ledger.registration_decision WHERE registration_id = :id"), {"id": registration_id}
    ).mappings().first()  # fmt: skip
    return dict(row) if row is not None else None


def conflicts_of(tx: sa.Connection, registration_id: str | None = None, limit: int = 50) -> list[dict[str, Any]]:
    """The conflicts of a registration, or all; open ones and surer ones first."""
    rows = tx.execute(
        sa.text(
            "SELECT c.*, p.name AS partner, q.name AS other_partner FROM ledger.deal_conflict c "
            "LEFT JOIN core.partner p ON p.id = c.partner_id LEFT JOIN core.partner q ON q.id = c.other_partner_id "
            "WHERE CAST(:id AS text) IS NULL OR :id IN (c.registration_id, c.other_id) "
            "ORDER BY c.state, c.score DESC, c.id LIMIT :n"
        ),
        {"id": registration_id, "n": limit},
    )
    return [dict(r) for r in rows.mappings()]


def settle(tx: sa.Connection, registration_id: str, outcome: str, because: str, who: str, now: datetime,
           protected_until: datetime | None) -> bool:  # fmt: skip
    """A person's decision, which the rules never change. False: there is no such registration."""
    return bool(
        tx.execute(
            sa.text(
                "UPDATE ledger.registration_decision SET outcome = :outcome, because = :because, decided_by = :who, "
                "decided_at = :now, protected_until = :until WHERE registration_id = :id"
            ),
            {"outcome": outcome, "because": because, "who": who, "now": now, "until": protected_until,
             "id": registration_id},
        ).rowcount
    )
