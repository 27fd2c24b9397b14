"""The tables of repair: corrections of remote records, what a stream looked like, drift, reconciliations."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

INSTANT = sa.DateTime(timezone=True)
TEXTS = pg.ARRAY(sa.Text())


def add(metadata: sa.MetaData) -> None:
    """Add them to the warehouse's tables."""
    sa.Table(
        "correction", metadata,
        sa.Column("connection", sa.Text(), nullable=False, comment="Connection of the record"),
        sa.Column("stream", sa.Text(), nullable=False, comment="Stream of the record"),
        sa.Column("remote_id", sa.Text(), nullable=False, comment="The record's id in the remote system"),
        sa.Column("field", sa.Text(), nullable=False, comment="Remote field, a path with dots for one within another"),
        sa.Column("value", pg.JSONB(), nullable=False,
                  comment="What the field is taken for before mapping, PII like raw.record.payload"),
        sa.Column("was", sa.LargeBinary(), nullable=False,
                  comment="BLAKE2b-128 of the value that is corrected: another one in the source ends the correction"),
        sa.Column("made_by", sa.Text(), nullable=False, comment="Who corrected it"),
        sa.Column("made_at", INSTANT, nullable=False, comment="When"),
        sa.Column("note", sa.Text(), comment="Why, in their words"),
        sa.Column("ended_at", INSTANT, comment="When it ceased to apply; null: it applies"),
        sa.Column("ended_by", sa.Text(), comment="source: the source changed the field; else who took it back"),
        sa.PrimaryKeyConstraint("remote_id", "connection", "stream", "field"),
        schema="ops", comment="Fields of remote records that a person has corrected on our side",
    )  # fmt: skip
    sa.Table(
        "schema_snapshot", metadata,
        sa.Column("connection", sa.Text(), primary_key=True, comment="Connection"),
        sa.Column("stream", sa.Text(), primary_key=True, comment="Stream"),
        sa.Column("seen_at", INSTANT, primary_key=True, comment="Start of the read that first saw it so"),
        sa.Column("hash", sa.Text(), nullable=False, comment="Of `fields`: another hash is another snapshot"),
        sa.Column("fields", pg.JSONB(), nullable=False,
                  comment="The stream's fields by name: type, choices, length, required, writable"),
        sa.Column("expected", pg.JSONB(), nullable=False,
                  comment="The fields as they were when nothing was open, with what was accepted since"),
        sa.Column("mapping_hash", sa.Text(), comment="Mappings that it was compared under; another hash: compare anew"),
        schema="ops", comment="What each stream looked like; the latest row of a stream is its present form",
    )  # fmt: skip
    sa.Table(
        "drift", metadata,
        sa.Column("connection", sa.Text(), primary_key=True, comment="Connection"),
        sa.Column("stream", sa.Text(), primary_key=True, comment="Stream"),
        sa.Column("field", sa.Text(), primary_key=True, comment="Remote field"),
        sa.Column("kind", sa.Text(), primary_key=True,
                  comment="removed, retyped, read_only, new_choice, lost_choice, shrunk, required, added"),
        sa.Column("severity", sa.Text(), nullable=False, comment="breaking, warning or info"),
        sa.Column("before", pg.JSONB(), comment="What was expected of the field"),
        sa.Column("after", pg.JSONB(), comment="What it is now; null: it is not there"),
        sa.Column("concerns", TEXTS, nullable=False, comment="<entity>.<field> that are read from it or written to it"),
        sa.Column("holds", sa.Boolean(), nullable=False,
                  comment="Whether those keep their values until this is mended or accepted"),
        sa.Column("message", sa.Text(), nullable=False, comment="What changed, and what to do"),
        sa.Column("state", sa.Text(), nullable=False, comment="open, noted (info), accepted, mended"),
        sa.Column("first_seen_at", INSTANT, nullable=False, comment="First time, since it was last mended"),
        sa.Column("last_seen_at", INSTANT, nullable=False, comment="Last time"),
        sa.Column("decided_by", sa.Text(), comment="Who accepted it"),
        sa.Column("decided_at", INSTANT, comment="When"),
        schema="ops", comment="Fields of remote systems that are no longer what the mappings count on",
    )  # fmt: skip
    sa.Table(
        "reconciliation", metadata,
        sa.Column("run_id", sa.Text(), primary_key=True, comment="Run that compared"),
        sa.Column("connection", sa.Text(), nullable=False, comment="Connection"),
        sa.Column("stream", sa.Text(), nullable=False, comment="Stream"),
        sa.Column("at", INSTANT, nullable=False, comment="When it began"),
        sa.Column("complete", sa.Boolean(), nullable=False,
                  comment="Whether all of the remote was read; else nothing is said of what is extra"),
        sa.Column("remote", sa.BigInteger(), nullable=False, comment="Records that the remote showed"),
        sa.Column("warehouse", sa.BigInteger(), nullable=False, comment="Live records of the stream in raw.record"),
        sa.Column("pending", sa.BigInteger(), nullable=False,
                  comment="Records that differ since the remote changed them just now: the next pull brings them"),
        sa.Column("missing", sa.BigInteger(), nullable=False, comment="Records of the remote that raw.record lacks"),
        sa.Column("extra", sa.BigInteger(), nullable=False, comment="Live records that the remote does not show"),
        sa.Column("different", sa.BigInteger(), nullable=False,
                  comment="Records whose mapped fields are not what the remote has"),
        sa.Column("edited", sa.BigInteger(), nullable=False,
                  comment="Records whose canonical row is not what the mapping makes of the record"),
        sa.Column("golden", sa.BigInteger(), nullable=False,
                  comment="Golden records with a value that the record it came from does not have"),
        sa.Column("mended", sa.BigInteger(), nullable=False, comment="Of all these, how many were put right"),
        sa.Column("samples", pg.JSONB(), nullable=False,
                  comment="Ids of some of each kind, with the fields that differ: {kind: {id: [field]}}"),
        sa.Index("reconciliation_by_stream", "connection", "stream", "at"),
        schema="ops", comment="What each reconciliation of a stream with the warehouse found",
    )  # fmt: skip
