"""deals of registrations

Revision ID: 0013
Revises: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
TOUCHED = "Change number of the last change of this row"
OF_DEAL = "The deal registration behind it, as this system gave it to the source. PII: none; R048"


def upgrade() -> None:
    for table in ("opportunity_source", "opportunity", "opportunity_past"):
        op.add_column(table, sa.Column("prm_registration_id", sa.Text(), nullable=True, comment=OF_DEAL), schema="core")
    op.create_index(
        "opportunity_registration", "opportunity", ["prm_registration_id"], schema="core",
        postgresql_where=sa.text("prm_registration_id IS NOT NULL"),
    )
    op.add_column(
        "registration_decision",
        sa.Column("touched", sa.BigInteger(), server_default="0", nullable=False, comment=TOUCHED), schema="ledger",
    )
    op.create_index("registration_decision_touched", "registration_decision", ["touched"], schema="ledger")
    op.add_column(
        "deal_credit",
        sa.Column("registration_id", sa.Text(), nullable=True,
                  comment="Registration that it rests on; null: the CRM's word, or nobody's"), schema="ledger",
    )
    op.create_table(
        "registered_deal",
        sa.Column("registration_id", sa.Text(), nullable=False, comment="Registration"),
        sa.Column("partner_id", sa.Text(), nullable=False, comment="Who registers"),
        sa.Column("status", sa.Text(), nullable=False, comment="Where it stands: under_review, rejected, approved, converted, won, lost, expired"),
        sa.Column("how", sa.Text(), nullable=True, comment="made (for it), linked (was there), shares (another registration's), waits (for an account), gone (deleted in the CRM); null: not approved"),
        sa.Column("opportunity_id", sa.Text(), nullable=True, comment="The deal in the CRM, also one that is yet to be made"),
        sa.Column("connection", sa.Text(), nullable=True, comment="The CRM that the deal is in, or is to be made in"),
        sa.Column("account_id", sa.Text(), nullable=True, comment="The customer, where the CRM knows it"),
        sa.Column("credit", sa.Text(), nullable=True, comment="What the partner is credited with in the CRM"),
        sa.Column("stage", sa.Text(), nullable=True, comment="Stage with which the deal is made"),
        sa.Column("protected_until", INSTANT, nullable=True, comment="End of the protection, as the CRM is to show it; null: nothing"),
        sa.Column("touched", sa.BigInteger(), nullable=False, comment=TOUCHED),
        sa.PrimaryKeyConstraint("registration_id"),
        schema="ledger", comment="What became of each deal registration that was decided about",
    )
    op.create_index("registered_deal_account", "registered_deal", ["account_id"], schema="ledger")
    op.create_index("registered_deal_opportunity", "registered_deal", ["opportunity_id"], schema="ledger")
    op.create_index("registered_deal_touched", "registered_deal", ["touched"], schema="ledger")
    op.create_table(
        "claim_key",
        sa.Column("key", sa.BigInteger(), nullable=False, comment="Hash of a tax number, a domain, a name or its sound"),
        sa.Column("kind", sa.Text(), nullable=False, comment="registration, opportunity, account or lead"),
        sa.Column("id", sa.Text(), nullable=False, comment="Its id"),
        sa.PrimaryKeyConstraint("key", "kind", "id"),
        schema="ledger", comment="Claims to deals that share a key here are compared",
    )
    op.create_index("claim_key_of", "claim_key", ["kind", "id"], schema="ledger")


def downgrade() -> None:
    op.drop_table("claim_key", schema="ledger")
    op.drop_table("registered_deal", schema="ledger")
    op.drop_column("deal_credit", "registration_id", schema="ledger")
    op.drop_index("registration_decision_touched", "registration_decision", schema="ledger")
    op.drop_column("registration_decision", "touched", schema="ledger")
    op.drop_index("opportunity_registration", "opportunity", schema="core")
    for table in ("opportunity_past", "opportunity", "opportunity_source"):
        op.drop_column(table, "prm_registration_id", schema="core")
