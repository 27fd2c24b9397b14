"""what goes to partners besides leads

Revision ID: 0011
Revises: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0009"
branch_labels = None
depends_on = None

COPIED = ("order", "case")
SHARED_KEY = "The copy that a partner sees, '<id>:<partner id>', as this system gave it to the source. PII: none; R024"


def _tables(entity: str) -> tuple[str, str, str]:
    return entity, f"{entity}_source", f"{entity}_past"


def upgrade() -> None:
    for entity in COPIED:
        for table in _tables(entity):
            op.add_column(table, sa.Column("shared_key", sa.Text(), nullable=True, comment=SHARED_KEY), schema="core")


def downgrade() -> None:
    for entity in COPIED:
        for table in _tables(entity):
            op.drop_column(table, "shared_key", schema="core")
