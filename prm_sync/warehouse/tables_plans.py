"""Tables of plans, deletes and merges: what waits for a person, and what is remembered of what is gone."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

INSTANT = sa.DateTime(timezone=True)


def add(metadata: sa.MetaData) -> None:
    """Put them beside the others."""
    _gone(metadata)
    _merges(metadata)
    _plan_changes(metadata)


def _need(name: str, comment: str, type_: sa.types.TypeEngine[Any] | None = None) -> sa.Column[Any]:
    return sa.Column(name, type_ or sa.Text(), nullable=False, comment=comment)


def _may(name: str, comment: str, type_: sa.types.TypeEngine[Any] | None = None) -> sa.Column[Any]:
    return sa.Column(name, type_ or sa.Text(), comment=comment)


def _gone(metadata: sa.MetaData) -> None:
    sa.Table(
        "gone", metadata,
        _need("connection", "Connection"), _need("stream", "Stream"), _need("remote_id", "The record's remote id"),
        _need("entity", "Entity that the mapping's `when` no longer takes it for; empty: the record itself is gone"),
        _need("how", "marked (the remote said so), absent (of a complete read), merged, left_out (by the mapping)"),
        _may("into_id", "Remote id of the record that it was merged into"),
        _need("state", "waiting: not believed yet; gone: merged, and marked as deleted; back: merged once, restored"),
        _need("told_at", "Start of the read that told it", INSTANT), _may("run_id", "Run"),
        sa.PrimaryKeyConstraint("remote_id", "connection", "stream", "entity"),
        sa.Index("gone_by_stream", "connection", "stream", "state"),
        sa.Index("gone_into", "into_id", postgresql_where=sa.text("into_id IS NOT NULL")),
        schema="raw",
        comment="Records that are told to be gone and wait (for the end of the read, or for a person); and merged ones",
    )  # fmt: skip


def _merges(metadata: sa.MetaData) -> None:
    sa.Table(
        "entity_merge", metadata,
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True, comment="Order"),
        _need("entity", "Kind of entity"), _need("loser_id", "Entity that was found to be another one"),
        _need("winner_id", "That other one"), _need("at", "When", INSTANT),
        _need("moved", "Records that went over: connection/stream/remote_id", pg.ARRAY(sa.Text())),
        _need("why", "exact_key, likeness, or merged: a remote made one record of two"),
        _may("undone_at", "When they were taken apart again, since a merged record came back", INSTANT),
        sa.Index("entity_merge_by_loser", "loser_id"),
        schema="core", comment="Which entities became one, and what of them can be taken apart again",
    )  # fmt: skip


def _plan_changes(metadata: sa.MetaData) -> None:
    sa.Table(
        "plan_change", metadata,
        sa.Column("plan_id", sa.Text(), primary_key=True, comment="Plan"),
        sa.Column("token", sa.Text(), primary_key=True, comment="Idempotency token of the change"),
        _need("entity_id", "Entity"), _need("target", "Remote id it is for, or the offer's key"),
        _need("op", "upsert or delete"), _need("creates", "Whether it makes a record", sa.Boolean()),
        _may("remote_id", "Id in the remote system, where it is known"),
        _may("match_field", "Remote field to match on before a record is made"), _may("match_value", "Its value"),
        _need("values", "Remote fields to set, as sent", pg.JSONB()),
        _need("before", "Changed fields as observed (flat names)", pg.JSONB()),
        _need("after", "The same as desired", pg.JSONB()),
        _need("shared", "Canonical fields that would leave for a partner", pg.ARRAY(sa.Text())),
        _may("partner_key", "Partner who would see it"),
        schema="ops", comment="The changes of plans that were shown or are held, exactly as they would be sent",
    )  # fmt: skip
