"""Orders whose delivery is late, or was put off: whose, and by how much."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa

from prm_sync.warehouse.views import entity_of

_OPEN = (
    "o.merged_into IS NULL AND o.deleted_at IS NULL AND o.is_test IS NOT TRUE AND o.delivered_at IS NULL "
    "AND o.status IS DISTINCT FROM 'cancelled' AND o.status IS DISTINCT FROM 'delivered'"
)
_PARTNER = f"LEFT JOIN core.partner p ON p.id = {entity_of('partner=o.partner_ref')}"


def overdue(tx: sa.Connection, today: date) -> Sequence[sa.Row[Any]]:
    """(id, partner_id, manager, days) of what was promised for an earlier day and is not on its way, the oldest first.

    An index holds all that is promised and not sent: the cost does not grow with what was delivered.
    """
    return tx.execute(
        sa.text(
            "SELECT o.id, p.id AS partner_id, p.manager, :today - o.promised_date AS days "
            f'FROM core."order" o {_PARTNER} WHERE o.promised_date < :today AND o.promised_date IS NOT NULL '
            f"AND o.shipped_at IS NULL AND o.status IS DISTINCT FROM 'shipped' AND {_OPEN} "
            "ORDER BY o.promised_date, o.id"
        ),
        {"today": today},
    ).all()


def put_off(tx: sa.Connection, after: int) -> Sequence[sa.Row[Any]]:
    """(id, partner_id, manager, days) of what changed after that number and is promised later than it was before."""
    return tx.execute(
        sa.text(
            "SELECT o.id, p.id AS partner_id, p.manager, o.promised_date - was.promised_date AS days "
            f'FROM core."order" o {_PARTNER} JOIN LATERAL (SELECT h.promised_date FROM core.order_past h '
            "WHERE h.id = o.id ORDER BY h.version DESC LIMIT 1) was ON was.promised_date < o.promised_date "
            f"WHERE o.touched > :after AND {_OPEN} ORDER BY 4 DESC, o.id"
        ),
        {"after": after},
    ).all()
