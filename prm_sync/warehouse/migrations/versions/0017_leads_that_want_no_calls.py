"""leads that want no calls

Revision ID: 0017
Revises: 0016
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

TABLES = ("lead_source", "lead", "lead_past")
COMMENT = "True: the person does not want calls. PII: none; R024"


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("no_call", sa.Boolean(), nullable=True, comment=COMMENT), schema="core")


def downgrade() -> None:
    for table in TABLES:
        op.drop_column(table, "no_call", schema="core")
