"""partners beside leads

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('incentive_claim',
    sa.Column('id', sa.Text(), nullable=False, comment='Stable id of the entity'),
    sa.Column('partner_ref', sa.Text(), nullable=True, comment="Who is to get it. '<connection>:<remote id>' of a partner; join core.crosswalk. PII: none; R094"),
    sa.Column('partner_key', sa.Text(), nullable=True, comment="Who is to get it, by the partner's key in the PRM. PII: none; R094"),
    sa.Column('number', sa.Text(), nullable=True, comment='Number or key in the PRM. PII: none; R094'),
    sa.Column('programme', sa.Text(), nullable=True, comment='Programme, as policies/incentives.yaml names it; empty: not told. PII: none; R094'),
    sa.Column('kind', sa.Text(), nullable=True, comment='What kind of incentive. one of spiff, rebate, referral_fee, bonus, mdf, other. PII: none; R094'),
    sa.Column('order_ref', sa.Text(), nullable=True, comment="The order it is for. '<connection>:<remote id>' of a order; join core.crosswalk. PII: none; R094"),
    sa.Column('order_number', sa.Text(), nullable=True, comment='The order it is for, by its number. PII: none; R094'),
    sa.Column('deal_number', sa.Text(), nullable=True, comment='The deal it is for, by the number of its registration in the PRM. PII: none; R094'),
    sa.Column('amount', sa.BigInteger(), nullable=True, comment='Claimed amount, in minor units of `currency`. PII: none; R094'),
    sa.Column('currency', sa.Text(), nullable=True, comment='Currency of the amounts, ISO 4217. PII: none; R007'),
    sa.Column('status', sa.Text(), nullable=True, comment='State of the claim. one of accrued, submitted, held, approved, scheduled, paid, declined, reversed, expired. PII: none; R094'),
    sa.Column('claimed_at', sa.DateTime(timezone=True), nullable=True, comment='When it was claimed. PII: none; R094'),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=True, comment='When it was approved or declined. PII: none; R094'),
    sa.Column('paid_at', sa.DateTime(timezone=True), nullable=True, comment='When it was paid. PII: none; R094'),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=True, comment='When the record was made in its source. PII: none'),
    sa.Column('is_test', sa.Boolean(), nullable=True, comment='True for a test record: kept, never routed, never counted. PII: none; R128'),
    sa.Column('provenance', postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="Where each field came from: {field: '<connection>/<stream>/<remote id>'}, '*' for all others"),
    sa.Column('sources', sa.Integer(), nullable=False, comment='Number of remote records behind it'),
    sa.Column('arrived', sa.BigInteger(), nullable=False, comment='Arrival number of its oldest record'),
    sa.Column('touched', sa.BigInteger(), nullable=False, comment='Change number of the last change of this row'),
    sa.Column('valid_from', sa.DateTime(timezone=True), nullable=False, comment='Since when the values hold'),
    sa.Column('deleted_at', sa.DateTime(timezone=True), nullable=True, comment='When its last remote record was deleted'),
    sa.Column('merged_into', sa.Text(), nullable=True, comment='The entity it was found to be the same as'),
    sa.PrimaryKeyConstraint('id'),
    schema='core',
    comment='Golden records. What a partner asks for, or is to get, under an incentive programme.'
    )
    op.create_index('incentive_claim_merged', 'incentive_claim', ['merged_into'], unique=False, schema='core', postgresql_where=sa.text('merged_into IS NOT NULL'))
    op.create_index('incentive_claim_touched', 'incentive_claim', ['touched'], unique=False, schema='core')
    op.create_table('incentive_claim_past',
    sa.Column('id', sa.Text(), nullable=False, comment='Id of the entity'),
    sa.Column('version', sa.BigInteger(), nullable=False, comment='Change number of the superseded row'),
    sa.Column('partner_ref', sa.Text(), nullable=True, comment="Who is to get it. '<connection>:<remote id>' of a partner; join core.crosswalk. PII: none; R094"),
    sa.Column('partner_key', sa.Text(), nullable=True, comment="Who is to get it, by the partner's key in the PRM. PII: none; R094"),
    sa.Column('number', sa.Text(), nullable=True, comment='Number or key in the PRM. PII: none; R094'),
    sa.Column('programme', sa.Text(), nullable=True, comment='Programme, as policies/incentives.yaml names it; empty: not told. PII: none; R094'),
    sa.Column('kind', sa.Text(), nullable=True, comment='What kind of incentive. one of spiff, rebate, referral_fee, bonus, mdf, other. PII: none; R094'),
    sa.Column('order_ref', sa.Text(), nullable=True, comment="The order it is for. '<connection>:<remote id>' of a order; join core.crosswalk. PII: none; R094"),
    sa.Column('order_number', sa.Text(), nullable=True, comment='The order it is for, by its number. PII: none; R094'),
    sa.Column('deal_number', sa.Text(), nullable=True, comment='The deal it is for, by the number of its registration in the PRM. PII: none; R094'),
    sa.Column('amount', sa.BigInteger(), nullable=True, comment='Claimed amount, in minor units of `currency`. PII: none; R094'),
    sa.Column('currency', sa.Text(), nullable=True, comment='Currency of the amounts, ISO 4217. PII: none; R007'),
    sa.Column('status', sa.Text(), nullable=True, comment='State of the claim. one of accrued, submitted, held, approved, scheduled, paid, declined, reversed, expired. PII: none; R094'),
    sa.Column('claimed_at', sa.DateTime(timezone=True), nullable=True, comment='When it was claimed. PII: none; R094'),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=True, comment='When it was approved or declined. PII: none; R094'),
    sa.Column('paid_at', sa.DateTime(timezone=True), nullable=True, comment='When it was paid. PII: none; R094'),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=True, comment='When the record was made in its source. PII: none'),
    sa.Column('is_test', sa.Boolean(), nullable=True, comment='True for a test record: kept, never routed, never counted. PII: none; R128'),
    sa.Column('provenance', postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment='Where each field came from'),
    sa.Column('valid_from', sa.DateTime(timezone=True), nullable=False, comment='Since when the values held'),
    sa.Column('valid_to', sa.DateTime(timezone=True), nullable=False, comment='Until when'),
    sa.PrimaryKeyConstraint('id', 'version'),
    schema='core',
    comment='Superseded golden records; core.incentive_claim_history shows them with the present ones'
    )
    op.create_table('incentive_claim_source',
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
    sa.Column('partner_ref', sa.Text(), nullable=True, comment="Who is to get it. '<connection>:<remote id>' of a partner; join core.crosswalk. PII: none; R094"),
    sa.Column('partner_key', sa.Text(), nullable=True, comment="Who is to get it, by the partner's key in the PRM. PII: none; R094"),
    sa.Column('number', sa.Text(), nullable=True, comment='Number or key in the PRM. PII: none; R094'),
    sa.Column('programme', sa.Text(), nullable=True, comment='Programme, as policies/incentives.yaml names it; empty: not told. PII: none; R094'),
    sa.Column('kind', sa.Text(), nullable=True, comment='What kind of incentive. one of spiff, rebate, referral_fee, bonus, mdf, other. PII: none; R094'),
    sa.Column('order_ref', sa.Text(), nullable=True, comment="The order it is for. '<connection>:<remote id>' of a order; join core.crosswalk. PII: none; R094"),
    sa.Column('order_number', sa.Text(), nullable=True, comment='The order it is for, by its number. PII: none; R094'),
    sa.Column('deal_number', sa.Text(), nullable=True, comment='The deal it is for, by the number of its registration in the PRM. PII: none; R094'),
    sa.Column('amount', sa.BigInteger(), nullable=True, comment='Claimed amount, in minor units of `currency`. PII: none; R094'),
    sa.Column('currency', sa.Text(), nullable=True, comment='Currency of the amounts, ISO 4217. PII: none; R007'),
    sa.Column('status', sa.Text(), nullable=True, comment='State of the claim. one of accrued, submitted, held, approved, scheduled, paid, declined, reversed, expired. PII: none; R094'),
    sa.Column('claimed_at', sa.DateTime(timezone=True), nullable=True, comment='When it was claimed. PII: none; R094'),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=True, comment='When it was approved or declined. PII: none; R094'),
    sa.Column('paid_at', sa.DateTime(timezone=True), nullable=True, comment='When it was paid. PII: none; R094'),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=True, comment='When the record was made in its source. PII: none'),
    sa.Column('is_test', sa.Boolean(), nullable=True, comment='True for a test record: kept, never routed, never counted. PII: none; R128'),
    sa.PrimaryKeyConstraint('remote_id', 'connection', 'stream'),
    schema='core',
    comment='One row per remote record that is a incentive_claim, in canonical form. What a partner asks for, or is to get, under an incentive programme.'
    )
    op.create_index('incentive_claim_source_arrived', 'incentive_claim_source', ['arrived'], unique=False, schema='core')
    op.create_index('incentive_claim_source_key_1', 'incentive_claim_source', ['key_1'], unique=False, schema='core', postgresql_where=sa.text('key_1 IS NOT NULL'))
    op.create_index('incentive_claim_source_key_2', 'incentive_claim_source', ['key_2'], unique=False, schema='core', postgresql_where=sa.text('key_2 IS NOT NULL'))
    op.create_index('incentive_claim_source_key_3', 'incentive_claim_source', ['key_3'], unique=False, schema='core', postgresql_where=sa.text('key_3 IS NOT NULL'))
    op.create_index('incentive_claim_source_key_4', 'incentive_claim_source', ['key_4'], unique=False, schema='core', postgresql_where=sa.text('key_4 IS NOT NULL'))
    op.create_index('incentive_claim_source_touched', 'incentive_claim_source', ['touched'], unique=False, schema='core')
    op.create_table('credit_change',
    sa.Column('opportunity_id', sa.Text(), nullable=False, comment='Deal'),
    sa.Column('partner_id', sa.Text(), nullable=False, comment='Partner; empty: own people'),
    sa.Column('touched', sa.BigInteger(), nullable=False, comment='Change number of the last change of that credit, also of its end'),
    sa.PrimaryKeyConstraint('opportunity_id', 'partner_id'),
    schema='ledger',
    comment='When which credit in ledger.deal_credit changed last, or went away'
    )
    op.create_index('credit_change_touched', 'credit_change', ['touched'], unique=False, schema='ledger')
    op.create_table('expiry_forecast',
    sa.Column('kind', sa.Text(), nullable=False, comment='certificate, agreement or protection (of a registered deal)'),
    sa.Column('subject_id', sa.Text(), nullable=False, comment='The certificate, agreement or registration'),
    sa.Column('partner_id', sa.Text(), nullable=False, comment='Whose it is'),
    sa.Column('name', sa.Text(), nullable=False, comment='What it is called'),
    sa.Column('last_day', sa.Date(), nullable=False, comment='Last day it holds'),
    sa.Column('leads', sa.BigInteger(), nullable=False, comment='Open leads that the partner could have had, and then cannot'),
    sa.Column('stranded', sa.BigInteger(), nullable=False, comment='Of these, leads that then nobody may have'),
    sa.Column('stranded_in', postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment='The same by country'),
    sa.Column('offers', sa.BigInteger(), nullable=False, comment='Leads that it is offered or has accepted, and then could not have'),
    sa.Column('registrations', sa.BigInteger(), nullable=False, comment='Approved registrations of the partner that are protected longer'),
    sa.Column('freed', sa.BigInteger(), nullable=False, comment='Open leads that were its alone, and that others may then have'),
    sa.Column('lead_ids', postgresql.ARRAY(sa.Text()), nullable=False, comment='Some of these leads'),
    sa.Column('rule_version', sa.Text(), nullable=False, comment='Hash of the routing policy'),
    sa.Column('as_of', sa.DateTime(timezone=True), nullable=False, comment='When it was computed'),
    sa.PrimaryKeyConstraint('kind', 'subject_id'),
    schema='mart',
    comment='What runs out within the next months, and what routing will then do otherwise'
    )
    op.create_table('incentive_check',
    sa.Column('partner_id', sa.Text(), nullable=False, comment='Partner'),
    sa.Column('programme', sa.Text(), nullable=False, comment='Programme of policies/incentives.yaml; empty: the claim names none that is there'),
    sa.Column('basis', sa.Text(), nullable=False, comment="'order:<id>' or 'opportunity:<id>' that it is earned by; 'claim:<id>' of a claim without"),
    sa.Column('currency', sa.Text(), nullable=False, comment='Currency of the amounts'),
    sa.Column('earned', sa.BigInteger(), nullable=False, comment="What the programme's rule gives, minor units"),
    sa.Column('claimed', sa.BigInteger(), nullable=False, comment='What the claims come to that were not declined, reversed or expired, minor units'),
    sa.Column('paid', sa.BigInteger(), nullable=False, comment='Of these paid, minor units'),
    sa.Column('state', sa.Text(), nullable=False, comment='as_earned, too_much, too_little, not_earned, not_claimed, other_currency'),
    sa.Column('claims', postgresql.ARRAY(sa.Text()), nullable=False, comment='Ids of the claims'),
    sa.Column('rule_version', sa.Text(), nullable=False, comment='Hash of policies/incentives.yaml'),
    sa.Column('as_of', sa.DateTime(timezone=True), nullable=False, comment='When it was computed'),
    sa.Column('touched', sa.BigInteger(), nullable=False, comment='Change number of the last change of this row'),
    sa.PrimaryKeyConstraint('partner_id', 'programme', 'basis'),
    schema='mart',
    comment='What partners earned by incentive programmes beside what they claim'
    )
    op.create_table('partner_service',
    sa.Column('entity', sa.Text(), nullable=False, comment='account or opportunity'),
    sa.Column('entity_id', sa.Text(), nullable=False, comment='Which one'),
    sa.Column('partner_id', sa.Text(), nullable=True, comment='The partner who serves it; null: none any more'),
    sa.Column('partner', sa.Text(), nullable=True, comment='Its name'),
    sa.Column('partner_key', sa.Text(), nullable=True, comment='Its key in the PRM'),
    sa.Column('since', sa.DateTime(timezone=True), nullable=True, comment='Since when'),
    sa.Column('because', sa.Text(), nullable=True, comment='How we know: named (by the CRM or the PRM), offer, registration, credit'),
    sa.Column('score', sa.Double(), nullable=True, comment='Score of the partner in the last whole month, 0 to 100'),
    sa.Column('response_hours', sa.Double(), nullable=True, comment='Its median hours to answer in that month'),
    sa.Column('action', sa.Text(), nullable=True, comment='What the partner did last about it'),
    sa.Column('action_at', sa.DateTime(timezone=True), nullable=True, comment='When'),
    sa.Column('credit_kind', sa.Text(), nullable=True, comment='Primary credit of a won deal: sourced or direct'),
    sa.Column('credit_partner', sa.Text(), nullable=True, comment='Name of the partner who has it; null: own people'),
    sa.Column('credit_partner_key', sa.Text(), nullable=True, comment="That partner's key in the PRM"),
    sa.Column('credit_amount', sa.BigInteger(), nullable=True, comment='Amount, minor units'),
    sa.Column('credit_currency', sa.Text(), nullable=True, comment='Its currency'),
    sa.Column('influenced_by', postgresql.ARRAY(sa.Text()), nullable=True, comment='Keys of partners who influenced the deal'),
    sa.Column('feedback_id', sa.Text(), nullable=True, comment='Latest feedback by or about the account'),
    sa.Column('feedback_touched', sa.BigInteger(), nullable=True, comment='Its change number'),
    sa.Column('as_of', sa.DateTime(timezone=True), nullable=False, comment='When it was computed'),
    sa.Column('touched', sa.BigInteger(), nullable=False, comment='Change number of the last change of this row'),
    sa.PrimaryKeyConstraint('entity', 'entity_id'),
    schema='mart',
    comment='Which partner serves which account and deal, and what that partner did last about it'
    )
    op.create_index('partner_service_by_partner', 'partner_service', ['partner_id'], unique=False, schema='mart')
    op.create_index('partner_service_touched', 'partner_service', ['touched'], unique=False, schema='mart')
    op.create_table('partner_standing',
    sa.Column('partner_id', sa.Text(), nullable=False, comment='Partner'),
    sa.Column('agreement_state', sa.Text(), nullable=False, comment='in_force, expiring, expired, unsigned or none: over all contracts, on the day'),
    sa.Column('agreement_until', sa.Date(), nullable=True, comment='Last day of the agreement that holds longest; null: no end'),
    sa.Column('certificates', postgresql.ARRAY(sa.Text()), nullable=False, comment='Certificates valid on the day'),
    sa.Column('certificates_until', sa.Date(), nullable=True, comment='Day on which the first of these runs out; null: none does'),
    sa.Column('feedback_id', sa.Text(), nullable=True, comment='Latest feedback by or about the partner that names no account'),
    sa.Column('feedback_touched', sa.BigInteger(), nullable=True, comment='Its change number'),
    sa.Column('as_of', sa.DateTime(timezone=True), nullable=False, comment='When it was computed'),
    sa.Column('touched', sa.BigInteger(), nullable=False, comment='Change number of the last change of this row'),
    sa.PrimaryKeyConstraint('partner_id'),
    schema='mart',
    comment='Agreement and certificates of each partner as they are on the day'
    )
    op.create_index('partner_standing_touched', 'partner_standing', ['touched'], unique=False, schema='mart')
    op.add_column('feedback', sa.Column('account_number', sa.Text(), nullable=True, comment="By or about which account, by the seller's own number of it. PII: none; R075"), schema='core')
    op.add_column('feedback_past', sa.Column('account_number', sa.Text(), nullable=True, comment="By or about which account, by the seller's own number of it. PII: none; R075"), schema='core')
    op.add_column('feedback_source', sa.Column('account_number', sa.Text(), nullable=True, comment="By or about which account, by the seller's own number of it. PII: none; R075"), schema='core')
    op.add_column('partner_performance', sa.Column('score', sa.Double(), nullable=True, comment='Partner score of the quarter up to the month, 0 to 100; null where nothing is known'), schema='mart')


def downgrade() -> None:
    op.drop_column('partner_performance', 'score', schema='mart')
    op.drop_column('feedback_source', 'account_number', schema='core')
    op.drop_column('feedback_past', 'account_number', schema='core')
    op.drop_column('feedback', 'account_number', schema='core')
    op.drop_index('partner_standing_touched', table_name='partner_standing', schema='mart')
    op.drop_table('partner_standing', schema='mart')
    op.drop_index('partner_service_touched', table_name='partner_service', schema='mart')
    op.drop_index('partner_service_by_partner', table_name='partner_service', schema='mart')
    op.drop_table('partner_service', schema='mart')
    op.drop_table('incentive_check', schema='mart')
    op.drop_table('expiry_forecast', schema='mart')
    op.drop_index('credit_change_touched', table_name='credit_change', schema='ledger')
    op.drop_table('credit_change', schema='ledger')
    op.drop_index('incentive_claim_source_touched', table_name='incentive_claim_source', schema='core')
    op.drop_index('incentive_claim_source_key_4', table_name='incentive_claim_source', schema='core', postgresql_where=sa.text('key_4 IS NOT NULL'))
    op.drop_index('incentive_claim_source_key_3', table_name='incentive_claim_source', schema='core', postgresql_where=sa.text('key_3 IS NOT NULL'))
    op.drop_index('incentive_claim_source_key_2', table_name='incentive_claim_source', schema='core', postgresql_where=sa.text('key_2 IS NOT NULL'))
    op.drop_index('incentive_claim_source_key_1', table_name='incentive_claim_source', schema='core', postgresql_where=sa.text('key_1 IS NOT NULL'))
    op.drop_index('incentive_claim_source_arrived', table_name='incentive_claim_source', schema='core')
    op.drop_table('incentive_claim_source', schema='core')
    op.drop_table('incentive_claim_past', schema='core')
    op.drop_index('incentive_claim_touched', table_name='incentive_claim', schema='core')
    op.drop_index('incentive_claim_merged', table_name='incentive_claim', schema='core', postgresql_where=sa.text('merged_into IS NOT NULL'))
    op.drop_table('incentive_claim', schema='core')
