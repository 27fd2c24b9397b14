"""Tables of what becomes of deal registrations: the deal in the CRM, and the keys by which claims are found."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

_INSTANT = sa.DateTime(timezone=True)


def _column(
    name: str, comment: str, type_: sa.types.TypeEngine[Any] | None = None, *, null: bool = False, key: bool = False
) -> sa.Column[Any]:
    return sa.Column(name, type_ or sa.Text(), nullable=null, primary_key=key, comment=comment)


def add(metadata: sa.MetaData) -> None:
    """Put them beside the others."""
    deals = metadata.tables.get("core.opportunity")
    if deals is not None and "prm_registration_id" in deals.c:
        of = sa.text("prm_registration_id IS NOT NULL")
        sa.Index("opportunity_registration", deals.c.prm_registration_id, postgresql_where=of)
    sa.Table(
        "registered_deal", metadata,
        _column("registration_id", "Registration", key=True), _column("partner_id", "Who registers"),
        _column("status", "Where it stands: under_review, rejected, approved, converted, won, lost, expired"),
        _column("how", "made (for it), linked (was there), shares (another registration's), waits (for an account), "
                       "gone (deleted in the CRM); null: not approved", null=True),
        _column("opportunity_id", "The deal in the CRM, also one that is yet to be made", null=True),
        _column("connection", "The CRM that the deal is in, or is to be made in", null=True),
        _column("account_id", "The customer, where the CRM knows it", null=True),
        _column("credit", "What the partner is credited with in the CRM", null=True),
        _column("stage", "Stage with which the deal is made", null=True),
        _column("protected_until", "End of the protection, as the CRM is to show it; null: nothing", _INSTANT,
                null=True),
        _column("touched", "Change number of the last change of this row", sa.BigInteger()),
        sa.Index("registered_deal_opportunity", "opportunity_id"), sa.Index("registered_deal_touched", "touched"),
        sa.Index("registered_deal_account", "account_id"),
        schema="ledger", comment="What became of each deal registration that was decided about",
    )  # fmt: skip
    sa.Table(
        "claim_key", metadata,
        _column("key", "Hash of a tax number, a domain, a name or its sound", sa.BigInteger(), key=True),
        _column("kind", "registration, opportunity, account or lead", key=True), _column("id", "Its id", key=True),
        sa.Index("claim_key_of", "kind", "id"),
        schema="ledger", comment="Claims to deals that share a key here are compared",
    )  # fmt: skip
