"""Tables of what partners are told besides leads: who may see which demand signal, and orders that may come late."""

from __future__ import annotations

import sqlalchemy as sa


def add(metadata: sa.MetaData) -> None:
    """Put them beside the others."""
    sa.Table(
        "signal_audience", metadata,
        sa.Column("signal_id", sa.Text(), primary_key=True, comment="Signal"),
        sa.Column("partner_id", sa.Text(), primary_key=True, comment="A partner whose territory holds its region"),
        schema="ledger", comment="Which partners a demand signal is for",
    )  # fmt: skip
    if "core.order" in metadata.tables:
        order = metadata.tables["core.order"]
        sa.Index(
            "order_awaited", order.c.promised_date,
            postgresql_where=sa.text("shipped_at IS NULL AND delivered_at IS NULL AND promised_date IS NOT NULL"),
        )  # fmt: skip
