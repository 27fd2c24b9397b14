"""service cases

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TABLES = ("case", "case_source", "case_past")
EVENT = {
    "offer_id": ("Offer", "Offer of a lead or a case"),
    "event": (
        "offered, accepted, declined, expired, withdrawn, stage",
        "offered, accepted, declined, expired, withdrawn, stage, reopened, closed, overdue",
    ),
}


def _fields() -> list[sa.Column[Any]]:
    return [
        sa.Column('language', sa.Text(), nullable=True, comment="Language of the person who asks, ISO 639-1; else the contact's. PII: personal; R134"),
        sa.Column('required_certification', sa.Text(), nullable=True, comment='Certificate that a partner needs to serve this case. PII: none; R029'),
        sa.Column('do_not_share', sa.Boolean(), nullable=True, comment='True: nothing of the record may leave for partners. PII: none; R024'),
        sa.Column('consent_evidence', sa.Text(), nullable=True, comment="Where the person's consent to sharing is written down: form, ticket, contract. PII: personal; R024"),
        sa.Column('offer_key', sa.Text(), nullable=True, comment='The offer that the record answers, as this system gave it to the source. PII: none; R070'),
        sa.Column('answer', sa.Text(), nullable=True, comment='What the partner said to the offer. one of accepted, declined. PII: none; R070'),
        sa.Column('answered_at', sa.DateTime(timezone=True), nullable=True, comment='When the partner answered. PII: none; R070'),
        sa.Column('decline_reason', sa.Text(), nullable=True, comment="Why the partner declined, in the PRM's words. PII: none; R070"),
        sa.Column('partner_stage', sa.Text(), nullable=True, comment='How far the partner is with the case. one of open, in_progress, resolved. PII: none; R070'),
        sa.Column('resolution', sa.Text(), nullable=True, comment='What the partner did, in its words. PII: personal; R086'),
    ]


def upgrade() -> None:
    for table in TABLES:
        for column in _fields():
            op.add_column(table, column, schema='core')
    op.create_table('case_assignment',
    sa.Column('id', sa.Text(), nullable=False, comment='Id of the offer'),
    sa.Column('case_id', sa.Text(), nullable=False, comment='Case'),
    sa.Column('partner_id', sa.Text(), nullable=False, comment='Partner'),
    sa.Column('decision_id', sa.Text(), nullable=False, comment='Decision'),
    sa.Column('rank', sa.Integer(), nullable=False, comment='1 for the first offer of the case'),
    sa.Column('state', sa.Text(), nullable=False, comment='pending, accepted, declined, expired, withdrawn'),
    sa.Column('offered_at', sa.DateTime(timezone=True), nullable=False, comment='When'),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False, comment='When it runs out'),
    sa.Column('answered_at', sa.DateTime(timezone=True), nullable=True, comment='When the partner answered'),
    sa.Column('decline_reason', sa.Text(), nullable=True, comment='Why the partner declined'),
    sa.Column('partner_stage', sa.Text(), nullable=True, comment='in_progress, resolved, closed, reopened'),
    sa.Column('stage_at', sa.DateTime(timezone=True), nullable=True, comment='When that stage was reached'),
    sa.Column('resolve_by', sa.DateTime(timezone=True), nullable=True, comment='When the case is to be solved, by its priority'),
    sa.Column('responded_at', sa.DateTime(timezone=True), nullable=True, comment='First answer of the partner to the customer'),
    sa.Column('resolved_at', sa.DateTime(timezone=True), nullable=True, comment='When the partner solved it; null again where it was reopened'),
    sa.Column('resolution', sa.Text(), nullable=True, comment='What the partner did, in its words'),
    sa.Column('overdue_at', sa.DateTime(timezone=True), nullable=True, comment='When somebody was told that it is not solved in time'),
    sa.Column('touched', sa.BigInteger(), nullable=False, comment='Change number of the last change of this row'),
    sa.PrimaryKeyConstraint('id'),
    schema='ledger',
    comment='One row per offer of a case to a partner'
    )
    op.create_index('case_assignment_by_case', 'case_assignment', ['case_id', 'rank'], unique=True, schema='ledger')
    op.create_index('case_assignment_by_partner', 'case_assignment', ['partner_id', 'offered_at'], unique=False, schema='ledger')
    op.create_index('case_assignment_touched', 'case_assignment', ['touched'], unique=False, schema='ledger')
    op.create_table('case_decision',
    sa.Column('id', sa.Text(), nullable=False, comment='Id of the decision'),
    sa.Column('case_id', sa.Text(), nullable=False, comment='Case'),
    sa.Column('partner_id', sa.Text(), nullable=True, comment='Partner that was chosen; null: nobody may'),
    sa.Column('score', sa.Double(), nullable=True, comment='Score of the chosen one'),
    sa.Column('rank', sa.Integer(), nullable=False, comment='1 for the first decision of the case'),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=False, comment='When'),
    sa.Column('rule_version', sa.Text(), nullable=False, comment='Hash of the routing policy'),
    sa.Column('outcome', sa.Text(), nullable=False, comment='How the partner was chosen, or why nobody was'),
    sa.Column('note', sa.Text(), nullable=False, comment='The same in words'),
    sa.Column('candidates', postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment='Every partner with its score, or the reason it lost; of a large programme those who might have had the case'),
    sa.Column('reasons', postgresql.JSONB(astext_type=sa.Text()), server_default='{}', nullable=False, comment='How many partners did not get the case for which reason'),
    sa.Column('queue', sa.Text(), nullable=True, comment='Where a case without a partner waits for a person'),
    sa.Column('run_id', sa.Text(), nullable=True, comment='Run'),
    sa.PrimaryKeyConstraint('id'),
    schema='ledger',
    comment='Who was chosen to serve a case, and why the others were not'
    )
    op.create_index('case_decision_by_case', 'case_decision', ['case_id', 'rank'], unique=False, schema='ledger')
    op.create_index('case_decision_by_time', 'case_decision', ['decided_at'], unique=False, schema='ledger')
    op.add_column('partner_performance', sa.Column('cases', sa.BigInteger(), server_default='0', nullable=False, comment='Cases given to the partner in the month'), schema='mart')
    op.add_column('partner_performance', sa.Column('case_response_hours', sa.Double(), nullable=True, comment="Median hours from a case's offer to the first answer to the customer"), schema='mart')
    op.add_column('partner_performance', sa.Column('case_resolution_hours', sa.Double(), nullable=True, comment='Median hours from the opening of a case to its solution'), schema='mart')
    for name, (before, after) in EVENT.items():
        op.alter_column('offer_event', name, existing_type=sa.Text(), comment=after, existing_comment=before, existing_nullable=False, schema='ledger')


def downgrade() -> None:
    for name, (before, after) in EVENT.items():
        op.alter_column('offer_event', name, existing_type=sa.Text(), comment=before, existing_comment=after, existing_nullable=False, schema='ledger')
    for figure in ('case_resolution_hours', 'case_response_hours', 'cases'):
        op.drop_column('partner_performance', figure, schema='mart')
    op.drop_table('case_decision', schema='ledger')
    op.drop_table('case_assignment', schema='ledger')
    for table in TABLES:
        for field in reversed(_fields()):
            op.drop_column(table, field.name, schema='core')
