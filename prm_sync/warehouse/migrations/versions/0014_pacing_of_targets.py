"""pacing of targets

Revision ID: 0014
Revises: 0013
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "target_pacing",
        sa.Column("target_id", sa.Text(), nullable=False, comment="Target"),
        sa.Column("partner_id", sa.Text(), nullable=False, comment="Whose it is"),
        sa.Column("metric", sa.Text(), nullable=False, comment="What is counted: revenue, leads, deals or certifications"),
        sa.Column("currency", sa.Text(), nullable=True, comment="Currency of a revenue target; null: it is a count"),
        sa.Column("period_start", sa.Date(), nullable=False, comment="First day"),
        sa.Column("period_end", sa.Date(), nullable=False, comment="Last day"),
        sa.Column("target", sa.Double(), nullable=False, comment="What is to be reached: minor units of `currency`, or a count"),
        sa.Column("reached", sa.Double(), nullable=False, comment="What is reached of it from the first day on, in the same unit"),
        sa.Column("elapsed", sa.Double(), nullable=False, comment="Share of the period that is over, by whole days: 0 to 1"),
        sa.Column("expected", sa.Double(), nullable=False, comment="What should be reached by then, on a straight line"),
        sa.Column("attainment", sa.Double(), nullable=False, comment="reached / target, 1 = reached"),
        sa.Column("pace", sa.Double(), nullable=True, comment="reached / expected, 1 = just in time; null: nothing is expected yet"),
        sa.Column("projected", sa.Double(), nullable=True, comment="What it comes to at the end if it goes on like this; null: nothing is over yet"),
        sa.Column("state", sa.Text(), nullable=False, comment="reached, on_plan, behind, missed or not_begun"),
        sa.Column("other_currency", sa.BigInteger(), nullable=False, comment="Won deals that are left out since they are in another currency"),
        sa.Column("rule_version", sa.Text(), nullable=False, comment="Hash of policies/targets.yaml"),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False, comment="When it was computed"),
        sa.Column("touched", sa.BigInteger(), nullable=False, comment="Change number of the last change of this row"),
        sa.PrimaryKeyConstraint("target_id"),
        schema="mart", comment="How far each partner's targets are, beside how far they should be by the day",
    )


def downgrade() -> None:
    op.drop_table("target_pacing", schema="mart")
