"""what goes to partners besides leads

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

SHARED_KEY = ("shared_key", "The copy that a partner sees, '<id>:<partner id>', as this system gave it to the source. PII: none; R024")
COUNTRY = ("country", "Country, ISO 3166-1 alpha-2. PII: company; R046")
TEXTS = {
    "case": (SHARED_KEY,),
    "feedback": (
        ("product", "Product it is about. PII: none; R077"), COUNTRY,
        ("partner_key", "By or about which partner, by its key in the PRM. PII: none; R033"),
        ("contact_ref", "By which person. '<connection>:<remote id>' of a contact; join core.crosswalk. PII: none; R077"),
        ("consent_evidence", "Where the person's consent to sharing is written down: form, ticket, contract. PII: personal; R024"),
        SHARED_KEY,
    ),
    "order": (
        ("city", "City it goes to, in its own script. PII: company; R071"),
        ("region", "State, province or region it goes to, as written. PII: company; R071"),
        ("postcode", "Postal code it goes to, as written. PII: company; R071"), COUNTRY,
        ("delivery_preference", "How and when the customer wants it delivered. PII: personal; R071"),
        SHARED_KEY,
    ),
}
DO_NOT_SHARE = "True: nothing of the record may leave for partners. PII: none; R024"
AWAITED = sa.text("shipped_at IS NULL AND delivered_at IS NULL AND promised_date IS NOT NULL")


def _tables(entity: str) -> tuple[str, str, str]:
    return entity, f"{entity}_source", f"{entity}_past"


def upgrade() -> None:
    for entity, columns in TEXTS.items():
        for table in _tables(entity):
            for name, comment in columns:
                op.add_column(table, sa.Column(name, sa.Text(), nullable=True, comment=comment), schema="core")
    for table in _tables("feedback"):
        op.add_column(table, sa.Column("do_not_share", sa.Boolean(), nullable=True, comment=DO_NOT_SHARE), schema="core")
    op.create_index("order_awaited", "order", ["promised_date"], unique=False, schema="core", postgresql_where=AWAITED)
    op.create_table('signal',
    sa.Column('id', sa.Text(), nullable=False, comment='Stable id of the entity'),
    sa.Column('measure', sa.Text(), nullable=True, comment='What was counted. one of leads, won, orders, cases. PII: none; R068'),
    sa.Column('period', sa.Date(), nullable=True, comment='First day of the month. PII: none; R068'),
    sa.Column('country', sa.Text(), nullable=True, comment='Country, ISO 3166-1 alpha-2. PII: none; R068'),
    sa.Column('region', sa.Text(), nullable=True, comment='Region, ISO 3166-2; empty: the whole country. PII: none; R068'),
    sa.Column('product', sa.Text(), nullable=True, comment='Product. PII: none; R069'),
    sa.Column('direction', sa.Text(), nullable=True, comment='Whether there was more of it than before, or less. one of rise, fall. PII: none; R074'),
    sa.Column('count', sa.BigInteger(), nullable=True, comment='How many in the month, rounded as policies/signals.yaml says. PII: none; R068'),
    sa.Column('lift', sa.Double(), nullable=True, comment='The month divided by the mean of the months before, to one place. PII: none; R074'),
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
    comment='Golden records. A change of demand in a region, in numbers in which nobody can be found. Measured here.'
    )
    op.create_index('signal_merged', 'signal', ['merged_into'], unique=False, schema='core', postgresql_where=sa.text('merged_into IS NOT NULL'))
    op.create_index('signal_touched', 'signal', ['touched'], unique=False, schema='core')
    op.create_table('signal_past',
    sa.Column('id', sa.Text(), nullable=False, comment='Id of the entity'),
    sa.Column('version', sa.BigInteger(), nullable=False, comment='Change number of the superseded row'),
    sa.Column('measure', sa.Text(), nullable=True, comment='What was counted. one of leads, won, orders, cases. PII: none; R068'),
    sa.Column('period', sa.Date(), nullable=True, comment='First day of the month. PII: none; R068'),
    sa.Column('country', sa.Text(), nullable=True, comment='Country, ISO 3166-1 alpha-2. PII: none; R068'),
    sa.Column('region', sa.Text(), nullable=True, comment='Region, ISO 3166-2; empty: the whole country. PII: none; R068'),
    sa.Column('product', sa.Text(), nullable=True, comment='Product. PII: none; R069'),
    sa.Column('direction', sa.Text(), nullable=True, comment='Whether there was more of it than before, or less. one of rise, fall. PII: none; R074'),
    sa.Column('count', sa.BigInteger(), nullable=True, comment='How many in the month, rounded as policies/signals.yaml says. PII: none; R068'),
    sa.Column('lift', sa.Double(), nullable=True, comment='The month divided by the mean of the months before, to one place. PII: none; R074'),
    sa.Column('shared_key', sa.Text(), nullable=True, comment="The copy that a partner sees, '<id>:<partner id>', as this system gave it to the source. PII: none; R024"),
    sa.Column('provenance', postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment='Where each field came from'),
    sa.Column('valid_from', sa.DateTime(timezone=True), nullable=False, comment='Since when the values held'),
    sa.Column('valid_to', sa.DateTime(timezone=True), nullable=False, comment='Until when'),
    sa.PrimaryKeyConstraint('id', 'version'),
    schema='core',
    comment='Superseded golden records; core.signal_history shows them with the present ones'
    )
    op.create_table('signal_source',
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
    sa.Column('measure', sa.Text(), nullable=True, comment='What was counted. one of leads, won, orders, cases. PII: none; R068'),
    sa.Column('period', sa.Date(), nullable=True, comment='First day of the month. PII: none; R068'),
    sa.Column('country', sa.Text(), nullable=True, comment='Country, ISO 3166-1 alpha-2. PII: none; R068'),
    sa.Column('region', sa.Text(), nullable=True, comment='Region, ISO 3166-2; empty: the whole country. PII: none; R068'),
    sa.Column('product', sa.Text(), nullable=True, comment='Product. PII: none; R069'),
    sa.Column('direction', sa.Text(), nullable=True, comment='Whether there was more of it than before, or less. one of rise, fall. PII: none; R074'),
    sa.Column('count', sa.BigInteger(), nullable=True, comment='How many in the month, rounded as policies/signals.yaml says. PII: none; R068'),
    sa.Column('lift', sa.Double(), nullable=True, comment='The month divided by the mean of the months before, to one place. PII: none; R074'),
    sa.Column('shared_key', sa.Text(), nullable=True, comment="The copy that a partner sees, '<id>:<partner id>', as this system gave it to the source. PII: none; R024"),
    sa.PrimaryKeyConstraint('remote_id', 'connection', 'stream'),
    schema='core',
    comment='One row per remote record that is a signal, in canonical form. A change of demand in a region, in numbers in which nobody can be found. Measured here.'
    )
    op.create_index('signal_source_arrived', 'signal_source', ['arrived'], unique=False, schema='core')
    op.create_index('signal_source_key_1', 'signal_source', ['key_1'], unique=False, schema='core', postgresql_where=sa.text('key_1 IS NOT NULL'))
    op.create_index('signal_source_key_2', 'signal_source', ['key_2'], unique=False, schema='core', postgresql_where=sa.text('key_2 IS NOT NULL'))
    op.create_index('signal_source_key_3', 'signal_source', ['key_3'], unique=False, schema='core', postgresql_where=sa.text('key_3 IS NOT NULL'))
    op.create_index('signal_source_key_4', 'signal_source', ['key_4'], unique=False, schema='core', postgresql_where=sa.text('key_4 IS NOT NULL'))
    op.create_index('signal_source_touched', 'signal_source', ['touched'], unique=False, schema='core')
    op.create_table('signal_audience',
    sa.Column('signal_id', sa.Text(), nullable=False, comment='Signal'),
    sa.Column('partner_id', sa.Text(), nullable=False, comment='A partner whose territory holds its region'),
    sa.PrimaryKeyConstraint('signal_id', 'partner_id'),
    schema='ledger',
    comment='Which partners a demand signal is for'
    )


def downgrade() -> None:
    op.drop_table("signal_audience", schema="ledger")
    for table in _tables("signal"):
        op.drop_table(table, schema="core")
    op.drop_index("order_awaited", table_name="order", schema="core", postgresql_where=AWAITED)
    for table in _tables("feedback"):
        op.drop_column(table, "do_not_share", schema="core")
    for entity, columns in TEXTS.items():
        for table in _tables(entity):
            for name, _ in columns:
                op.drop_column(table, name, schema="core")
