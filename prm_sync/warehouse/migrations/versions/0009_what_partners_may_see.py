"""what partners may see

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TABLES = ("lead", "lead_source", "lead_past", "contact", "contact_source", "contact_past")
TEXTS = postgresql.ARRAY(sa.Text())
FIELDS = ("Canonical fields that left", "Canonical fields that left, or were taken back; '*': all")
LOG = ("What left for partners", "What left for partners, and what was taken back")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column('do_not_share', sa.Boolean(), nullable=True, comment='True: nothing of the record may leave for partners. PII: none; R024'), schema='core')
        op.add_column(table, sa.Column('consent_evidence', sa.Text(), nullable=True, comment="Where the person's consent to sharing is written down: form, ticket, contract. PII: personal; R024"), schema='core')
    op.add_column('outbox', sa.Column('revoked', TEXTS, nullable=True, comment='Canonical fields that it takes back from a partner'), schema='ops')
    op.add_column('share_log', sa.Column('target', sa.Text(), nullable=True, comment="Remote id it is for, or the offer's key"), schema='ops')
    op.add_column('share_log', sa.Column('kind', sa.Text(), server_default='shared', nullable=False, comment='shared, or revoked: blanked or deleted at the remote'), schema='ops')
    op.add_column('share_log', sa.Column('purpose', sa.Text(), nullable=True, comment='What for, as the policy says'), schema='ops')
    op.add_column('share_log', sa.Column('masked', TEXTS, nullable=True, comment='Of the fields those that left in another form: field=mask'), schema='ops')
    op.alter_column('share_log', 'fields', existing_type=TEXTS, comment=FIELDS[1], existing_comment=FIELDS[0], existing_nullable=False, schema='ops')
    op.create_table_comment('share_log', LOG[1], existing_comment=LOG[0], schema='ops')
    # What was logged so far says not for which record: it was written down together with its change.
    op.execute(
        "UPDATE ops.share_log s SET target = o.target FROM ops.outbox o WHERE o.connection = s.connection "
        "AND o.stream = s.stream AND o.entity_id = s.entity_id AND o.created_at = s.at"
    )
    op.create_table('forgotten',
    sa.Column('hash', sa.Text(), nullable=False, comment="Keyed hash of the e-mail address, or of the record's connection, stream and id"),
    sa.Column('kind', sa.Text(), nullable=False, comment='email or record'),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False, comment='When'),
    sa.Column('run_id', sa.Text(), nullable=False, comment='Run that forgot the person'),
    sa.PrimaryKeyConstraint('hash'),
    schema='ops',
    comment='Who was forgotten: what is known of them is that they must not come back'
    )


def downgrade() -> None:
    op.drop_table('forgotten', schema='ops')
    op.create_table_comment('share_log', LOG[0], existing_comment=LOG[1], schema='ops')
    op.alter_column('share_log', 'fields', existing_type=TEXTS, comment=FIELDS[0], existing_comment=FIELDS[1], existing_nullable=False, schema='ops')
    for column in ('masked', 'purpose', 'kind', 'target'):
        op.drop_column('share_log', column, schema='ops')
    op.drop_column('outbox', 'revoked', schema='ops')
    for table in TABLES:
        op.drop_column(table, 'consent_evidence', schema='core')
        op.drop_column(table, 'do_not_share', schema='core')
