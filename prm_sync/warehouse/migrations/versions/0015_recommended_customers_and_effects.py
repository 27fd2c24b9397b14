"""customers that partners are told of, and the effect of signals

Revision ID: 0015
Revises: 0014
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('recommendation',
    sa.Column('id', sa.Text(), nullable=False, comment='Stable id of the entity'),
    sa.Column('account_ref', sa.Text(), nullable=True, comment="The customer. '<connection>:<remote id>' of a account; join core.crosswalk. PII: none; R072"),
    sa.Column('name', sa.Text(), nullable=True, comment='Name of the customer, in its own script. PII: company; R072'),
    sa.Column('city', sa.Text(), nullable=True, comment='City of the customer, in its own script. PII: company; R072'),
    sa.Column('country', sa.Text(), nullable=True, comment='Country, ISO 3166-1 alpha-2. PII: company; R046'),
    sa.Column('industry', sa.Text(), nullable=True, comment='Industry, in the words of the routing policy. PII: company; R045'),
    sa.Column('score', sa.BigInteger(), nullable=True, comment='Score, 0 to 100, rounded down as policies/recommendations.yaml says. PII: company; R072'),
    sa.Column('why', sa.Text(), nullable=True, comment='The reasons in words, the weightiest first. PII: company; R072'),
    sa.Column('product', sa.Text(), nullable=True, comment='Product that suits: asked for last, else bought last, and sold by the partner. PII: company; R072'),
    sa.Column('as_of', sa.Date(), nullable=True, comment='Since when it says so. PII: none; R072'),
    sa.Column('shared_key', sa.Text(), nullable=True, comment="The copy that a partner sees, '<id>:<partner id>', as this system gave it to the source. PII: none; R024"),
    sa.Column('provenance', postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="Where each field came from: {field: '<connection>/<stream>/<remote id>'}, '*' for all others"),
    sa.Column('sources', sa.Integer(), nullable=False, comment='Number of remote records behind it'),
    sa.Column('arrived', sa.BigInteger(), nullable=False, comment='Arrival number of its oldest record'),
    sa.Column('touched', sa.BigInteger(), nullable=False, comment='Change number of the last change of this row'),
    sa.Column('valid_from', sa.DateTime(timezone=True), nullable=False, comment='Since when the values hold'),
    sa.Column('deleted_at', sa.DateTime(timezone=True), nullable=True, comment='When its last remote record was deleted'),
    sa.Column('merged_into', sa.Text(), nullable=True, comment='The entity it was found to be the same as'),
    sa.PrimaryKeyConstraint('id'),
    schema='core',
    comment='Golden records. A customer who buys much or may buy, told to the partner who serves it. Scored here.'
    )
    op.create_index('recommendation_merged', 'recommendation', ['merged_into'], unique=False, schema='core', postgresql_where=sa.text('merged_into IS NOT NULL'))
    op.create_index('recommendation_touched', 'recommendation', ['touched'], unique=False, schema='core')
    op.create_table('recommendation_past',
    sa.Column('id', sa.Text(), nullable=False, comment='Id of the entity'),
    sa.Column('version', sa.BigInteger(), nullable=False, comment='Change number of the superseded row'),
    sa.Column('account_ref', sa.Text(), nullable=True, comment="The customer. '<connection>:<remote id>' of a account; join core.crosswalk. PII: none; R072"),
    sa.Column('name', sa.Text(), nullable=True, comment='Name of the customer, in its own script. PII: company; R072'),
    sa.Column('city', sa.Text(), nullable=True, comment='City of the customer, in its own script. PII: company; R072'),
    sa.Column('country', sa.Text(), nullable=True, comment='Country, ISO 3166-1 alpha-2. PII: company; R046'),
    sa.Column('industry', sa.Text(), nullable=True, comment='Industry, in the words of the routing policy. PII: company; R045'),
    sa.Column('score', sa.BigInteger(), nullable=True, comment='Score, 0 to 100, rounded down as policies/recommendations.yaml says. PII: company; R072'),
    sa.Column('why', sa.Text(), nullable=True, comment='The reasons in words, the weightiest first. PII: company; R072'),
    sa.Column('product', sa.Text(), nullable=True, comment='Product that suits: asked for last, else bought last, and sold by the partner. PII: company; R072'),
    sa.Column('as_of', sa.Date(), nullable=True, comment='Since when it says so. PII: none; R072'),
    sa.Column('shared_key', sa.Text(), nullable=True, comment="The copy that a partner sees, '<id>:<partner id>', as this system gave it to the source. PII: none; R024"),
    sa.Column('provenance', postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment='Where each field came from'),
    sa.Column('valid_from', sa.DateTime(timezone=True), nullable=False, comment='Since when the values held'),
    sa.Column('valid_to', sa.DateTime(timezone=True), nullable=False, comment='Until when'),
    sa.PrimaryKeyConstraint('id', 'version'),
    schema='core',
    comment='Superseded golden records; core.recommendation_history shows them with the present ones'
    )
    op.create_table('recommendation_source',
    sa.Column('connection', sa.Text(), nullable=False, comment='Connection the record was pulled over'),
    sa.Column('stream', sa.Text(), nullable=False, comment='Stream of the connection'),
    sa.Column('remote_id', sa.Text(), nullable=False, comment="The record's id in the remote system"),
    sa.Column('arrived', sa.BigInteger(), server_default=sa.text("nextval('core.arrival_seq')"), nullable=False, comment='Order in which records were first mapped'),
    sa.Column('touched', sa.BigInteger(), nullable=False, comment='Change number of the last change of this row'),
    sa.Column('remote_time', sa.DateTime(timezone=True), nullable=True, comment='Time of the last change, as the remote says'),
    sa.Column('deleted_at', sa.DateTime(timezone=True), nullable=True, comment='When the remote was first seen to have deleted it'),
    sa.Column('key_1', sa.BigInteger(), nullable=True, comment='Hash of exact key 1 of policies/identity.yaml'),
    sa.Column('key_2', sa.BigInteger(), nullable=True, comment='Hash of exact key 2 of policies/identity.yaml'),
    sa.Column('key_3', sa.BigInteger(), nullable=True, comment='Hash of exact key 3 of policies/identity.yaml'),
    sa.Column('key_4', sa.BigInteger(), nullable=True, comment='Hash of exact key 4 of policies/identity.yaml'),
    sa.Column('account_ref', sa.Text(), nullable=True, comment="The customer. '<connection>:<remote id>' of a account; join core.crosswalk. PII: none; R072"),
    sa.Column('name', sa.Text(), nullable=True, comment='Name of the customer, in its own script. PII: company; R072'),
    sa.Column('city', sa.Text(), nullable=True, comment='City of the customer, in its own script. PII: company; R072'),
    sa.Column('country', sa.Text(), nullable=True, comment='Country, ISO 3166-1 alpha-2. PII: company; R046'),
    sa.Column('industry', sa.Text(), nullable=True, comment='Industry, in the words of the routing policy. PII: company; R045'),
    sa.Column('score', sa.BigInteger(), nullable=True, comment='Score, 0 to 100, rounded down as policies/recommendations.yaml says. PII: company; R072'),
    sa.Column('why', sa.Text(), nullable=True, comment='The reasons in words, the weightiest first. PII: company; R072'),
    sa.Column('product', sa.Text(), nullable=True, comment='Product that suits: asked for last, else bought last, and sold by the partner. PII: company; R072'),
    sa.Column('as_of', sa.Date(), nullable=True, comment='Since when it says so. PII: none; R072'),
    sa.Column('shared_key', sa.Text(), nullable=True, comment="The copy that a partner sees, '<id>:<partner id>', as this system gave it to the source. PII: none; R024"),
    sa.PrimaryKeyConstraint('remote_id', 'connection', 'stream'),
    schema='core',
    comment='One row per remote record that is a recommendation, in canonical form. A customer who buys much or may buy, told to the partner who serves it. Scored here.'
    )
    op.create_index('recommendation_source_arrived', 'recommendation_source', ['arrived'], unique=False, schema='core')
    op.create_index('recommendation_source_key_1', 'recommendation_source', ['key_1'], unique=False, schema='core', postgresql_where=sa.text('key_1 IS NOT NULL'))
    op.create_index('recommendation_source_key_2', 'recommendation_source', ['key_2'], unique=False, schema='core', postgresql_where=sa.text('key_2 IS NOT NULL'))
    op.create_index('recommendation_source_key_3', 'recommendation_source', ['key_3'], unique=False, schema='core', postgresql_where=sa.text('key_3 IS NOT NULL'))
    op.create_index('recommendation_source_key_4', 'recommendation_source', ['key_4'], unique=False, schema='core', postgresql_where=sa.text('key_4 IS NOT NULL'))
    op.create_index('recommendation_source_touched', 'recommendation_source', ['touched'], unique=False, schema='core')
    op.create_table('recommendation_audience',
    sa.Column('recommendation_id', sa.Text(), nullable=False, comment='Recommendation'),
    sa.Column('partner_id', sa.Text(), nullable=False, comment='The partner who serves the customer'),
    sa.Column('account_id', sa.Text(), nullable=False, comment='The customer'),
    sa.Column('contact_id', sa.Text(), nullable=False, comment='The person whose consent it rests on'),
    sa.PrimaryKeyConstraint('recommendation_id'),
    schema='ledger',
    comment='Which partner is told of which customer, and whose consent that rests on'
    )
    op.create_index('recommendation_audience_by_account', 'recommendation_audience', ['account_id'], unique=False, schema='ledger')
    op.create_index('recommendation_audience_by_contact', 'recommendation_audience', ['contact_id'], unique=False, schema='ledger')
    op.create_table('signal_effect',
    sa.Column('signal_id', sa.Text(), nullable=False, comment='Signal'),
    sa.Column('measure', sa.Text(), nullable=False, comment='What was counted'),
    sa.Column('country', sa.Text(), nullable=False, comment='Country, ISO 3166-1 alpha-2'),
    sa.Column('region', sa.Text(), nullable=True, comment='Region, ISO 3166-2; null: the whole country'),
    sa.Column('product', sa.Text(), nullable=False, comment='Product'),
    sa.Column('direction', sa.Text(), nullable=False, comment='What partners were told: rise or fall'),
    sa.Column('told_in', sa.Date(), nullable=False, comment='First day of the month in which it was told first'),
    sa.Column('partners', sa.BigInteger(), nullable=False, comment='How many partners were told'),
    sa.Column('months', sa.BigInteger(), nullable=False, comment='So many months before that month, and as many after it, are compared'),
    sa.Column('before', sa.BigInteger(), nullable=False, comment='How many in the months before, rounded as policies/signals.yaml says'),
    sa.Column('after', sa.BigInteger(), nullable=False, comment='How many in the months after it, rounded in the same way'),
    sa.Column('change_percent', sa.BigInteger(), nullable=False, comment='How much more (or less, below 0) after than before, to five percent'),
    sa.Column('elsewhere_percent', sa.BigInteger(), nullable=False, comment='The same in all places where nobody was told of the same in these months'),
    sa.Column('effect_points', sa.BigInteger(), nullable=False, comment='The one less the other: what is more here than elsewhere, in percentage points'),
    sa.Column('as_of', sa.DateTime(timezone=True), nullable=False, comment='When it was computed'),
    sa.PrimaryKeyConstraint('signal_id'),
    schema='mart',
    comment='Demand before and after a signal was told, beside the places where none was; no number about fewer customers than policies/signals.yaml allows. No proof that the signal was the cause'
    )


def downgrade() -> None:
    op.drop_table("signal_effect", schema="mart")
    op.drop_table("recommendation_audience", schema="ledger")
    for table in ("recommendation_source", "recommendation_past", "recommendation"):
        op.drop_table(table, schema="core")
