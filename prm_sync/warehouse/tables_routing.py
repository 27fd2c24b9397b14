"""Tables of what is routed, leads and cases: who was chosen and why, and each offer."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from prm_sync.warehouse.tables_registrations import _column as column

_INSTANT = sa.DateTime(timezone=True)


def add(metadata: sa.MetaData) -> None:
    """Put them beside the others."""
    _decisions(metadata, "routing_decision", "lead", "Who was chosen for a lead, and why the others were not")
    _offers(
        metadata, "lead_offer", "lead",
        column("partner_stage", "open, working, won, lost", null=True),
        column("stage_at", "When that stage was first seen", _INSTANT, null=True),
        column("won_amount", "What the partner sold, minor units", sa.BigInteger(), null=True),
        column("won_currency", "Its currency", null=True),
    )  # fmt: skip
    _decisions(metadata, "case_decision", "case", "Who was chosen to serve a case, and why the others were not")
    _offers(
        metadata, "case_assignment", "case",
        column("partner_stage", "in_progress, resolved, closed, reopened", null=True),
        column("stage_at", "When that stage was reached", _INSTANT, null=True),
        column("resolve_by", "When the case is to be solved, by its priority", _INSTANT, null=True),
        column("responded_at", "First answer of the partner to the customer", _INSTANT, null=True),
        column("resolved_at", "When the partner solved it; null again where it was reopened", _INSTANT, null=True),
        column("resolution", "What the partner did, in its words", null=True),
        column("overdue_at", "When somebody was told that it is not solved in time", _INSTANT, null=True),
    )  # fmt: skip


def _decisions(metadata: sa.MetaData, name: str, thing: str, comment: str) -> None:
    sa.Table(
        name, metadata,
        column("id", "Id of the decision", key=True), column(f"{thing}_id", thing.title()),
        column("partner_id", "Partner that was chosen; null: nobody may", null=True),
        column("score", "Score of the chosen one", sa.Double(), null=True),
        column("rank", f"1 for the first decision of the {thing}", sa.Integer()),
        column("decided_at", "When", _INSTANT), column("rule_version", "Hash of the routing policy"),
        column("outcome", "How the partner was chosen, or why nobody was"), column("note", "The same in words"),
        column("candidates", "Every partner with its score, or the reason it lost; of a large programme those who "
               f"might have had the {thing}", pg.JSONB()),
        sa.Column("reasons", pg.JSONB(), nullable=False, server_default="{}",
                  comment=f"How many partners did not get the {thing} for which reason"),
        column("queue", f"Where a {thing} without a partner waits for a person", null=True),
        column("run_id", "Run", null=True),
        sa.Index(f"{name}_by_{thing}", f"{thing}_id", "rank"), sa.Index(f"{name}_by_time", "decided_at"),
        schema="ledger", comment=comment,
    )  # fmt: skip


def _offers(metadata: sa.MetaData, name: str, thing: str, *stages: sa.Column[object]) -> None:
    sa.Table(
        name, metadata,
        column("id", "Id of the offer", key=True), column(f"{thing}_id", thing.title()),
        column("partner_id", "Partner"), column("decision_id", "Decision"),
        column("rank", f"1 for the first offer of the {thing}", sa.Integer()),
        column("state", "pending, accepted, declined, expired, withdrawn"), column("offered_at", "When", _INSTANT),
        column("expires_at", "When it runs out", _INSTANT),
        column("answered_at", "When the partner answered", _INSTANT, null=True),
        column("decline_reason", "Why the partner declined", null=True),
        *stages,
        column("touched", "Change number of the last change of this row", sa.BigInteger()),
        sa.Index(f"{name}_by_{thing}", f"{thing}_id", "rank", unique=True), sa.Index(f"{name}_touched", "touched"),
        sa.Index(f"{name}_by_partner", "partner_id", "offered_at"),
        schema="ledger", comment=f"One row per offer of a {thing} to a partner",
    )  # fmt: skip
