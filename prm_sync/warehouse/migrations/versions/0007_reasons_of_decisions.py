"""reasons of decisions

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

BEFORE = 'Every partner with its score, or the reason it lost'
AFTER = BEFORE + '; of a large programme those who might have had the lead'


def upgrade() -> None:
    op.add_column('routing_decision', sa.Column('reasons', postgresql.JSONB(astext_type=sa.Text()), server_default='{}', nullable=False, comment='How many partners did not get the lead for which reason'), schema='ledger')
    op.add_column('routing_decision', sa.Column('queue', sa.Text(), nullable=True, comment='Where a lead without a partner waits for a person'), schema='ledger')
    op.alter_column('routing_decision', 'candidates', existing_type=postgresql.JSONB(astext_type=sa.Text()), comment=AFTER, existing_comment=BEFORE, existing_nullable=False, schema='ledger')
    op.create_index('routing_decision_by_time', 'routing_decision', ['decided_at'], unique=False, schema='ledger')


def downgrade() -> None:
    op.drop_index('routing_decision_by_time', table_name='routing_decision', schema='ledger')
    op.alter_column('routing_decision', 'candidates', existing_type=postgresql.JSONB(astext_type=sa.Text()), comment=BEFORE, existing_comment=AFTER, existing_nullable=False, schema='ledger')
    op.drop_column('routing_decision', 'queue', schema='ledger')
    op.drop_column('routing_decision', 'reasons', schema='ledger')
