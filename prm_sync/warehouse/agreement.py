"""The tables of what systems agree on: when fields changed, how a remote shows our own writes, and conflicts."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

_INSTANT = sa.DateTime(timezone=True)


def _column(
    name: str, comment: str, type_: sa.types.TypeEngine[Any] | None = None, *, null: bool = False
) -> sa.Column[Any]:
    return sa.Column(name, type_ or sa.Text(), nullable=null, comment=comment)


def _record() -> tuple[sa.Column[Any], ...]:
    return (
        _column("remote_id", "The record's id in the remote system"),
        _column("connection", "Connection the record was pulled over"), _column("stream", "Stream of the connection"),
    )  # fmt: skip


def tables(metadata: sa.MetaData) -> None:
    """Adds them to the warehouse's."""
    sa.Table(
        "field_time", metadata,
        *_record(), _column("entity", "Kind of entity that the record is"),
        _column("base_time", "Time of the fields that `changed` does not name", _INSTANT, null=True),
        _column("changed",
                "Fields that changed since the record was first read: {field: {at: when (null: it repeats what we "
                "wrote), before: what it said when all systems last agreed}}", pg.JSONB()),
        sa.PrimaryKeyConstraint("remote_id", "connection", "stream", "entity"),
        schema="core",
        comment="When the fields of remote records changed, from consecutive payloads; only of those that did",
    )  # fmt: skip
    sa.Table(
        "echo", metadata,
        *_record(),
        _column("read_upto", "ops.write_log rows up to this id were read back", sa.BigInteger()),
        _column("shown", "Fields that the remote shows in its own way: {remote field: {wrote: ..., shows: ...}}",
                pg.JSONB()),
        sa.PrimaryKeyConstraint("remote_id", "connection", "stream"),
        schema="core", comment="Our own writes as the remote shows them: no changes, and nothing to be sent again",
    )  # fmt: skip
    sa.Table(
        "conflict", metadata,
        sa.Column("id", sa.Text(), primary_key=True, comment="The same changes of the same field have the same id"),
        _column("kind", "both_changed: two systems changed a field since they agreed; "
                "flip_flop: a value that we write comes back again and again"),
        _column("entity", "Kind of entity"), _column("entity_id", "Entity"),
        _column("field", "Canonical field; of a flip_flop the remote field"),
        _column("connection", "Of a flip_flop: where the field is frozen", null=True),
        _column("stream", "Of a flip_flop: stream", null=True),
        _column("remote_id", "Of a flip_flop: record", null=True),
        _column("sides", "Who changed it: [{connection, record, value, at, before}]; of a flip_flop the writes",
                pg.JSONB()),
        _column("agreed", "Value on which all systems last agreed", pg.JSONB(), null=True),
        _column("rule", "Rule of the field; of a flip_flop how often it went back"),
        _column("state", "open, ruled (by the rule, at once), resolved (by a person), closed (nothing left to decide)"),
        sa.Column("in_force", sa.Boolean(), nullable=False, server_default=sa.false(),
                  comment="True: the decision stands until all systems say the same"),
        _column("value", "What stands: the rule's winner, or what was decided", pg.JSONB(), null=True),
        _column("opened_at", "When it was first seen", _INSTANT),
        _column("resolved_at", "When it was decided or closed", _INSTANT, null=True),
        _column("resolved_by", "Who decided, or which rule", null=True),
        sa.Index("conflict_in_force", "entity", "entity_id", postgresql_where=sa.text("state = 'open' or in_force")),
        sa.Index("conflict_by_entity", "entity_id"),
        schema="ops", comment="Fields that two systems changed differently, and fields that go back and forth",
    )  # fmt: skip
