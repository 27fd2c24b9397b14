"""Tables of matching by likeness: block keys, pairs that the engine found or a person judged, and the decisions."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

_INSTANT = sa.DateTime(timezone=True)


def _column(name: str, type_: sa.types.TypeEngine[Any], comment: str, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, type_, nullable=null, comment=comment)


def match_tables(metadata: sa.MetaData) -> None:
    text, number = sa.Text(), sa.BigInteger()
    sa.Table(
        "match_key", metadata,
        _column("key", number, "Hash of the parts of one group under `candidates` of policies/identity.yaml"),
        _column("entity", text, "Kind of entity"),
        _column("arrived", number, "Arrival number of the record in core.<entity>_source"),
        sa.PrimaryKeyConstraint("key", "entity", "arrived"),
        sa.Index("match_key_by_record", "entity", "arrived"),
        schema="core", comment="Records that share a key here are compared; only where a policy says `resembles`",
    )  # fmt: skip
    sa.Table(
        "match_review", metadata,
        _column("entity", text, "Kind of entity"),
        _column("a", number, "Arrival number of the older record in core.<entity>_source"),
        _column("b", number, "Arrival number of the younger record"),
        _column("record_a", text, "The older one: '<connection>/<stream>/<remote id>'"),
        _column("record_b", text, "The younger one"),
        _column("score", sa.Double(), "Probability that both are one; null: never compared", null=True),
        _column("reasons", pg.ARRAY(text), "What they have in common and in what they differ"),
        _column("state", text, "merged (by score), open (a person is to decide), accepted, rejected"),
        _column("found_at", _INSTANT, "When the pair was first found"),
        _column("decided_by", text, "Who accepted or rejected it", null=True),
        _column("decided_at", _INSTANT, "When", null=True),
        sa.PrimaryKeyConstraint("entity", "a", "b"),
        sa.Index("match_review_b", "entity", "b"),
        sa.Index("match_review_waiting", "entity", "score", postgresql_where=sa.text("state = 'open'")),
        sa.Index("match_review_apart", "entity", "a", "b", postgresql_where=sa.text("state = 'rejected'")),
        schema="core", comment="Pairs of remote records that are alike, and whether they are one",
    )  # fmt: skip
    sa.Table(
        "match_decision", metadata,
        sa.Column("id", number, sa.Identity(), primary_key=True, comment="Order of the decisions"),
        _column("entity", text, "Kind of entity"),
        _column("verb", text, "accept, reject, split or merge"),
        _column("pairs", pg.JSONB(), "Pairs it concerned: [a, b, state before or null]"),
        _column("moved", pg.JSONB(), "Records that it took out of an entity: [entity before, entity after]"),
        _column("decided_by", text, "Who"),
        _column("decided_at", _INSTANT, "When"),
        _column("undone_at", _INSTANT, "When it was taken back", null=True),
        schema="core", comment="What people decided about pairs; each can be taken back",
    )  # fmt: skip
