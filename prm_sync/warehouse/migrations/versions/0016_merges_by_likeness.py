"""entities that became one by likeness are told from those with an equal key

Revision ID: 0016
Revises: 0015
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

NOW = "exact_key, likeness, or merged: a remote made one record of two"
BEFORE = "exact_key, or merged: a remote made one record of two"


def upgrade() -> None:
    _comment(NOW, BEFORE)


def downgrade() -> None:
    _comment(BEFORE, NOW)


def _comment(now: str, before: str) -> None:
    op.alter_column(
        "entity_merge", "why", existing_type=sa.Text(), existing_nullable=False, comment=now, existing_comment=before,
        schema="core",
    )
