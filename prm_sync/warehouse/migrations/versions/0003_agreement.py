"""When fields changed, echoes of our own writes, conflicts.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0003'
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('echo',
    sa.Column('remote_id', sa.Text(), nullable=False, comment="The record's id in the remote system"),
    sa.Column('connection', sa.Text(), nullable=False, comment='Connection the record was pulled over'),
    sa.Column('stream', sa.Text(), nullable=False, comment='Stream of the connection'),
    sa.Column('read_upto', sa.BigInteger(), nullable=False, comment='ops.write_log rows up to this id were read back'),
    sa.Column('shown', postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment='Fields that the remote shows in its own way: {remote field: {wrote: ..., shows: ...}}'),
    sa.PrimaryKeyConstraint('remote_id', 'connection', 'stream'),
    schema='core',
    comment='Our own writes as the remote shows them: no changes, and nothing to be sent again'
    )
    op.create_table('field_time',
    sa.Column('remote_id', sa.Text(), nullable=False, comment="The record's id in the remote system"),
    sa.Column('connection', sa.Text(), nullable=False, comment='Connection the record was pulled over'),
    sa.Column('stream', sa.Text(), nullable=False, comment='Stream of the connection'),
    sa.Column('entity', sa.Text(), nullable=False, comment='Kind of entity that the record is'),
    sa.Column('base_time', sa.DateTime(timezone=True), nullable=True, comment='Time of the fields that `changed` does not name'),
    sa.Column('changed', postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment='Fields that changed since the record was first read: {field: {at: when (null: it repeats what we wrote), before: what it said when all systems last agreed}}'),
    sa.PrimaryKeyConstraint('remote_id', 'connection', 'stream', 'entity'),
    schema='core',
    comment='When the fields of remote records changed, from consecutive payloads; only of those that did'
    )
    op.create_table('conflict',
    sa.Column('id', sa.Text(), nullable=False, comment='The same changes of the same field have the same id'),
    sa.Column('kind', sa.Text(), nullable=False, comment='both_changed: two systems changed a field since they agreed; flip_flop: a value that we write comes back again and again'),
    sa.Column('entity', sa.Text(), nullable=False, comment='Kind of entity'),
    sa.Column('entity_id', sa.Text(), nullable=False, comment='Entity'),
    sa.Column('field', sa.Text(), nullable=False, comment='Canonical field; of a flip_flop the remote field'),
    sa.Column('connection', sa.Text(), nullable=True, comment='Of a flip_flop: where the field is frozen'),
    sa.Column('stream', sa.Text(), nullable=True, comment='Of a flip_flop: stream'),
    sa.Column('remote_id', sa.Text(), nullable=True, comment='Of a flip_flop: record'),
    sa.Column('sides', postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment='Who changed it: [{connection, record, value, at, before}]; of a flip_flop the writes'),
    sa.Column('agreed', postgresql.JSONB(astext_type=sa.Text()), nullable=True, comment='Value on which all systems last agreed'),
    sa.Column('rule', sa.Text(), nullable=False, comment='Rule of the field; of a flip_flop how often it went back'),
    sa.Column('state', sa.Text(), nullable=False, comment='open, ruled (by the rule, at once), resolved (by a person), closed (nothing left to decide)'),
    sa.Column('in_force', sa.Boolean(), server_default=sa.text('false'), nullable=False, comment='True: the decision stands until all systems say the same'),
    sa.Column('value', postgresql.JSONB(astext_type=sa.Text()), nullable=True, comment="What stands: the rule's winner, or what was decided"),
    sa.Column('opened_at', sa.DateTime(timezone=True), nullable=False, comment='When it was first seen'),
    sa.Column('resolved_at', sa.DateTime(timezone=True), nullable=True, comment='When it was decided or closed'),
    sa.Column('resolved_by', sa.Text(), nullable=True, comment='Who decided, or which rule'),
    sa.PrimaryKeyConstraint('id'),
    schema='ops',
    comment='Fields that two systems changed differently, and fields that go back and forth'
    )
    op.create_index('conflict_by_entity', 'conflict', ['entity_id'], unique=False, schema='ops')
    op.create_index('conflict_in_force', 'conflict', ['entity', 'entity_id'], unique=False, schema='ops', postgresql_where=sa.text("state = 'open' or in_force"))


def downgrade() -> None:
    op.drop_index('conflict_in_force', table_name='conflict', schema='ops', postgresql_where=sa.text("state = 'open' or in_force"))
    op.drop_index('conflict_by_entity', table_name='conflict', schema='ops')
    op.drop_table('conflict', schema='ops')
    op.drop_table('field_time', schema='core')
    op.drop_table('echo', schema='core')
