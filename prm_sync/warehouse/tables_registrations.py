"""Tables of deal registrations: what was decided, the conflicts that were found, and who has the credit."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

_INSTANT = sa.DateTime(timezone=True)


def _column(
    name: str, comment: str, type_: sa.types.TypeEngine[Any] | None = None, *, null: bool = False, key: bool = False
) -> sa.Column[Any]:
    return sa.Column(name, type_ or sa.Text(), nullable=null, primary_key=key, comment=comment)


def _touched() -> sa.Column[Any]:
    return sa.Column(
        "touched", sa.BigInteger(), nullable=False, server_default="0",
        comment="Change number of the last change of this row",
    )  # fmt: skip


def add(metadata: sa.MetaData) -> None:
    """Put them beside the others."""
    sa.Table(
        "registration_decision", metadata,
        _column("registration_id", "Registration", key=True), _column("partner_id", "Who registers"),
        _column("outcome", "approve, reject or review (a person is to decide)"), _column("because", "Why, in words"),
        _column("decided_at", "When", _INSTANT), _column("decided_by", "Who; null: the rules", null=True),
        _column("protected_until", "End of the protection of an approved one", _INSTANT, null=True),
        _column("opportunity_id", "The partner's own deal in the CRM, if there is one", null=True),
        _column("rule_version", "Hash of policies/registrations.yaml"), _column("run_id", "Run", null=True),
        _touched(), sa.Index("registration_decision_touched", "touched"),
        schema="ledger", comment="What was decided about each deal registration",
    )  # fmt: skip
    sa.Table(
        "deal_conflict", metadata,
        _column("id", "The same two claims have the same id", key=True),
        _column("kind", "partner_vs_partner or partner_vs_direct"),
        _column("registration_id", "Registration; of two the later one"), _column("partner_id", "Who registers"),
        _column("other_kind", "registration, opportunity, account or lead"), _column("other_id", "The other claim"),
        _column("other_partner_id", "Whose it is; null: the seller's own", null=True),
        _column("other_first", "Whether the other was there before", sa.Boolean()),
        _column("apart_s", "Seconds between both; null: not known", sa.Double(), null=True),
        _column("score", "How likely both are one deal, 0 to 1", sa.Double()),
        _column("evidence", "What they have in common, and in what they differ", pg.ARRAY(sa.Text())),
        _column("state", "open (a decision is awaited) or settled"), _column("found_at", "When found", _INSTANT),
        _column("settled_at", "When settled", _INSTANT, null=True),
        _column("rule_version", "Hash of policies/registrations.yaml"),
        sa.Index("deal_conflict_by_registration", "registration_id"), sa.Index("deal_conflict_by_other", "other_id"),
        schema="ledger", comment="Claims of two parties to what is likely one deal",
    )  # fmt: skip
    sa.Table(
        "deal_credit", metadata,
        _column("opportunity_id", "Deal that was won", key=True),
        _column("partner_id", "Partner; empty: the seller's own people", key=True),
        _column("kind", "sourced, influenced or direct"),
        _column("is_primary", "One of a deal is; the sum of these is the sum of what was won", sa.Boolean()),
        _column("amount", "Of the deal, minor units", sa.BigInteger()), _column("currency", "Its currency"),
        _column("because", "Why"), _column("as_of", "When it was told", _INSTANT),
        _column("registration_id", "Registration that it rests on; null: the CRM's word, or nobody's", null=True),
        sa.Index("deal_credit_primary", "opportunity_id", unique=True, postgresql_where=sa.text("is_primary")),
        schema="ledger", comment="Who has a share in each won deal",
    )  # fmt: skip
