"""deal registrations

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('account_source', sa.Column('tax_id', sa.Text(), nullable=True, comment='Tax number. PII: company; R049'), schema='core')
    op.add_column('account', sa.Column('tax_id', sa.Text(), nullable=True, comment='Tax number. PII: company; R049'), schema='core')
    op.add_column('account_past', sa.Column('tax_id', sa.Text(), nullable=True, comment='Tax number. PII: company; R049'), schema='core')
    op.add_column('deal_registration_source', sa.Column('tax_id', sa.Text(), nullable=True, comment="The customer's tax number. PII: company; R048"), schema='core')
    op.add_column('deal_registration', sa.Column('tax_id', sa.Text(), nullable=True, comment="The customer's tax number. PII: company; R048"), schema='core')
    op.add_column('deal_registration_past', sa.Column('tax_id', sa.Text(), nullable=True, comment="The customer's tax number. PII: company; R048"), schema='core')
    op.create_table('registration_decision',
    sa.Column('registration_id', sa.Text(), nullable=False, comment='Registration'),
    sa.Column('partner_id', sa.Text(), nullable=False, comment='Who registers'),
    sa.Column('outcome', sa.Text(), nullable=False, comment='approve, reject or review (a person is to decide)'),
    sa.Column('because', sa.Text(), nullable=False, comment='Why, in words'),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=False, comment='When'),
    sa.Column('decided_by', sa.Text(), nullable=True, comment='Who; null: the rules'),
    sa.Column('protected_until', sa.DateTime(timezone=True), nullable=True, comment='End of the protection of an approved one'),
    sa.Column('opportunity_id', sa.Text(), nullable=True, comment="The partner's own deal in the CRM, if there is one"),
    sa.Column('rule_version', sa.Text(), nullable=False, comment='Hash of policies/registrations.yaml'),
    sa.Column('run_id', sa.Text(), nullable=True, comment='Run'),
    sa.PrimaryKeyConstraint('registration_id'),
    schema='ledger',
    comment='What was decided about each deal registration'
    )
    op.create_table('deal_conflict',
    sa.Column('id', sa.Text(), nullable=False, comment='The same two claims have the same id'),
    sa.Column('kind', sa.Text(), nullable=False, comment='partner_vs_partner or partner_vs_direct'),
    sa.Column('registration_id', sa.Text(), nullable=False, comment='Registration; of two the later one'),
    sa.Column('partner_id', sa.Text(), nullable=False, comment='Who registers'),
    sa.Column('other_kind', sa.Text(), nullable=False, comment='registration, opportunity, account or lead'),
    sa.Column('other_id', sa.Text(), nullable=False, comment='The other claim'),
    sa.Column('other_partner_id', sa.Text(), nullable=True, comment="Whose it is; null: the seller's own"),
    sa.Column('other_first', sa.Boolean(), nullable=False, comment='Whether the other was there before'),
    sa.Column('apart_s', sa.Double(), nullable=True, comment='Seconds between both; null: not known'),
    sa.Column('score', sa.Double(), nullable=False, comment='How likely both are one deal, 0 to 1'),
    sa.Column('evidence', postgresql.ARRAY(sa.Text()), nullable=False, comment='What they have in common, and in what they differ'),
    sa.Column('state', sa.Text(), nullable=False, comment='open (a decision is awaited) or settled'),
    sa.Column('found_at', sa.DateTime(timezone=True), nullable=False, comment='When found'),
    sa.Column('settled_at', sa.DateTime(timezone=True), nullable=True, comment='When settled'),
    sa.Column('rule_version', sa.Text(), nullable=False, comment='Hash of policies/registrations.yaml'),
    sa.PrimaryKeyConstraint('id'),
    schema='ledger',
    comment='Claims of two parties to what is likely one deal'
    )
    op.create_index('deal_conflict_by_other', 'deal_conflict', ['other_id'], unique=False, schema='ledger')
    op.create_index('deal_conflict_by_registration', 'deal_conflict', ['registration_id'], unique=False, schema='ledger')
    op.create_table('deal_credit',
    sa.Column('opportunity_id', sa.Text(), nullable=False, comment='Deal that was won'),
    sa.Column('partner_id', sa.Text(), nullable=False, comment="Partner; empty: the seller's own people"),
    sa.Column('kind', sa.Text(), nullable=False, comment='sourced, influenced or direct'),
    sa.Column('is_primary', sa.Boolean(), nullable=False, comment='One of a deal is; the sum of these is the sum of what was won'),
    sa.Column('amount', sa.BigInteger(), nullable=False, comment='Of the deal, minor units'),
    sa.Column('currency', sa.Text(), nullable=False, comment='Its currency'),
    sa.Column('because', sa.Text(), nullable=False, comment='Why'),
    sa.Column('as_of', sa.DateTime(timezone=True), nullable=False, comment='When it was told'),
    sa.PrimaryKeyConstraint('opportunity_id', 'partner_id'),
    schema='ledger',
    comment='Who has a share in each won deal'
    )
    op.create_index('deal_credit_primary', 'deal_credit', ['opportunity_id'], unique=True, schema='ledger', postgresql_where=sa.text('is_primary'))


def downgrade() -> None:
    op.drop_column('account_source', 'tax_id', schema='core')
    op.drop_column('account', 'tax_id', schema='core')
    op.drop_column('account_past', 'tax_id', schema='core')
    op.drop_column('deal_registration_source', 'tax_id', schema='core')
    op.drop_column('deal_registration', 'tax_id', schema='core')
    op.drop_column('deal_registration_past', 'tax_id', schema='core')
    op.drop_index('deal_credit_primary', table_name='deal_credit', schema='ledger', postgresql_where=sa.text('is_primary'))
    op.drop_table('deal_credit', schema='ledger')
    op.drop_index('deal_conflict_by_other', table_name='deal_conflict', schema='ledger')
    op.drop_index('deal_conflict_by_registration', table_name='deal_conflict', schema='ledger')
    op.drop_table('deal_conflict', schema='ledger')
    op.drop_table('registration_decision', schema='ledger')
