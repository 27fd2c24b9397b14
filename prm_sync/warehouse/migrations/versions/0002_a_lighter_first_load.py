"""a lighter first load: payloads as they came (json), arrival numbers in a plain index

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ENTITIES = (
    "account", "activity", "agreement", "case", "certification", "contact", "deal_registration", "feedback", "lead",
    "opportunity", "order", "partner", "partner_user", "target",
)  # fmt: skip


def upgrade() -> None:
    op.execute("ALTER TABLE raw.record ALTER COLUMN payload TYPE json USING payload::text::json")
    for entity in ENTITIES:
        table = f"{entity}_source"
        op.execute(f'ALTER TABLE core."{table}" DROP CONSTRAINT "{table}_arrived_key"')
        op.create_index(f"{table}_arrived", table, ["arrived"], schema="core")


def downgrade() -> None:
    for entity in ENTITIES:
        table = f"{entity}_source"
        op.drop_index(f"{table}_arrived", table_name=table, schema="core")
        op.execute(f'ALTER TABLE core."{table}" ADD CONSTRAINT "{table}_arrived_key" UNIQUE (arrived)')
    op.execute("ALTER TABLE raw.record ALTER COLUMN payload TYPE jsonb USING payload::text::jsonb")
