"""matching by likeness

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('match_key',
    sa.Column('key', sa.BigInteger(), nullable=False, comment='Hash of the parts of one group under `candidates` of policies/identity.yaml'),
    sa.Column('entity', sa.Text(), nullable=False, comment='Kind of entity'),
    sa.Column('arrived', sa.BigInteger(), nullable=False, comment='Arrival number of the record in core.<entity>_source'),
    sa.PrimaryKeyConstraint('key', 'entity', 'arrived'),
    schema='core',
    comment='Records that share a key here are compared; only where a policy says `resembles`'
    )
    op.create_index('match_key_by_record', 'match_key', ['entity', 'arrived'], unique=False, schema='core')
    op.create_table('match_review',
    sa.Column('entity', sa.Text(), nullable=False, comment='Kind of entity'),
    sa.Column('a', sa.BigInteger(), nullable=False, comment='Arrival number of the older record in core.<entity>_source'),
    sa.Column('b', sa.BigInteger(), nullable=False, comment='Arrival number of the younger record'),
    sa.Column('record_a', sa.Text(), nullable=False, comment="The older one: '<connection>/<stream>/<remote id>'"),
    sa.Column('record_b', sa.Text(), nullable=False, comment='The younger one'),
    sa.Column('score', sa.Double(), nullable=True, comment='Probability that both are one; null: never compared'),
    sa.Column('reasons', postgresql.ARRAY(sa.Text()), nullable=False, comment='What they have in common and in what they differ'),
    sa.Column('state', sa.Text(), nullable=False, comment='merged (by score), open (a person is to decide), accepted, rejected'),
    sa.Column('found_at', sa.DateTime(timezone=True), nullable=False, comment='When the pair was first found'),
    sa.Column('decided_by', sa.Text(), nullable=True, comment='Who accepted or rejected it'),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=True, comment='When'),
    sa.PrimaryKeyConstraint('entity', 'a', 'b'),
    schema='core',
    comment='Pairs of remote records that are alike, and whether they are one'
    )
    op.create_index('match_review_b', 'match_review', ['entity', 'b'], unique=False, schema='core')
    op.create_index('match_review_waiting', 'match_review', ['entity', 'score'], unique=False, schema='core', postgresql_where=sa.text("state = 'open'"))
    op.create_index('match_review_apart', 'match_review', ['entity', 'a', 'b'], unique=False, schema='core', postgresql_where=sa.text("state = 'rejected'"))
    op.create_table('match_decision',
    sa.Column('id', sa.BigInteger(), sa.Identity(), nullable=False, comment='Order of the decisions'),
    sa.Column('entity', sa.Text(), nullable=False, comment='Kind of entity'),
    sa.Column('verb', sa.Text(), nullable=False, comment='accept, reject, split or merge'),
    sa.Column('pairs', postgresql.JSONB(), nullable=False, comment='Pairs it concerned: [a, b, state before or null]'),
    sa.Column('moved', postgresql.JSONB(), nullable=False, comment='Records that it took out of an entity: [entity before, entity after]'),
    sa.Column('decided_by', sa.Text(), nullable=False, comment='Who'),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=False, comment='When'),
    sa.Column('undone_at', sa.DateTime(timezone=True), nullable=True, comment='When it was taken back'),
    sa.PrimaryKeyConstraint('id'),
    schema='core',
    comment='What people decided about pairs; each can be taken back'
    )
    op.alter_column('crosswalk', 'matched_by', existing_type=sa.Text(), existing_nullable=False, schema='core',
    comment='Why: new, exact_key, external_id, likeness, merged, split, pushed',
    existing_comment='Why: new, exact_key, external_id, merged, pushed')


def downgrade() -> None:
    op.alter_column('crosswalk', 'matched_by', existing_type=sa.Text(), existing_nullable=False, schema='core',
    comment='Why: new, exact_key, external_id, merged, pushed',
    existing_comment='Why: new, exact_key, external_id, likeness, merged, split, pushed')
    op.drop_table('match_decision', schema='core')
    op.drop_index('match_review_apart', table_name='match_review', schema='core', postgresql_where=sa.text("state = 'rejected'"))
    op.drop_index('match_review_waiting', table_name='match_review', schema='core', postgresql_where=sa.text("state = 'open'"))
    op.drop_index('match_review_b', table_name='match_review', schema='core')
    op.drop_table('match_review', schema='core')
    op.drop_index('match_key_by_record', table_name='match_key', schema='core')
    op.drop_table('match_key', schema='core')
