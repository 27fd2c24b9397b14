"""Agreement, certificates and feedback of partners as they are on the day: `mart.partner_standing`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from prm_sync.warehouse import marts
from prm_sync.warehouse.views import partner_by_key, partner_of

LOCK = "partner_standing"  #: the name under which the change numbers of these rows are given out
COLUMNS = (
    "partner_id", "agreement_state", "agreement_until", "certificates", "certificates_until", "feedback_id",
    "feedback_touched",
)  # fmt: skip


def marks(tx: sa.Connection, day: date) -> str:
    """What all of this depends on: unchanged, there is nothing to do."""
    row = tx.exec_driver_sql(
        "SELECT (SELECT max(touched) FROM core.partner), (SELECT max(touched) FROM core.certification), "
        "(SELECT max(touched) FROM core.agreement), (SELECT max(touched) FROM core.feedback)"
    ).one()
    return "|".join(map(str, (day, *row)))


def listed(tx: sa.Connection) -> Sequence[sa.Row[Any]]:
    """(id, certificates as the PRM lists them) of every partner."""
    return tx.exec_driver_sql(
        "SELECT id, certifications FROM core.partner WHERE merged_into IS NULL AND deleted_at IS NULL ORDER BY id"
    ).all()


def feedback(tx: sa.Connection) -> dict[str, tuple[str, int]]:
    """The latest feedback by or about each partner that names no account: (id, change number) by partner id."""
    rows = tx.exec_driver_sql(
        f"""
        SELECT DISTINCT ON (1) {partner_of("f")} AS partner_id, f.id, f.touched
        FROM core.feedback f {partner_by_key("f")}
        WHERE f.account_ref IS NULL AND f.account_number IS NULL AND f.merged_into IS NULL AND f.deleted_at IS NULL
          AND f.is_test IS NOT TRUE ORDER BY 1, f.at DESC NULLS LAST, f.id
        """
    )
    return {r.partner_id: (r.id, r.touched) for r in rows if r.partner_id is not None}


def write(tx: sa.Connection, rows: Iterable[Sequence[Any]], touched: int, now: datetime) -> int:
    """Keep the standing of all partners, in the order of `COLUMNS`; returns how many rows differ from before."""
    return marts.keep(tx, "mart.partner_standing", ("partner_id",), COLUMNS, rows, touched=touched, now=now)


def by_state(tx: sa.Connection) -> dict[str, int]:
    """Active partners by the state of their agreement."""
    rows = tx.exec_driver_sql(
        "SELECT s.agreement_state, count(*) FROM mart.partner_standing s JOIN core.partner p ON p.id = s.partner_id "
        "WHERE p.status = 'active' GROUP BY 1 ORDER BY 1"
    )
    return {r[0]: r[1] for r in rows}
