"""Tables of what partners are told besides leads: who sees which signal or recommendation, orders that may be late."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa


def add(metadata: sa.MetaData) -> None:
    """Put them beside the others."""
    sa.Table(
        "signal_audience", metadata,
        sa.Column("signal_id", sa.Text(), primary_key=True, comment="Signal"),
        sa.Column("partner_id", sa.Text(), primary_key=True, comment="A partner whose territory holds its region"),
        schema="ledger", comment="Which partners a demand signal is for",
    )  # fmt: skip
    _effect(metadata)
    sa.Table(
        "recommendation_audience", metadata,
        sa.Column("recommendation_id", sa.Text(), primary_key=True, comment="Recommendation"),
        sa.Column("partner_id", sa.Text(), nullable=False, comment="The partner who serves the customer"),
        sa.Column("account_id", sa.Text(), nullable=False, comment="The customer"),
        sa.Column("contact_id", sa.Text(), nullable=False, comment="The person whose consent it rests on"),
        sa.Index("recommendation_audience_by_contact", "contact_id"),
        sa.Index("recommendation_audience_by_account", "account_id"),
        schema="ledger", comment="Which partner is told of which customer, and whose consent that rests on",
    )  # fmt: skip
    if "core.order" in metadata.tables:
        order = metadata.tables["core.order"]
        sa.Index(
            "order_awaited", order.c.promised_date,
            postgresql_where=sa.text("shipped_at IS NULL AND delivered_at IS NULL AND promised_date IS NOT NULL"),
        )  # fmt: skip


def _effect(metadata: sa.MetaData) -> None:
    def need(name: str, comment: str, type_: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
        return sa.Column(name, type_, nullable=False, comment=comment)

    text, number, day = sa.Text(), sa.BigInteger(), sa.Date()
    sa.Table(
        "signal_effect", metadata,
        sa.Column("signal_id", text, primary_key=True, comment="Signal"),
        need("measure", "What was counted", text), need("country", "Country, ISO 3166-1 alpha-2", text),
        sa.Column("region", text, comment="Region, ISO 3166-2; null: the whole country"),
        need("product", "Product", text), need("direction", "What partners were told: rise or fall", text),
        need("told_in", "First day of the month in which it was told first", day),
        need("partners", "How many partners were told", number),
        need("months", "So many months before that month, and as many after it, are compared", number),
        need("before", "How many in the months before, rounded as policies/signals.yaml says", number),
        need("after", "How many in the months after it, rounded in the same way", number),
        need("change_percent", "How much more (or less, below 0) after than before, to five percent", number),
        need("elsewhere_percent", "The same in all places where nobody was told of the same in these months", number),
        need("effect_points", "The one less the other: what is more here than elsewhere, in percentage points", number),
        need("as_of", "When it was computed", sa.DateTime(timezone=True)),
        schema="mart",
        comment="Demand before and after a signal was told, beside the places where none was; no number about fewer "
        "customers than policies/signals.yaml allows. No proof that the signal was the cause",
    )  # fmt: skip
