"""plans, deletes and merges

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('entity_merge',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False, comment='Order'),
    sa.Column('entity', sa.Text(), nullable=False, comment='Kind of entity'),
    sa.Column('loser_id', sa.Text(), nullable=False, comment='Entity that was found to be another one'),
    sa.Column('winner_id', sa.Text(), nullable=False, comment='That other one'),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False, comment='When'),
    sa.Column('moved', postgresql.ARRAY(sa.Text()), nullable=False, comment='Records that went over: connection/stream/remote_id'),
    sa.Column('why', sa.Text(), nullable=False, comment='exact_key, or merged: a remote made one record of two'),
    sa.Column('undone_at', sa.DateTime(timezone=True), nullable=True, comment='When they were taken apart again, since a merged record came back'),
    sa.PrimaryKeyConstraint('id'),
    schema='core',
    comment='Which entities became one, and what of them can be taken apart again'
    )
    op.create_index('entity_merge_by_loser', 'entity_merge', ['loser_id'], unique=False, schema='core')
    op.create_table('plan_change',
    sa.Column('plan_id', sa.Text(), nullable=False, comment='Plan'),
    sa.Column('token', sa.Text(), nullable=False, comment='Idempotency token of the change'),
    sa.Column('entity_id', sa.Text(), nullable=False, comment='Entity'),
    sa.Column('target', sa.Text(), nullable=False, comment="Remote id it is for, or the offer's key"),
    sa.Column('op', sa.Text(), nullable=False, comment='upsert or delete'),
    sa.Column('creates', sa.Boolean(), nullable=False, comment='Whether it makes a record'),
    sa.Column('remote_id', sa.Text(), nullable=True, comment='Id in the remote system, where it is known'),
    sa.Column('match_field', sa.Text(), nullable=True, comment='Remote field to match on before a record is made'),
    sa.Column('match_value', sa.Text(), nullable=True, comment='Its value'),
    sa.Column('values', postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment='Remote fields to set, as sent'),
    sa.Column('before', postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment='Changed fields as observed (flat names)'),
    sa.Column('after', postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment='The same as desired'),
    sa.Column('shared', postgresql.ARRAY(sa.Text()), nullable=False, comment='Canonical fields that would leave for a partner'),
    sa.Column('partner_key', sa.Text(), nullable=True, comment='Partner who would see it'),
    sa.PrimaryKeyConstraint('plan_id', 'token'),
    schema='ops',
    comment='The changes of plans that were shown or are held, exactly as they would be sent'
    )
    op.create_table('gone',
    sa.Column('connection', sa.Text(), nullable=False, comment='Connection'),
    sa.Column('stream', sa.Text(), nullable=False, comment='Stream'),
    sa.Column('remote_id', sa.Text(), nullable=False, comment="The record's remote id"),
    sa.Column('entity', sa.Text(), nullable=False, comment="Entity that the mapping's `when` no longer takes it for; empty: the record itself is gone"),
    sa.Column('how', sa.Text(), nullable=False, comment='marked (the remote said so), absent (of a complete read), merged, left_out (by the mapping)'),
    sa.Column('into_id', sa.Text(), nullable=True, comment='Remote id of the record that it was merged into'),
    sa.Column('state', sa.Text(), nullable=False, comment='waiting: not believed yet; gone: merged, and marked as deleted; back: merged once, restored'),
    sa.Column('told_at', sa.DateTime(timezone=True), nullable=False, comment='Start of the read that told it'),
    sa.Column('run_id', sa.Text(), nullable=True, comment='Run'),
    sa.PrimaryKeyConstraint('remote_id', 'connection', 'stream', 'entity'),
    schema='raw',
    comment='Records that are told to be gone and wait (for the end of the read, or for a person); and merged ones'
    )
    op.create_index('gone_by_stream', 'gone', ['connection', 'stream', 'state'], unique=False, schema='raw')
    op.create_index('gone_into', 'gone', ['into_id'], unique=False, schema='raw', postgresql_where=sa.text('into_id IS NOT NULL'))
    op.alter_column('crosswalk', 'matched_by',
               existing_type=sa.TEXT(),
               comment='Why: new, exact_key, external_id, merged, pushed',
               existing_comment='Why: new, exact_key, external_id, pushed',
               existing_nullable=False,
               schema='core')
    op.add_column('outbox', sa.Column('after', postgresql.JSONB(astext_type=sa.Text()), nullable=True, comment='The same as desired'), schema='ops')
    op.alter_column('outbox', 'before',
               existing_type=postgresql.JSONB(astext_type=sa.Text()),
               comment='Changed fields as last observed (flat names)',
               existing_comment='The same fields as last observed',
               existing_nullable=True,
               schema='ops')
    op.alter_column('outbox', 'state',
               existing_type=sa.TEXT(),
               comment='ready, sent, unknown, waiting, done, refused, dropped',
               existing_comment='planned, ready, sent, unknown, waiting, done, refused, dropped',
               existing_nullable=False,
               schema='ops')
    op.add_column('plan', sa.Column('entity', sa.Text(), nullable=True, comment='Kind of entity'), schema='ops')
    op.add_column('plan', sa.Column('hash', sa.Text(), nullable=True, comment='SHA-256 of every change: the same hash is the same plan'), schema='ops')
    op.alter_column('plan', 'state',
               existing_type=sa.TEXT(),
               comment='shown, held, released (within its limits), approved, applied, superseded',
               existing_comment='held, approved, applied, superseded',
               existing_nullable=False,
               schema='ops')
    op.alter_column('plan', 'counts',
               existing_type=postgresql.JSONB(astext_type=sa.Text()),
               comment='create, update, delete, skip, conflict',
               existing_comment='create, update, delete, skip',
               existing_nullable=False,
               schema='ops')
    op.create_table_comment(
        'plan',
        'What was to be changed in one go: shown, held, approved or within its limits',
        existing_comment='Changes that wait for approval, and those that were approved',
        schema='ops'
    )
    # Held plans kept their changes in the outbox: the next push makes them again, in their own table.
    op.execute("UPDATE ops.outbox SET state = 'dropped', settled_at = now() WHERE state = 'planned'")
    op.execute("UPDATE ops.plan SET state = 'superseded' WHERE state = 'held'")


def downgrade() -> None:
    op.create_table_comment(
        'plan',
        'Changes that wait for approval, and those that were approved',
        existing_comment='What was to be changed in one go: shown, held, approved or within its limits',
        schema='ops'
    )
    op.alter_column('plan', 'counts',
               existing_type=postgresql.JSONB(astext_type=sa.Text()),
               comment='create, update, delete, skip',
               existing_comment='create, update, delete, skip, conflict',
               existing_nullable=False,
               schema='ops')
    op.alter_column('plan', 'state',
               existing_type=sa.TEXT(),
               comment='held, approved, applied, superseded',
               existing_comment='shown, held, released (within its limits), approved, applied, superseded',
               existing_nullable=False,
               schema='ops')
    op.drop_column('plan', 'hash', schema='ops')
    op.drop_column('plan', 'entity', schema='ops')
    op.alter_column('outbox', 'state',
               existing_type=sa.TEXT(),
               comment='planned, ready, sent, unknown, waiting, done, refused, dropped',
               existing_comment='ready, sent, unknown, waiting, done, refused, dropped',
               existing_nullable=False,
               schema='ops')
    op.alter_column('outbox', 'before',
               existing_type=postgresql.JSONB(astext_type=sa.Text()),
               comment='The same fields as last observed',
               existing_comment='Changed fields as last observed (flat names)',
               existing_nullable=True,
               schema='ops')
    op.drop_column('outbox', 'after', schema='ops')
    op.alter_column('crosswalk', 'matched_by',
               existing_type=sa.TEXT(),
               comment='Why: new, exact_key, external_id, pushed',
               existing_comment='Why: new, exact_key, external_id, merged, pushed',
               existing_nullable=False,
               schema='core')
    op.drop_index('gone_into', table_name='gone', schema='raw', postgresql_where=sa.text('into_id IS NOT NULL'))
    op.drop_index('gone_by_stream', table_name='gone', schema='raw')
    op.drop_table('gone', schema='raw')
    op.drop_table('plan_change', schema='ops')
    op.drop_index('entity_merge_by_loser', table_name='entity_merge', schema='core')
    op.drop_table('entity_merge', schema='core')
