"""Deal registrations in the warehouse: what was decided and found, and who has the credit for won deals."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from prm_sync.warehouse import bulk, claims, source

LOCK = claims.LOCK
CREDITS = "deal_credit"  #: the name under which change numbers of credits are given out


def won(tx: sa.Connection, ids: Collection[str]) -> Sequence[sa.Row[Any]]:
    """Those of these deals that were won, with who bought."""
    return tx.execute(
        sa.text(
            f"""
            SELECT c.*, o.amount, o.currency, o.credit, {claims.CLOSED} AS closed_on
            FROM ({claims.OTHERS["opportunity"]} = ANY(:ids)) c JOIN core.opportunity o ON o.id = c.id
            WHERE o.stage = 'won' AND o.amount IS NOT NULL AND o.currency IS NOT NULL
            """
        ),
        {"ids": list(ids)},
    ).all()


def credited(tx: sa.Connection, registration_ids: Collection[str]) -> set[str]:
    """Deals of which somebody has a share because of one of these registrations, or that are linked to one."""
    return set(
        tx.execute(
            sa.text(
                "SELECT opportunity_id FROM ledger.deal_credit WHERE registration_id = ANY(:ids) "
                "UNION SELECT opportunity_id FROM ledger.registration_decision "
                "WHERE registration_id = ANY(:ids) AND opportunity_id IS NOT NULL "
                "UNION SELECT opportunity_id FROM ledger.registered_deal "
                "WHERE registration_id = ANY(:ids) AND opportunity_id IS NOT NULL"
            ),
            {"ids": list(registration_ids)},
        ).scalars()
    )


def linked(tx: sa.Connection, deals: Collection[str]) -> dict[str, list[str]]:
    """Registrations that are of one of these deals, by deal."""
    found: dict[str, list[str]] = {}
    rows = tx.execute(
        sa.text(
            "SELECT opportunity_id, registration_id FROM ledger.registration_decision WHERE opportunity_id = ANY(:ids) "
            "UNION SELECT id, prm_registration_id FROM core.opportunity "
            "WHERE id = ANY(:ids) AND prm_registration_id IS NOT NULL"
        ),
        {"ids": list(deals)},
    )
    for deal, registration in rows:
        found.setdefault(deal, []).append(registration)
    return found


def every_credited(tx: sa.Connection) -> set[str]:
    return set(tx.exec_driver_sql("SELECT opportunity_id FROM ledger.deal_credit").scalars())


_DECISION = (
    "registration_id", "partner_id", "outcome", "because", "decided_at", "decided_by", "protected_until",
    "opportunity_id", "rule_version", "run_id", "touched",
)  # fmt: skip
_SAID = tuple(c for c in _DECISION[1:] if c not in ("opportunity_id", "touched"))
_CONFLICT = (
    "id", "kind", "registration_id", "partner_id", "other_kind", "other_id", "other_partner_id", "other_first",
    "apart_s", "score", "evidence", "state", "found_at", "settled_at", "rule_version",
)  # fmt: skip
_CREDIT = (
    "opportunity_id", "partner_id", "kind", "is_primary", "amount", "currency", "because", "registration_id", "as_of",
)  # fmt: skip


def decide(tx: sa.Connection, rows: Iterable[Sequence[Any]]) -> list[str]:
    """Keep decisions, in the order of `_DECISION`; what says the same is not touched. A person's and approvals stay.

    Returns the registrations of which anything is news.
    """
    bulk.stage(tx, "judged", "ledger.registration_decision", _DECISION, rows)
    # What was approved keeps the day until which it is protected, and the words; where the deal is, may be news.
    stays = "(d.decided_by IS NOT NULL OR d.outcome = 'approve')"
    sets = ", ".join(f"{c} = CASE WHEN {stays} THEN d.{c} ELSE excluded.{c} END" for c in _SAID)
    return list(
        tx.exec_driver_sql(
            f"INSERT INTO ledger.registration_decision AS d ({', '.join(_DECISION)}) "
            f"SELECT {', '.join(_DECISION)} FROM pg_temp.judged ON CONFLICT (registration_id) DO UPDATE SET {sets}, "
            "opportunity_id = excluded.opportunity_id, touched = excluded.touched "
            "WHERE d.opportunity_id IS DISTINCT FROM excluded.opportunity_id "
            f"OR NOT {stays} AND (d.outcome, d.because) <> (excluded.outcome, excluded.because) "
            "RETURNING registration_id"
        ).scalars()
    )


def find(tx: sa.Connection, rows: Iterable[Sequence[Any]], looked_at: Collection[str], now: datetime) -> int:
    """Keep conflicts, in the order of `_CONFLICT`; settle those of claims that were looked at and that are no more."""
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
            "AND (registration_id = ANY(:ids) OR other_id = ANY(:ids)) "
            "AND NOT EXISTS (SELECT FROM pg_temp.found f WHERE f.id = c.id)"
        ),
        {"now": now, "ids": list(looked_at)},
    )
    return int(new)


def credit(tx: sa.Connection, rows: Iterable[Sequence[Any]], deals: Collection[str]) -> int:
    """Replace who has the credit for these deals, in the order of `_CREDIT`; returns how many rows differ from before.

    A row that says the same stays as it is.
    """
    bulk.stage(tx, "credited", "ledger.deal_credit", _CREDIT, rows)
    told = _CREDIT[:-1]
    ours, theirs = (", ".join(f"{t}.{c}" for c in told) for t in "cn")
    _note_changes(tx, ", ".join(told), deals)
    gone = tx.execute(
        sa.text(
            "DELETE FROM ledger.deal_credit c WHERE opportunity_id = ANY(:deals) AND NOT EXISTS "
            f"(SELECT FROM pg_temp.credited n WHERE ({theirs}) IS NOT DISTINCT FROM ({ours}))"
        ),
        {"deals": list(deals)},
    ).rowcount
    made = tx.exec_driver_sql(
        f"INSERT INTO ledger.deal_credit ({', '.join(_CREDIT)}) SELECT {', '.join(_CREDIT)} FROM pg_temp.credited "
        "ON CONFLICT (opportunity_id, partner_id) DO NOTHING"
    ).rowcount
    return int(gone) + int(made)


def _note_changes(tx: sa.Connection, told: str, deals: Collection[str]) -> None:
    """Give a new change number to every credit that `pg_temp.credited` changes or ends: figures are made anew by it."""
    before = f"SELECT {told} FROM ledger.deal_credit WHERE opportunity_id = ANY(:deals)"
    after = f"SELECT {told} FROM pg_temp.credited"
    tx.execute(
        sa.text(
            "INSERT INTO ledger.credit_change (opportunity_id, partner_id, touched) "
            "SELECT DISTINCT opportunity_id, partner_id, CAST(:touched AS bigint) "
            f"FROM (({before} EXCEPT {after}) UNION ({after} EXCEPT {before})) d "
            "ON CONFLICT (opportunity_id, partner_id) DO UPDATE SET touched = excluded.touched"
        ),
        {"touched": source.change_number(tx, CREDITS), "deals": list(deals)},
    )


# --- for people ---------------------------------------------------------------------------------------------------


def listed(tx: sa.Connection, outcome: str | None, limit: int, status: str | None = None) -> list[dict[str, Any]]:
    """Decisions, the latest first, with how many conflicts of each are open."""
    rows = tx.execute(
        sa.text(
            """
            SELECT d.*, p.name AS partner, f.status, f.how, coalesce(f.opportunity_id, d.opportunity_id) AS deal_id,
                (SELECT count(*) FROM ledger.deal_conflict c WHERE c.state = 'open'
                AND d.registration_id IN (c.registration_id, c.other_id)) AS open_conflicts
            FROM ledger.registration_decision d LEFT JOIN core.partner p ON p.id = d.partner_id
            LEFT JOIN ledger.registered_deal f ON f.registration_id = d.registration_id
            WHERE (CAST(:outcome AS text) IS NULL OR d.outcome = :outcome)
              AND (CAST(:status AS text) IS NULL OR f.status = :status)
            ORDER BY d.decided_at DESC, d.registration_id LIMIT :n
            """
        ),
        {"outcome": outcome, "status": status, "n": limit},
    )
    return [dict(r) for r in rows.mappings()]


def decision_of(tx: sa.Connection, registration_id: str) -> dict[str, Any] | None:
    row = tx.execute(
        sa.text(
            "SELECT d.*, f.status, f.how, f.credit, f.account_id, "
            "coalesce(f.opportunity_id, d.opportunity_id) AS deal_id "
            "FROM ledger.registration_decision d LEFT JOIN ledger.registered_deal f USING (registration_id) "
            "WHERE registration_id = :id"
        ),
        {"id": registration_id},
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


def conflict_counts(tx: sa.Connection) -> list[dict[str, Any]]:
    """How many conflicts of each kind there are, and are open; and of how many registrations, of all that there are."""
    rows = tx.exec_driver_sql(
        "SELECT kind, other_kind, count(*) AS conflicts, count(*) FILTER (WHERE state = 'open') AS open, "
        "count(DISTINCT registration_id) AS registrations, "
        "(SELECT count(*) FROM ledger.registration_decision) AS of "
        "FROM ledger.deal_conflict GROUP BY 1, 2 ORDER BY 1, 2"
    )
    return [dict(r) for r in rows.mappings()]


def settle(tx: sa.Connection, registration_id: str, outcome: str, because: str, who: str, now: datetime,
           protected_until: datetime | None) -> bool:  # fmt: skip
    """A person's decision, which the rules never change. False: there is no such registration."""
    touched = source.change_number(tx, LOCK)
    return bool(
        tx.execute(
            sa.text(
                "UPDATE ledger.registration_decision SET outcome = :outcome, because = :because, decided_by = :who, "
                "decided_at = :now, protected_until = :until, touched = :touched WHERE registration_id = :id"
            ),
            {"outcome": outcome, "because": because, "who": who, "now": now, "until": protected_until,
             "id": registration_id, "touched": touched},
        ).rowcount
    )
